from __future__ import annotations

import dataclasses
import json
import shlex
from urllib.parse import quote, quote_plus

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import make_conninfo

from dbsafe_runner.config.database_settings import PRODUCTION
from dbsafe_runner.database.clones import Dress, dressing, split_names
from dbsafe_runner.database.passwords import masked_urls
from dbsafe_runner.database.user_server import (
    ServerAddress,
    ServerFacts,
    check_allowed,
    choose_kind,
    connect,
)
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.errors import UserError

FACTS = ServerFacts(
    version="16.1",
    version_num=160001,
    superuser=False,
    createdb=False,
    create_schema=False,
    role="app",
    pooled=False,
    max_connections=100,
    reserved=3,
    role_limit=-1,
)
ODD = "p@ s!w\\o'r\"éd"
ADDRESS = ServerAddress("db", 5432, "app", "app_test", "h@rd/pass", {"sslmode": "require"})


@pytest.mark.parametrize(
    ("wanted", "rights", "kind"),
    [
        ("auto", {"createdb": True, "superuser": True}, NamespaceKind.DATABASE),
        ("auto", {"createdb": True}, NamespaceKind.DATABASE),
        ("auto", {"createdb": True, "create_schema": True, "pooled": True}, NamespaceKind.DATABASE),
        ("auto", {"create_schema": True}, NamespaceKind.SCHEMA),
        ("database", {"createdb": True, "create_schema": True}, NamespaceKind.DATABASE),
        ("schema", {"createdb": True, "create_schema": True}, NamespaceKind.SCHEMA),
    ],
)
def test_the_strongest_kind_that_is_permitted(
    wanted: str, rights: dict[str, bool], kind: NamespaceKind
) -> None:
    found, why = choose_kind(wanted, dataclasses.replace(FACTS, **rights))
    assert found is kind
    assert why


@pytest.mark.parametrize(
    ("wanted", "rights"),
    [
        ("auto", {}),
        ("database", {"create_schema": True}),
        ("schema", {"createdb": True}),
        ("schema", {"create_schema": True, "pooled": True}),
        ("server", {"createdb": True, "superuser": True}),
    ],
)
def test_what_is_not_permitted_is_an_error(wanted: str, rights: dict[str, bool]) -> None:
    with pytest.raises(UserError) as caught:
        choose_kind(wanted, dataclasses.replace(FACTS, **rights))
    assert caught.value.code == "namespace-not-permitted"
    assert caught.value.hint


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u@prod/app",
        "postgresql://u@prod-db-1.example.org/app",
        "postgresql://u@shop.prod.example.org/app",
        "postgresql://u@db1,DB.PRODUCTION.example.org/app",
        "postgresql://u@localhost/shop_production",
        "postgresql:///app?host=eu-live-1",
    ],
)
def test_what_looks_like_production_is_refused(url: str) -> None:
    with pytest.raises(UserError) as caught:
        check_allowed(url, PRODUCTION)
    assert caught.value.code == "server-denied"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://prod@localhost/products",
        "postgresql://u@reproduce/product_test",
        "postgresql://u:prod@db/deliveries",
    ],
)
def test_what_does_not_is_not(url: str) -> None:
    check_allowed(url, PRODUCTION)
    check_allowed("postgresql://u@prod/app", ())


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret%zz@host/db",
        "postgresql://u:pass@secret@host/db",
        "postgresql://u:secret/w@host/db",
        "postgresql://u:secret@[::/db",
        "postgresql://u:secret@host:0/db",
    ],
)
def test_urls_that_cannot_be_read_do_not_show_their_password(url: str) -> None:
    with pytest.raises(UserError) as caught:
        check_allowed(url, ())
    assert caught.value.code == "bad-server-url"
    assert "secret" not in caught.value.cause + caught.value.message


def test_sockets_and_raw_characters_of_a_password_are_no_fault() -> None:
    check_allowed("postgresql://u:Mk#r?s@/db?host=@abstract,/run/pg&port=1,2", ())
    text = "at postgresql://u:Mk#r?s-77@h/db"
    assert masked_urls(text, [text[3:]]) == "at postgresql://u:***@h/db"


def test_addresses_show_and_mask_no_password() -> None:
    assert "h@rd" not in repr(ADDRESS) + ADDRESS.shown
    assert "password='h@rd/pass'" in ADDRESS.dsn() or "password=h@rd/pass" in ADDRESS.dsn()
    assert ADDRESS.mask("at postgresql://app:h%40rd%2Fpass@db, PGPASSWORD=h@rd/pass") == (
        "at postgresql://app:***@db, PGPASSWORD=***"
    )


@pytest.mark.parametrize(
    "spelling",
    [
        ODD,
        repr(ODD)[1:-1],
        json.dumps(ODD)[1:-1],
        ascii(ODD)[1:-1],
        shlex.quote(ODD)[1:-1],
        quote(ODD, safe=""),
        quote(ODD, safe=" +"),
        quote_plus(ODD),
        quote(ODD, safe="!'").lower(),
        "%70" + quote(ODD[1:], safe="!"),
        make_conninfo(password=ODD).removeprefix("password='").removesuffix("'"),
    ],
)
def test_a_password_is_masked_however_it_is_spelled(spelling: str) -> None:
    address = dataclasses.replace(ADDRESS, password=ODD)
    assert address.mask(f"[{spelling}] stays") == "[***] stays"


def test_a_password_that_is_also_a_name_is_masked_only_as_a_password() -> None:
    address = dataclasses.replace(ADDRESS, password="app")
    text = "role app on postgresql://app:app@db/app with password=app"
    assert address.mask(text) == "role app on postgresql://app:***@db/app with password=***"
    assert dataclasses.replace(ADDRESS, password="").mask(text) == text


def test_capacity_is_what_the_role_may_have() -> None:
    assert FACTS.capacity == 97
    assert dataclasses.replace(FACTS, role_limit=10).capacity == 10
    assert dataclasses.replace(FACTS, superuser=True, role_limit=10).capacity == 100


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ('"$user", public', ["$user", "public"]),
        ("public", ["public"]),
        ('"a, ""b""",c', ['a, "b"', "c"]),
        ("", []),
        ('""', [""]),
        ('"open', ["open"]),
    ],
)
def test_lists_of_names_are_split(text: str, names: list[str]) -> None:
    assert split_names(text) == names


@given(st.text(max_size=30))
def test_splitting_ends_for_every_text(text: str) -> None:
    split_names(text)


def test_dressing_quotes_everything() -> None:
    dress = Dress(
        settings=(("", "search_path", '"$user", "A""b"'), ("o'r", "app.x", "it's")),
        grants=(("", "CONNECT", False), ('we"ird', "CREATE", True)),
    )
    text = dressing('my "db"', dress, "it's").as_string()
    assert """COMMENT ON DATABASE "my ""db\"\"" IS 'it''s'""" in text
    assert """SET "search_path" TO '$user', 'A"b'""" in text
    assert """ALTER ROLE "o'r" IN DATABASE "my ""db\"\"" SET "app"."x" TO 'it''s'""" in text
    assert """GRANT CREATE ON DATABASE "my ""db\"\"" TO "we""ird" WITH GRANT OPTION""" in text


@pytest.mark.parametrize(
    ("answer", "hint"),
    [
        ('FATAL:  too many connections for role "app"', "CONNECTION LIMIT"),
        ("FATAL:  sorry, too many clients already", "CONNECTION LIMIT"),
        (
            "FATAL:  remaining connection slots are reserved for roles with the SUPERUSER attribute",
            "CONNECTION LIMIT",
        ),
        ("Connection refused", "Check the URL"),
    ],
)
def test_a_full_server_is_not_put_down_to_its_url(
    answer: str, hint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise psycopg.OperationalError(answer)

    monkeypatch.setattr(psycopg, "connect", refuse)
    with pytest.raises(UserError) as caught:
        connect("host=db")
    assert caught.value.code == "server-unreachable"
    assert hint in caught.value.hint
