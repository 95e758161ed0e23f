"""The environment of programs: what means a source is led to the endpoint, the rest stays."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers.redirect import Target, environment, serial_environment

SOCKET = Endpoint("/srv/w1", 5432)
SOURCE = Target("localhost", 5432, "app", "shop")


def led(base: dict[str, str], endpoint: Endpoint = SOCKET, *sources: Target) -> dict[str, str]:
    return serial_environment(base, endpoint, sources or (SOURCE,))


def test_a_url_keeps_its_parts_and_gets_the_socket() -> None:
    url = "postgresql+psycopg://app:s%40c@localhost:5432/shop?sslmode=require&application_name=x"
    new = led({"TEST_DATABASE_URL": url})["TEST_DATABASE_URL"]
    parts = urlsplit(new)
    assert (parts.hostname, parts.port, parts.username, parts.path) == (
        "localhost",
        5432,
        "app",
        "/shop",
    )
    assert parts.query == "host=/srv/w1&port=5432&application_name=x"


def test_a_url_with_a_raw_password() -> None:
    new = led({"URL": "postgresql://app:Mk#r?77@127.0.0.1:5432/shop"})["URL"]
    assert new == "postgresql://app:Mk#r?77@127.0.0.1:5432/shop?host=/srv/w1&port=5432"


def test_a_connection_string() -> None:
    new = led({"DSN": "host=localhost dbname=shop password='a b' sslmode=require"})["DSN"]
    assert new == "host='/srv/w1' dbname='shop' password='a b' port='5432'"


def test_a_connection_string_that_names_a_service(tmp_path: Path) -> None:
    services = tmp_path / "services"
    services.write_text("[here]\nhost=127.0.0.1\ndbname=shop\n[there]\nhost=db.example.com\n")
    new = led({"PGSERVICEFILE": str(services), "DSN": "service=here", "OTHER": "service=there"})
    assert new["DSN"] == "service='here' host='/srv/w1' port='5432'"
    assert new["OTHER"] == "service=there"


@pytest.mark.parametrize(
    "value",
    [
        "postgresql://app@db.example.com/shop",
        "postgresql://app@localhost:5433/shop",
        "mysql://root@localhost/shop",
        "host=localhost, then dbname=shop",
        "hosts=localhost dbname=shop",
        "http://localhost:5432/?dbname=shop",
        "service=localhost, x",
        "service=shop-api",
    ],
)
def test_what_means_something_else_stays(value: str) -> None:
    assert led({"VALUE": value})["VALUE"] == value


def test_programs_on_libpq_are_led_where_nothing_is_said() -> None:
    environ = led({})
    assert (environ["PGHOST"], environ["PGPORT"]) == ("/srv/w1", "5432")
    assert (environ["PGUSER"], environ["PGDATABASE"]) == ("app", "shop")
    assert not {"PGPASSWORD", "PGOPTIONS"} & environ.keys()


def test_programs_on_libpq_are_led_where_a_source_is_meant() -> None:
    base = {"PGHOST": "127.0.0.1", "PGUSER": "app", "PGPASSWORD": "pw", "PGSSLMODE": "verify-full"}
    environ = led({**base, "PGHOSTADDR": "127.0.0.1", "PGCHANNELBINDING": "require"})
    assert environ["PGHOST"] == "/srv/w1"
    assert (environ["PGUSER"], environ["PGPASSWORD"]) == ("app", "pw")
    assert not {"PGSSLMODE", "PGHOSTADDR", "PGCHANNELBINDING"} & environ.keys()


def test_programs_on_libpq_stay_where_another_server_is_meant() -> None:
    base = {"PGHOST": "localhost", "PGPORT": "6000", "PGSSLMODE": "require"}
    environ = led(base)
    assert {name: environ[name] for name in base} == base


def test_names_schema_user_and_tls_of_the_endpoint() -> None:
    endpoint = Endpoint(
        "db",
        6000,
        {"shop": "shop_w1"},
        "w1",
        "tester",
        "hidden",
        {"sslmode": "require", "options": "-c jit=off"},
    )
    environ = led({"PGDATABASE": "shop", "URL": "postgresql://app:pw@localhost/shop"}, endpoint)
    assert environ["PGDATABASE"] == "shop_w1"
    assert (environ["PGUSER"], environ["PGPASSWORD"]) == ("tester", "hidden")
    assert environ["PGSSLMODE"] == "require"
    assert environ["PGOPTIONS"] == '-c jit=off -c search_path="w1",\\ "$user",\\ public'
    parts = urlsplit(environ["URL"])
    assert parts.netloc == "tester:hidden@db:6000"
    assert parts.path == "/shop_w1"


def test_what_was_changed_can_be_put_back() -> None:
    base = {"URL": "postgresql://app@localhost/shop", "PGSSLMODE": "require", "OTHER": "x"}
    environ = led(base)
    before = dict(environ)
    for record in environ[environment.ORIGINALS].split(environment.RECORD):
        name, new, original = record.split(environment.UNIT)
        assert before.get(name) == (new[1:] if new else None)
        before.pop(name, None)
        if original:
            before[name] = original[1:]
    del before[environment.ORIGINALS], before[environment.REDIRECT], before["PYTHONPATH"]
    assert before == base


def test_it_may_be_applied_again() -> None:
    once = led({"URL": "postgresql://app@localhost/shop", "PYTHONPATH": "/own"})
    twice = led(once)
    assert {**twice, environment.ORIGINALS: ""} == {**once, environment.ORIGINALS: ""}
    assert once["PYTHONPATH"].endswith("/inherit:/own")


def test_what_python_programs_are_told() -> None:
    facts: dict[str, Any] = json.loads(led({})[environment.REDIRECT])
    assert facts["sources"] == [list(SOURCE)]
    assert facts["endpoint"]["host"] == "/srv/w1"


def test_programs_are_told_the_suites_database_where_nothing_else_tells_them() -> None:
    new = led({"HOME": "/root"})
    assert new["DATABASE_URL"] == "postgresql://app@localhost:5432/shop?host=/srv/w1&port=5432"
    assert (new["PGUSER"], new["PGDATABASE"], new["PGHOST"]) == ("app", "shop", "/srv/w1")


@pytest.mark.parametrize("base", [{"PGHOST": "localhost"}, {"PGHOST": "db.example.com"}])
def test_what_the_environment_says_itself_is_not_overridden(base: dict[str, str]) -> None:
    new = led(base)
    assert not {"DATABASE_URL", "PGUSER", "PGDATABASE"} & new.keys()


def test_a_role_that_logs_in_by_itself_stays_in_urls_and_variables() -> None:
    endpoint = Endpoint(
        "db", 5433, databases={"shop": "shop_w1"}, user="boss", password="hidden", logins=("app",)
    )
    base = {
        "APP_URL": "postgresql://app:own@localhost:5432/shop",
        "OTHER_URL": "postgresql://other:own@localhost:5432/shop",
        "PGUSER": "app",
        "PGPASSWORD": "own",
    }
    result = serial_environment(base, endpoint, [Target("localhost", 5432, "boss", "shop")])
    assert "app:own@" in result["APP_URL"]
    assert "boss:hidden@" in result["OTHER_URL"]
    assert (result["PGUSER"], result["PGPASSWORD"]) == ("app", "own")


def test_a_program_that_is_told_no_role_gets_the_servers_whatever_libpq_would_take() -> None:
    endpoint = Endpoint("db", 5433, user="boss", password="hidden", logins=(getpass.getuser(),))
    result = serial_environment({}, endpoint, [Target("localhost", 5432, "boss", "shop")])
    assert (result["PGUSER"], result["PGPASSWORD"]) == ("boss", "hidden")
