"""The import hook: called once, after the module, and invisible otherwise."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from dbsafe_runner.workers import redirect
from dbsafe_runner.workers.redirect.import_hook import ImportHook

NAME = "driver_of_this_test"


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ModuleType]]:
    (tmp_path / (NAME + ".py")).write_text("value = 1\ndef function():\n    return 2\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    found: list[ModuleType] = []
    hook = ImportHook({NAME: found.append})
    hook.install()
    yield found
    hook.uninstall()
    sys.modules.pop(NAME, None)


def test_called_after_the_module(seen: list[ModuleType]) -> None:
    module = importlib.import_module(NAME)
    assert seen == [module]
    assert module.value == 1
    importlib.import_module(NAME)
    assert len(seen) == 1
    importlib.reload(module)
    assert len(seen) == 2


def test_the_module_shows_no_trace(seen: list[ModuleType]) -> None:
    module = importlib.import_module(NAME)
    assert "exec_module" not in vars(module.__spec__.loader)
    assert "return 2" in inspect.getsource(module.function)
    spec = importlib.util.find_spec(NAME)
    assert spec is not None
    assert type(spec.loader) is type(module.__spec__.loader)


def test_a_module_that_is_there_already() -> None:
    found: list[ModuleType] = []
    hook = ImportHook({"json": found.append, "no_such_module": found.append})
    hook.install()
    hook.uninstall()
    assert [module.__name__ for module in found] == ["json"]


def test_a_driver_that_is_not_installed(seen: list[ModuleType]) -> None:
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("driver_of_no_test")


def test_loaded_drivers_are_those_imported() -> None:
    assert set(redirect.loaded_drivers()) == set(redirect.drivers.SUPPORTED) & set(sys.modules)
