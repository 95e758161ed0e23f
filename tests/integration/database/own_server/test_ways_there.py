"""Ways to a server: TLS, a pooler in between, roles, and servers that are refused."""

from __future__ import annotations

import contextlib

import psycopg
import pytest

from dbsafe_runner.database import clones
from dbsafe_runner.database.reset import Keeper
from dbsafe_runner.database.user_servers import Choice, provider_for
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.errors import UserError
from dbsafe_runner.session.source_urls import parse_source


def test_tls_settings_go_into_every_connection(user_server, source, provide, monkeypatch, tmp_path):
    if not user_server.tls:
        pytest.skip("this server was built without TLS")
    certificate = tmp_path / "root.crt"
    certificate.write_text((user_server.directory / "data" / "server.crt").read_text())
    monkeypatch.chdir(tmp_path)
    query = "?sslmode=verify-full&sslrootcert=root.crt"
    provider = provide(user_server.url(source, "maker", query))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    assert namespace.endpoint.options == {
        "sslmode": "verify-full",
        "sslrootcert": str(certificate),
    }
    Keeper(namespace).close()
    monkeypatch.chdir("/")
    endpoint = namespace.endpoint
    with psycopg.connect(
        host=endpoint.host,
        port=endpoint.port,
        user=endpoint.user,
        password=endpoint.password,
        dbname=endpoint.databases[source],
        **endpoint.options,
    ) as connection:
        assert connection.execute(
            "select ssl from pg_stat_ssl where pid = pg_backend_pid()"
        ).fetchone() == (True,)


def test_a_certificate_that_does_not_fit_is_an_error(user_server, source):
    if not user_server.tls:
        pytest.skip("this server was built without TLS")
    url = user_server.url(source, "maker", "?sslmode=verify-full&sslrootcert=/nowhere/root.crt")
    with pytest.raises(UserError) as caught:
        provider_for(Choice(url), None)
    assert caught.value.code == "server-unreachable"
    assert "/nowhere/root.crt" in caught.value.cause


def test_a_pooler_is_noticed_and_needs_a_way_around_it(user_server, source, pooler):
    with pytest.raises(UserError) as caught:
        provider_for(Choice(pooler.url(source, "maker")), None)
    assert caught.value.code == "server-behind-pooler"
    assert "s3cret" not in str(caught.value.cause) + caught.value.message


def test_tests_go_through_the_pooler_and_dbsafe_around_it(user_server, source, pooler, provide):
    provider = provide(pooler.url("postgres", "maker"), direct=user_server.url("postgres", "maker"))
    assert provider.kind is NamespaceKind.DATABASE
    provider.prepare(print)
    assert any("a pooler" in text for text in provider.limits)
    namespace = provider.acquire("gw0")
    assert namespace.endpoint.port == pooler.port
    keeper = Keeper(namespace)
    through = namespace.endpoint
    with psycopg.connect(
        host=through.host,
        port=through.port,
        user=through.user,
        password=through.password,
        dbname=through.databases["postgres"],
        prepare_threshold=None,
        autocommit=True,
    ) as connection:
        connection.execute("create table made (n int)")
        assert keeper.look().ddl
        assert not keeper.reset().retire
    keeper.close()
    # Its idle connections to the namespace do not hinder that.
    provider.release(namespace)


def test_a_pooler_does_not_stay_connected_to_what_is_to_be_copied(
    user_server, source, pooler, provide, monkeypatch
):
    monkeypatch.setattr(clones, "SOURCE_PATIENCE", 0.1)
    sources = tuple(parse_source(user_server.url(source, user)) for user in ("plain", "maker"))
    direct = user_server.url(source)
    provider = provide(pooler.url(source), direct=direct, sources=sources)
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    assert source in namespace.endpoint.databases
    assert namespace.endpoint.user == ""


def test_schemas_need_sessions_that_are_kept(user_server, pooler):
    choice = Choice(pooler.url("plain_db", "plain"), user_server.url("plain_db", "plain"))
    with pytest.raises(UserError) as caught:
        provider_for(choice, None)
    assert caught.value.code == "namespace-not-permitted"


@pytest.mark.parametrize(
    ("user", "wanted", "kind"),
    [
        ("postgres", "auto", "database"),
        ("postgres", "schema", "schema"),
        ("maker", "auto", "database"),
        ("plain", "auto", "schema"),
        ("plain", "database", None),
        ("other", "auto", None),
        ("maker", "server", None),
    ],
)
def test_roles_get_what_they_are_permitted(user_server, provide, user, wanted, kind):
    user_server.do("revoke create on database plain_db from public", database="plain_db")
    url = user_server.url("plain_db", user)
    if kind is not None:
        assert provide(url, namespace=wanted).kind.value == kind
        return
    with pytest.raises(UserError) as caught:
        provide(url, namespace=wanted)
    assert caught.value.code == "namespace-not-permitted"


def test_what_looks_like_production_is_not_connected_to():
    with pytest.raises(UserError) as caught:
        provider_for(
            Choice("postgresql://u@db.prod.example.org/app", deny=("*[-_.]prod[-_.0-9]*",)), None
        )
    assert caught.value.code == "server-denied"


def test_no_argument_of_a_process_and_no_tag_holds_the_password(user_server, source, provide):
    import psutil

    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    assert "s3cret" not in repr(namespace)
    assert "s3cret" not in repr(provider._place)
    # Other tests that run meanwhile give the same password on their command lines.
    own = psutil.Process()
    for process in (own, *own.children(recursive=True)):
        # One that has ended shows no arguments.
        with contextlib.suppress(psutil.NoSuchProcess):
            assert "s3cret" not in " ".join(process.cmdline())
    comments = user_server.ask("select description from pg_shdescription")
    assert not any("s3cret" in text for (text,) in comments)
