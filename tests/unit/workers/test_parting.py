from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from dbsafe_runner.workers import parting

KEEPER = """
kept, heard = ["a"], []
def pytest_sessionfinish(session):
    session.config.workeroutput["kept"] = kept
def pytest_testnodedown(node, error):
    heard.append((node.gateway.id, node.workeroutput["kept"], error))
"""
LISTENERS = """
listened = []
class Ready:
    def pytest_testnodedown(self, node, error): listened.append("ready")
class Needing:
    def __init__(self, more): pass
    def pytest_testnodedown(self, node, error): listened.append("needing")
"""
PLAIN = "ended = []\ndef pytest_sessionfinish(session): ended.append(1)"


@pytest.fixture(autouse=True)
def no_installed_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def conftest(folder: Path, text: str) -> ModuleType:
    folder.mkdir()
    (folder / "conftest.py").write_text(text)
    spec = importlib.util.spec_from_file_location("conftest", folder / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Session:
    testsfailed = 0

    def __init__(self, *plugins: ModuleType) -> None:
        self.config: Any = pytest.Config.fromdictargs({}, ["-p", "no:cacheprovider"])
        self.config.workeroutput = {}
        for plugin in plugins:
            self.config.pluginmanager.register(plugin, str(plugin.__file__))

    def end(self, trial_of: int | None = None) -> list[tuple[str, bytes, dict[str, Any]]]:
        said: list[tuple[str, bytes, dict[str, Any]]] = []

        def send(kind: str, blob: bytes = b"", **fields: Any) -> None:
            said.append((kind, blob, fields))

        session: Any = self
        parting.send_from(session, {"worker": "gw1", "trial_of": trial_of}, send)
        return said


def test_what_a_worker_keeps_reaches_the_hook_for_it(tmp_path: Path) -> None:
    keeper: Any = conftest(tmp_path / "keeper", KEEPER)
    plain: Any = conftest(tmp_path / "plain", PLAIN)
    session = Session(keeper, plain)
    ((kind, blob, fields),) = session.end()
    assert kind == "parting"
    parting.hear(session.config, fields, blob)
    assert keeper.heard == [("gw1", ["a"], None)]
    assert plain.ended == []


def test_only_listeners_that_need_nothing_are_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dbsafe_test_keeper.py").write_text(KEEPER + LISTENERS)
    monkeypatch.syspath_prepend(tmp_path)
    keeper: Any = importlib.import_module("dbsafe_test_keeper")
    try:
        session = Session(keeper)
        ((_, blob, fields),) = session.end()
        parting.hear(session.config, fields, blob)
    finally:
        del sys.modules["dbsafe_test_keeper"]
    assert keeper.listened == ["ready"]


def test_without_such_a_hook_nothing_is_sent(tmp_path: Path) -> None:
    assert Session(conftest(tmp_path / "plain", PLAIN)).end() == []


def test_a_trial_ends_no_session(tmp_path: Path) -> None:
    assert Session(conftest(tmp_path / "keeper", KEEPER)).end(trial_of=3) == []


@pytest.mark.parametrize("kept", ["[object()]", "[1 / 0]"])
def test_what_fails_is_told(tmp_path: Path, kept: str) -> None:
    text = KEEPER.replace('"] = kept', f'"] = {kept}')
    ((kind, _, fields),) = Session(conftest(tmp_path / "keeper", text)).end()
    assert kind == "notice"
    assert ("unmarshallable" in fields["message"]) == ("object" in kept)
    assert fields["code"] == "worker-step-failed"
