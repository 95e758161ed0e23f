from __future__ import annotations

import sys
import types

import pytest

from dbsafe_runner.domain.events import Preparing, RunEvent
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test
from dbsafe_runner.errors import UserError
from dbsafe_runner.hooks import Plugins, hookimpl, load_plugins

TEST = Test(0, "test_a.py::test_one", "test_a.py", 1, "", "test_one")


class Recorder:
    def __init__(self) -> None:
        self.seen: list[RunEvent] = []

    @hookimpl
    def dbsafe_event(self, event: RunEvent) -> None:
        self.seen.append(event)


class Says:
    def __init__(self, answer: object) -> None:
        self.answer = answer

    @hookimpl
    def dbsafe_classify(self, test: Test) -> object:
        assert test is TEST
        return self.answer


class Broken:
    @hookimpl
    def dbsafe_event(self) -> None:
        raise KeyError("nothing")

    @hookimpl
    def dbsafe_classify(self) -> Level:
        raise KeyError("nothing")


def plugins(**given: object) -> Plugins:
    found = Plugins()
    for name, plugin in given.items():
        found.add(name, plugin)
    return found


def test_every_plugin_sees_every_event_even_beside_a_broken_one() -> None:
    first, last = Recorder(), Recorder()
    found = plugins(first=first, broken=Broken(), last=last)
    events = [Preparing(0.0, "one"), Preparing(1.0, "two")]
    for event in events:
        found.event(event)
    assert first.seen == last.seen == events
    assert found.names == ("first", "last")
    assert found.take_failures() == [
        "The plugin broken failed and is left out from now on: dbsafe_event: KeyError: 'nothing'"
    ]
    assert found.take_failures() == []


def test_the_last_plugin_with_an_opinion_says_the_level() -> None:
    found = plugins(first=Says(Level.NONE), second=Says(4), third=Says(None), broken=Broken())
    assert found.level_of(TEST) == ("second", Level.SCHEMA_CHANGES)
    assert found.names == ("first", "second", "third")
    assert plugins(named=Says("read_only")).level_of(TEST) == ("named", Level.READ_ONLY)
    assert plugins().level_of(TEST) is None


@pytest.mark.parametrize("answer", [6, -1, "much", 1.5, object()])
def test_what_is_no_level_costs_the_plugin_its_place(answer: object) -> None:
    found = plugins(other=Says(Level.NONE), wrong=Says(answer))
    assert found.level_of(TEST) == ("other", Level.NONE)
    assert found.names == ("other",)
    assert "is no level" in found.take_failures()[0]


def module(**functions: object) -> types.ModuleType:
    made = types.ModuleType("shop_dbsafe")
    vars(made).update(functions)
    return made


def test_modules_are_loaded_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "shop_dbsafe", module(dbsafe_event=Recorder().dbsafe_event))
    assert "shop_dbsafe" in load_plugins(["shop_dbsafe", "shop_dbsafe"]).names


def test_a_module_that_is_missing_or_has_an_unknown_hook_is_an_error(monkeypatch) -> None:
    with pytest.raises(UserError) as missing:
        load_plugins(["no_such_module"])
    assert missing.value.code == "plugin-not-loaded"
    assert "No module named 'no_such_module'" in missing.value.cause

    @hookimpl
    def dbsafe_unheard_of() -> None: ...

    monkeypatch.setitem(sys.modules, "shop_dbsafe", module(dbsafe_unheard_of=dbsafe_unheard_of))
    with pytest.raises(UserError) as unknown:
        load_plugins(["shop_dbsafe"])
    assert "dbsafe_unheard_of" in unknown.value.cause
