"""Targets: every spelling of a server is the same one, and no two servers are."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict

from dbsafe_runner.workers.redirect import Target, routing, urls

LOCAL = Target("localhost", 5432, "app", "shop")


@pytest.mark.parametrize(
    "text",
    [
        "postgresql://app:secret@localhost/shop",
        "postgres://app@127.0.0.1:5432/shop",
        "postgresql+psycopg://app@[::1]/shop",
        "postgresql+asyncpg://app@LOCALHOST./shop?ssl=disable",
        "postgis://app@127.0.1.1/shop",
        "postgresql://app@/shop",
        "postgresql:///shop?user=app&host=/var/run/postgresql",
        "postgresql://app@%2Fvar%2Frun%2Fpostgresql/shop",
        "postgresql://%61pp@localhost:5432,elsewhere:1/shop",
        "postgresql+psycopg2://app@/shop?host=localhost:5432&host=other:5433",
        "postgresql://app@elsewhere:99/shop?host=localhost&port=5432",
        "host=localhost user=app dbname=shop",
        "user = 'app' dbname='shop' host='/tmp/' ",
        "hostaddr=127.0.0.1 host=elsewhere user=app dbname=shop",
    ],
)
def test_the_same_server(text: str) -> None:
    assert Target.parse(text, {}) == LOCAL


@pytest.mark.parametrize(
    ("text", "server"),
    [
        ("postgresql://app@localhost:5433/shop", ("localhost", 5433)),
        ("postgresql://app@DB/shop", ("db", 5432)),
        ("postgresql://app@db.example.com:6000/shop", ("db.example.com", 6000)),
        ("host=/srv/pg/ port=5433", ("/srv/pg", 5433)),
        ("postgresql:///shop?host=/srv/pg", ("/srv/pg", 5432)),
        ("host=128.0.0.1", ("128.0.0.1", 5432)),
    ],
)
def test_other_servers(text: str, server: tuple[str, int]) -> None:
    assert Target.parse(text, {}).server == server


def test_defaults_come_from_the_environment() -> None:
    environ = {"PGHOST": "db", "PGPORT": "6000", "PGUSER": "u", "PGDATABASE": "d"}
    assert Target.parse("", environ) == Target("db", 6000, "u", "d")
    assert Target.parse("host=other port=1", environ) == Target("other", 1, "u", "d")
    assert Target.parse("", {"PGHOST": "db", "PGHOSTADDR": "127.0.0.1"}).host == "localhost"
    assert Target.parse("user=u", {}).database == "u"


def test_a_service_file_comes_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "pg_service.conf"
    file.write_text("# ours\n[a]\nhost=one\n[b]\nhost = two\nport=7\ndbname=shop=1\n[c]\nhost=three\n")
    environ = {"PGSERVICEFILE": str(file), "PGHOST": "db", "PGUSER": "u"}
    assert Target.parse("service=b", environ) == Target("two", 7, "u", "shop=1")
    assert Target.parse("", {**environ, "PGSERVICE": "c"}).host == "three"
    assert Target.parse("service=absent", environ).host == "db"
    in_directory = {"PGSYSCONFDIR": str(tmp_path), "HOME": "/nowhere", "PGSERVICE": "a"}
    assert Target.parse("", in_directory).host == "one"


def test_several_hosts_are_several_targets() -> None:
    targets = urls.targets_of({"host": "a,b,/srv/pg", "port": "1,2,3"}, {})
    assert [target.server for target in targets] == [("a", 1), ("b", 2), ("/srv/pg", 3)]
    targets = urls.targets_of(urls.parse_url("postgresql://a,b:2/x"), {})
    assert [target.server for target in targets] == [("a", 5432), ("b", 2)]


def test_a_socket_file_names_its_directory() -> None:
    assert Target("/srv/pg/.s.PGSQL.6543").host == "/srv/pg"
    assert Target("/tmp/.s.PGSQL.6543").host == "localhost"
    assert urls.socket_port("/srv/pg/.s.PGSQL.6543") == 6543
    assert urls.socket_port("/srv/pg") == 0


@pytest.mark.parametrize(
    ("target", "url"),
    [
        (Target("localhost", 5432, "shop", "shop_test"), "postgresql://shop@localhost:5432/shop_test"),
        (Target("", 5432, "", "shop"), "postgresql://localhost:5432/shop"),
        (Target("db", 7, "app user", "a/b"), "postgresql://app%20user@db:7/a%2Fb"),
        (Target("db", 7, "joe@corp", "tést"), "postgresql://joe%40corp@db:7/t%C3%A9st"),
        (Target("2001:db8::1", 7, "u", "d"), "postgresql://u@[2001:db8::1]:7/d"),
        (Target("/srv/pg", 7, "u", "d"), "postgresql://u@%2Fsrv%2Fpg:7/d"),
    ],
)
def test_the_url_of_a_target_is_read_as_that_target(target: Target, url: str) -> None:
    assert target.url == url
    assert Target.parse(url, {"PGUSER": "app"}) == target._replace(user=target.user or "app")


@pytest.mark.parametrize(
    "text", ["no connection string", "a=b c", "mysql://localhost/x", "=x", "host=a b'"]
)
def test_what_is_neither_is_said_to_be(text: str) -> None:
    with pytest.raises(ValueError, match="not a"):
        Target.parse(text, {})


WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=12)


@given(user=WORDS, password=WORDS, database=WORDS)
def test_any_name_survives_a_url(user: str, password: str, database: str) -> None:
    from urllib.parse import quote

    parts = [quote(part, safe="") for part in (user, password, database)]
    url = "postgresql://{}:{}@localhost:6000/{}".format(*parts)
    params = urls.parse_url(url)
    assert (params["user"], params["password"], params["dbname"]) == (user, password, database)
    led = urls.with_parameters(url, {**params, "host": "/srv/pg dir", "port": "1"})
    assert urls.parse_url(led) == {**params, "host": "/srv/pg dir", "port": "1"}
    assert led.startswith(url)


@given(
    st.text("ab:#?=&,", min_size=1), st.sampled_from(["", "/shop", "/sh#op", "?user=me@x", "/?port=1"])
)
def test_a_login_is_read_as_libpq_does(login: str, rest: str) -> None:
    url = f"postgresql://{login}@localhost{rest}"
    params, theirs = urls.parse_url(url), conninfo_to_dict(url)
    assert params == {key: value for key, value in theirs.items() if value}


@pytest.mark.parametrize(
    ("login", "user", "password"),
    [("app:a@b#c", "app", "a@b#c"), ("app@here:pw", "app@here", "pw"), ("app:@", "app", "@")],
)
def test_an_at_sign_belongs_to_the_login(login: str, user: str, password: str) -> None:
    params = urls.parse_url(f"postgresql://{login}@db:6000/shop")
    assert params["host"] == "db"
    assert (params["user"], params["password"]) == (user, password)


@given(st.text(max_size=60))
def test_no_text_makes_it_fail_otherwise(text: str) -> None:
    for candidate in (text, "postgresql://" + text, "host=" + text):
        with contextlib.suppress(ValueError):
            assert Target.parse(candidate, {}).port >= 0


def test_a_network_address_takes_the_place_of_the_host() -> None:
    url = "postgresql+psycopg://app:pw@db:5432/shop?connect_timeout=3"
    params = {**urls.parse_url(url), "host": "::1", "port": "9", "user": "w1", "dbname": "shop_w1"}
    led = urls.with_parameters(url, params)
    assert led == "postgresql+psycopg://w1:pw@[::1]:9/shop_w1?connect_timeout=3"


def test_messages_name_the_host_as_it_was_written() -> None:
    target = Target.parse("postgresql://app@127.0.0.1:45115/shop", {})
    assert target == Target("localhost", 45115, "app", "shop")
    for refusal in (routing.refusal(target, "test_a"), routing.refusal_of_database(target, "test_a")):
        assert "127.0.0.1:45115" in str(refusal)
