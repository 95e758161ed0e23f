"""Commands for a shell: what would go to the suite's server is led to the namespace, the rest stays."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers.redirect import Target
from dbsafe_runner.workers.redirect.commands import rewrite_command

SOCKET = Endpoint("/srv/w1", 5432)
#: A database of the user's server, which has another name there.
RENAMED = Endpoint("db", 6000, databases={"shop": "shop_w1"})
SOURCE = Target("localhost", 5432, "app", "shop")
LED = "postgresql://app@localhost:5432/shop?host=/srv/w1&port=5432"


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("psql postgresql://app@localhost/shop -f x.sql", f"psql '{LED}' -f x.sql"),
        ('psql "postgresql://app@localhost/shop" -f x.sql', f'psql "{LED}" -f x.sql'),
        ("export U='postgresql://app@localhost/shop'; make", f"export U='{LED}'; make"),
        ("psql postgresql://app@localhost:5433/shop", "psql postgresql://app@localhost:5433/shop"),
        ("alembic upgrade head", "alembic upgrade head"),
        ("tools.setup:main", "tools.setup:main"),
    ],
)
def test_urls_are_led(command: str, expected: str) -> None:
    assert rewrite_command(command, SOCKET, (SOURCE,), {}).replace(":5432/shop", "/shop") == (
        expected.replace(":5432/shop", "/shop")
    )


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("psql -h localhost -p 5432 -U app shop", "psql -h db -p 6000 -U app shop_w1"),
        ("psql -hlocalhost shop < a.sql", "psql -hdb -p 6000 shop_w1 < a.sql"),
        ("psql --port=5432 -d shop", "psql --port=6000 -h db -d shop_w1"),
        ("psql --host 127.0.0.1 --dbname=shop", "psql --host db -p 6000 --dbname=shop_w1"),
        ("dropdb --if-exists -h localhost shop", "dropdb --if-exists -h db -p 6000 shop_w1"),
        ("psql -U shop -t shop -f shop", "psql -U shop -t shop_w1 -f shop"),
        ("pg_dump -t shop -c shop", "pg_dump -t shop -c shop_w1"),
        ("bash -c 'psql -h localhost -q shop'", "bash -c 'psql -h db -p 6000 -q shop_w1'"),
        ("createdb shop && psql shop -f a.sql", "createdb shop_w1 && psql shop_w1 -f a.sql"),
        ("pg_dump -h other shop | psql -h localhost", "pg_dump -h other shop | psql -h db -p 6000"),
        ("/usr/bin/psql \\\n  -h localhost;make", "/usr/bin/psql \\\n  -h db -p 6000;make"),
        ("(cd db; psql -h localhost)", "(cd db; psql -h db -p 6000)"),
        ('psql -h "$DB_HOST" -p ${DB_PORT:-5432} x', "psql -h db -p 6000 x"),
        ("psql -h localhost -c \"select 'a;b'\"", "psql -h db -p 6000 -c \"select 'a;b'\""),
        ("PGHOST=localhost psql shop", "PGHOST=db PGPORT=6000 psql shop_w1"),
        ("A=1 PGPORT=5432 PGUSER=x psql -q", "A=1 PGHOST=db PGPORT=6000 PGUSER=x psql -q"),
    ],
)
def test_what_tools_are_told_is_led(command: str, expected: str) -> None:
    environ = {"DB_HOST": "localhost"}
    assert rewrite_command(command, RENAMED, (SOURCE,), environ) == expected


@pytest.mark.parametrize(
    "command",
    [
        "psql -h db.example.com shop",
        "psql -p 5433 shop",
        "psql -h $(cat host) shop",
        "PGHOST=db.example.com psql shop",
        "mytool -h localhost shop",
        "./psql.sh -h localhost shop",
        "run-psql -h localhost",
    ],
)
def test_what_means_something_else_stays(command: str) -> None:
    assert rewrite_command(command, RENAMED, (SOURCE,), {}) == command


def test_connection_strings_and_services_are_led(tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[here]\nhost=127.0.0.1\ndbname=shop\n[there]\nhost=db.example.com\n")
    environ = {"PGSERVICEFILE": str(services)}

    def led(command: str) -> str:
        return rewrite_command(command, SOCKET, (SOURCE,), environ)

    (_, string) = shlex.split(led('psql "host=localhost dbname=shop"'))
    assert string == "host='/srv/w1' dbname='shop' port='5432'"
    assert "/srv/w1" in led("psql -q service=here -f a.sql")
    assert led("PGSERVICE=here psql -f a.sql") == "PGHOST=/srv/w1 PGPORT=5432 psql -f a.sql"
    for command in ("psql service=there", "PGSERVICE=there psql", "psql service=unknown"):
        assert led(command) == command


def test_without_a_source_a_server_of_this_machine_can_only_be_the_suites() -> None:
    assert rewrite_command("psql -h localhost x", SOCKET, (), {}) == "psql -h /srv/w1 -p 5432 x"
    assert rewrite_command("psql -h db x", SOCKET, (), {}) == "psql -h db x"
