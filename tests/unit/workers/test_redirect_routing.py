"""Routing: what goes to the namespace, what is left alone, what is refused."""

from __future__ import annotations

import os
from typing import Any

import pytest

from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers.redirect import ConnectionRefusedByGuardError, Rules, Target, search_path
from dbsafe_runner.workers.redirect.routing import Router, maintaining

HERE = Target("localhost", 5432, "app", "shop")


class World:
    """A router with rules that remember what they were told."""

    def __init__(
        self,
        *sources: Target,
        endpoint: Endpoint | None = None,
        allow: tuple[str, ...] = (),
        **kwargs: Any,
    ) -> None:
        self.told: list[tuple[str, Target]] = []
        self.endpoint = endpoint or Endpoint("/srv/w1", 5432)
        #: What another worker was the first to learn.
        self.first: Target | None = None
        rules = Rules(
            sources,
            allow,
            self._resolve,
            self._learned,
            lambda _: "test_shop.py::test_order",
            lambda target: self.told.append(("connect", target)),
            lambda message: None,
        )
        self.router = Router(rules, **kwargs)

    def _resolve(self, target: Target) -> Endpoint:
        self.told.append(("resolve", target))
        return self.endpoint

    def _learned(self, target: Target) -> Target:
        self.told.append(("learned", target))
        return self.first or target


def test_the_source_goes_to_the_endpoint() -> None:
    world = World(HERE)
    route = world.router.route([Target("localhost", 5432, "other", "else")])
    assert route is not None
    assert route.endpoint is world.endpoint
    assert route.database == ""
    assert [what for what, _ in world.told] == ["resolve", "connect"]


@pytest.mark.parametrize(
    "target", [Target("localhost", 5433), Target("/srv/own", 5432), Target("@abstract")]
)
def test_other_local_servers_are_left_alone(target: Target) -> None:
    world = World(HERE)
    assert world.router.route([target]) is None
    assert world.told == []


def test_a_source_elsewhere_is_redirected_and_its_host_may_be_used() -> None:
    world = World(Target("db", 5432))
    assert world.router.route([Target("db", 5432)]) is not None
    assert world.router.route([Target("db", 6432)]) is None
    assert world.router.route([Target("localhost", 5432)]) is None


def test_a_host_elsewhere_is_refused() -> None:
    world = World(HERE)
    with pytest.raises(ConnectionRefusedByGuardError) as caught:
        world.router.route([Target("db.example.com", 5432, "app", "shop")], TimeoutError)
    assert isinstance(caught.value, TimeoutError)
    for part in (
        "connection-refused-by-guard",
        "test_shop.py::test_order",
        "db.example.com:5432",
        "'shop'",
    ):
        assert part in str(caught.value)


@pytest.mark.parametrize("pattern", ["db.example.com", "*.Example.com", "*"])
def test_an_allowed_host_is_left_alone(pattern: str) -> None:
    assert World(HERE, allow=(pattern,)).router.route([Target("db.example.com")]) is None


def test_allowing_everything_does_not_touch_the_source() -> None:
    assert World(HERE, allow=("*",)).router.route([HERE]) is not None


def test_one_of_several_hosts_decides() -> None:
    world = World(HERE)
    assert world.router.route([Target("replica"), HERE]) is not None
    with pytest.raises(ConnectionRefusedByGuardError):
        world.router.route([Target("localhost", 5433), Target("replica")])


def test_the_first_local_server_is_learned_once() -> None:
    world = World()
    with pytest.raises(ConnectionRefusedByGuardError):
        world.router.route([Target("db.example.com")])
    assert world.router.route([Target("/srv/own")]) is None
    assert world.router.route([HERE]) is not None
    assert world.router.route([Target("localhost", 5433)]) is None
    assert [target for what, target in world.told if what == "learned"] == [HERE]


def test_what_the_run_has_learned_is_the_source_here_too() -> None:
    world = World()
    world.first = Target("localhost", 5499, "first", "first")
    assert world.router.route([HERE]) is None
    assert world.router.sources == (world.first,)
    assert world.router.route([world.first]) is not None


def test_a_router_takes_what_it_is_told_once() -> None:
    world = World()
    world.router.told(HERE)
    world.router.told(Target("localhost", 5499))
    assert world.router.sources == (HERE,)
    assert world.router.route([HERE]) is not None
    assert "learned" not in [what for what, _ in world.told]


def test_an_allowed_local_server_is_not_learned() -> None:
    assert World(allow=("127.0.0.1",)).router.route([HERE]) is None


def test_renamed_databases_are_recognised() -> None:
    world = World(HERE, endpoint=Endpoint("db", 1, databases={"shop": "shop_w1"}))
    first = world.router.route([HERE])
    again = world.router.route([Target("db", 1, "app", "shop_w1")])
    assert first is not None
    assert again is not None
    assert (first.database, again.database) == ("shop_w1", "")
    assert again.target.database == "shop"


def test_an_earlier_namespace_leads_to_the_present_one() -> None:
    before = World(endpoint=Endpoint("/srv/w1", 1, databases={"shop": "shop_w1"}))
    before.router.route([HERE])
    after = World(endpoint=Endpoint("/srv/w2", 1, databases={"shop": "shop_w2"}), before=before.router)
    route = after.router.route([Target("/srv/w1", 1, "app", "shop_w1")])
    assert route is not None
    assert (route.endpoint.host, route.database) == ("/srv/w2", "shop_w2")
    assert after.router.sources == (HERE,)


def test_a_process_that_the_suite_forked_asks_nobody() -> None:
    world = World(HERE)
    world.router.route([HERE])
    world.told.clear()
    world.router._pid = os.getpid() + 1
    route = world.router.route([HERE])
    assert route is not None
    assert route.endpoint is world.endpoint
    assert world.told == []


def test_what_hints_at_a_database() -> None:
    router = World().router
    assert router.source_for({"PATH": "/bin", "URL": "postgresql://app@prod.example.com/x"}) is None
    assert router.source_for({"URL": "postgresql://app@localhost/shop"}) == HERE
    assert (
        World().router.source_for({"PGHOST": "localhost", "PGUSER": "app", "PGDATABASE": "shop"}) == HERE
    )


class TestSearchPath:
    def test_the_schema_comes_first_once(self) -> None:
        endpoint = Endpoint("db", 1, schema='w"1')
        once = search_path.options_with_schema("-c search_path=a,b -cwork_mem=3MB", endpoint)
        assert once == '-c search_path=a,b -cwork_mem=3MB -c search_path="w""1",\\ a,b'
        assert search_path.options_with_schema(once, endpoint) == once

    @pytest.mark.parametrize(
        ("given", "expected"),
        [
            ("", '"w1", ext, public'),
            ("shop, Other", '"w1", Other, "base"'),
            ('"Shop", public', '"w1", "Shop", public, "base"'),
            ('"shop"', '"w1", "base"'),
            ('base,"a,b"', '"w1", base,"a,b"'),
            ('"w1", shop', '"w1", shop'),
        ],
    )
    def test_the_schema_takes_the_place_of_its_source(self, given: str, expected: str) -> None:
        endpoint = Endpoint(
            "db",
            1,
            schema="w1",
            search_path='"w1", ext, public',
            replaced=("shop",),
            shared=("base",),
        )
        assert search_path.with_schema(given, endpoint) == expected

    @pytest.mark.parametrize(
        ("options", "found"),
        [
            ("", ""),
            ("-c search_path=a", "a"),
            ("-csearch_path=a\\ b", "a b"),
            ("--search_path=a --jit=off", "a"),
            ("-c search_path=a -c search_path=b", "b"),
            ("-c application_name=search_path=a", ""),
        ],
    )
    def test_what_options_set(self, options: str, found: str) -> None:
        assert search_path.in_options(options) == found


def test_other_databases_of_the_users_server_are_refused() -> None:
    endpoint = Endpoint("db", 1, databases={"shop": "shop_w1"}, closed=("shop", "payroll"))
    world = World(HERE, Target("db", 1), endpoint=endpoint)
    with pytest.raises(ConnectionRefusedByGuardError) as caught:
        world.router.route([Target("db", 1, "app", "payroll")], TimeoutError)
    assert isinstance(caught.value, TimeoutError)
    for part in ("'payroll'", "test_shop.py::test_order", "allow_databases", "db:1"):
        assert part in str(caught.value)
    assert ("connect", Target("db", 1, "app", "payroll")) not in world.told


def test_a_database_that_was_not_there_before_the_run_is_the_tests_own() -> None:
    endpoint = Endpoint("db", 1, databases={"shop": "shop_w1"}, closed=("shop", "payroll"))
    route = World(HERE, endpoint=endpoint).router.route([HERE._replace(database="made_by_a_test")])
    assert route is not None
    assert route.database == ""


def test_frameworks_make_databases_of_tests_from_the_copy_where_postgres_is_closed() -> None:
    shop = Target("db", 1, "app", "shop")
    endpoint = Endpoint("db", 1, databases={"shop": "shop_w1"}, closed=("postgres", "payroll"))
    router = World(shop, endpoint=endpoint).router
    with maintaining():
        route = router.route([Target("db", 1, "app", "postgres")])
        assert route is not None
        assert route.database == "shop_w1"
        with pytest.raises(ConnectionRefusedByGuardError):
            router.route([Target("db", 1, "app", "payroll")])
    with pytest.raises(ConnectionRefusedByGuardError):
        router.route([Target("db", 1, "app", "postgres")])


def test_frameworks_are_led_nowhere_else_where_postgres_is_open() -> None:
    shop = Target("db", 1, "app", "shop")
    router = World(shop, endpoint=Endpoint("db", 1, databases={"shop": "shop_w1"})).router
    with maintaining():
        route = router.route([Target("db", 1, "app", "postgres")])
    assert route is not None
    assert route.database == ""
