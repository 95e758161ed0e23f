"""Test doubles and pytest's own objects: mock.patch, mocker, monkeypatch, request."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import lookup
from dbsafe_runner.analysis.values import (
    HOLE,
    MOCK,
    UNKNOWN,
    Class,
    Const,
    Instance,
    Lib,
    Mock,
    Module,
    Seq,
    Unknown,
    Value,
    join,
    options,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

_DOUBLES = {
    "Mock", "MagicMock", "AsyncMock", "NonCallableMock", "PropertyMock", "create_autospec", "sentinel",
    "mock_open", "stub", "async_stub", "call", "ANY", "Recorder",
}  # fmt: skip


def is_double(name: str) -> bool:
    """Return whether an external name makes a test double."""
    return name.rpartition(".")[2] in _DOUBLES and ("mock" in name or "." not in name)


def patch(machine: Machine, name: str, call: Call) -> Value:
    """`mock.patch(...)`: a replacement that is put in place by entering it or by decorating with it."""
    if name.endswith("patch.dict"):
        guarded = _guarded_name(call)
        return Lib("patch", None, {"new": MOCK, "path": Const(""), "name": Const(guarded)})
    if name.endswith("patch.multiple"):
        return MOCK
    key, new = _target(machine, name, call)
    attrs: dict[str, Value] = {"new": new}
    if key is not None:
        attrs["path"], attrs["name"] = Const(key[0]), Const(key[1])
    return Lib("patch", None, attrs)


def patch_now(machine: Machine, name: str, call: Call) -> Value:
    """`mocker.patch(...)` and `monkeypatch.setattr(...)`: in place until the test's end."""
    if name.endswith(".dict"):
        machine.patches["", _guarded_name(call)] = MOCK
        machine.changed()
    if name.endswith((".dict", ".multiple", "stopall", "resetall")):
        return MOCK
    key, new = _target(machine, name, call)
    if name.endswith("spy"):
        return MOCK
    if key is not None:
        machine.patches[key] = new
        machine.changed()
    return new


def _guarded_name(call: Call) -> str:
    """Return the dict of the interpreter that `patch.dict` sets back, as `process_state` names it."""
    first = call.argument(0, "in_dict")
    if isinstance(first, Lib):
        return text_of(first.attrs.get("name")) or ("os.environ" if first.kind == "environ" else "?")
    return text_of(first) or "?"


def _target(machine: Machine, name: str, call: Call) -> tuple[tuple[str, str] | None, Value]:
    """Return the module or class and the name in it that a patch replaces, and by what."""
    first = call.argument(0, "target")
    dotted = text_of(first)
    if dotted is not None and not name.endswith(".object"):
        owner, _, wanted = dotted.rpartition(".")
        new = call.argument(1, "new", "value") or call.kwargs.get("new_callable") or double(call)
        return _key(owner_of(machine, owner), wanted), new
    wanted = text_of(call.argument(1, "name", "attribute")) or ""
    new = call.argument(2, "new", "value") or double(call)
    if isinstance(first, Instance) and wanted:
        first.attrs[wanted] = new
        machine.changed()
    return _key(first, wanted), new


def owner_of(machine: Machine, dotted: str) -> Value:
    """Return the module or class that a dotted path names."""
    env = machine.frames[-1].space.env if machine.frames else None
    parts = dotted.split(".")
    for length in range(len(parts), 0, -1):
        path = machine.sources.lookup(".".join(parts[:length]), "")
        space = machine.modules.space(path) if path is not None else None
        if space is None or env is None:
            continue
        value: Value = Module(".".join(parts[:length]), space)
        for part in parts[length:]:
            value = lookup.attribute(machine, value, part, ast.Pass())
        return value
    return UNKNOWN


def _key(owner: Value | None, wanted: str) -> tuple[str, str] | None:
    if isinstance(owner, Module) and owner.space is not None:
        return (owner.space.path, wanted)
    if isinstance(owner, Class):
        return (f"{owner.module.path}::{owner.node.name}", wanted)
    return None


def enter_patch(machine: Machine, lib: Lib) -> Value:
    """Put a replacement in place."""
    path, name = text_of(lib.attrs.get("path")), text_of(lib.attrs.get("name"))
    if path is not None and name is not None:
        machine.patches[path, name] = lib.attrs["new"]
    return lib.attrs["new"]


def leave_patch(machine: Machine, lib: Lib) -> None:
    """Take a replacement away."""
    path, name = text_of(lib.attrs.get("path")), text_of(lib.attrs.get("name"))
    if path is not None and name is not None:
        machine.patches.pop((path, name), None)


def call_request(machine: Machine, name: str, call: Call) -> Value:
    """Follow a method of pytest's `request`."""
    if name == "addfinalizer" and call.args:
        return clean_up_later(machine, name, call)
    if name in {"getfixturevalue", "getfuncargvalue"}:
        # The fixture is brought in, even if an equal call has been followed before.
        machine.changed()
        result: Value = UNKNOWN
        for option in options(call.argument(0, "argname") or UNKNOWN):
            result = join(result, _fixture_value(machine, text_of(option), call))
        return result
    return UNKNOWN


def _fixture_value(machine: Machine, wanted: str | None, call: Call) -> Value:
    value = machine.fixture_value(wanted) if wanted and HOLE not in wanted else None
    if value is None:
        what = f"fixture {(wanted or '?').replace(HOLE, '?')} is asked for by name while the test runs"
        machine.doubt(what, call.node, 0.3 if wanted and HOLE not in wanted else 0.55)
    return value or UNKNOWN


def clean_up_later(machine: Machine, name: str, call: Call) -> Value:
    """Follow a function that is registered as teardown, with its arguments."""
    if not call.args:
        return UNKNOWN
    given = type(call)(machine, call.args[1:], call.kwargs, call.node, call.env)
    done = machine.capture(lambda: machine.call(call.args[0], given))
    machine.changed()
    if name in {"addClassCleanup", "addModuleCleanup"}:
        # It is no clean-up of one test, but what it does to the database is done.
        machine.trace.extend(done)
    else:
        machine.finalizers[:0] = done
    return UNKNOWN


#: Keywords of a test double that say what calling it does.
_EFFECTS = ("side_effect", "wraps", "return_value")


def double(call: Call) -> Value:
    """Return a test double, which does what it is told to do when it is called."""
    attrs = {
        key: value
        for key in _EFFECTS
        if (value := call.kwargs.get(key)) is not None and not isinstance(value, Const | Unknown | Mock)
    }
    return Lib("double", None, attrs) if attrs else MOCK


def call_double(machine: Machine, lib: Lib, call: Call) -> Value:
    """Follow a call of a test double with an effect."""
    result: Value = lib.attrs.get("return_value", MOCK)
    for key in ("side_effect", "wraps"):
        for effect in options(lib.attrs.get(key, UNKNOWN)):
            each = effect.items if isinstance(effect, Seq) else [effect]
            for one in each:
                if not isinstance(one, Unknown | Const):
                    result = machine.call(one, call)
    return result
