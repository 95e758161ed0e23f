"""Files and paths: which files of the project are read, and which fixed files are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsafe_runner.analysis import strings
from dbsafe_runner.analysis.actions import NO_TABLES, Action, Kind
from dbsafe_runner.analysis.values import HOLE, UNKNOWN, Const, Lib, Seq, Value, text_of

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

_FILE_WRITES = {
    "write_text",
    "write_bytes",
    "touch",
    "mkdir",
    "unlink",
    "rename",
    "replace",
    "rmdir",
    "symlink_to",
}


def path_function(last: str, call: Call) -> Value:
    """Return what a function of `os.path` or `pathlib` makes of its arguments; `last` is its name."""
    texts = [strings.spelled(argument) for argument in call.args]
    if last in {
        "Path",
        "PurePath",
        "PosixPath",
        "files",
        "join",
        "fspath",
        "abspath",
        "realpath",
        "normpath",
    }:
        joined = texts[0] if texts else "."
        for text in texts[1:]:
            joined = strings.join_path(joined, text)
        return strings.path(joined) if last[0].isupper() or last == "files" else Const(joined)
    if last == "dirname" and texts:
        return Const(texts[0].rpartition("/")[0] or HOLE)
    if last == "basename" and texts:
        return Const(texts[0].rpartition("/")[2])
    return UNKNOWN


def path_attribute(path: Lib, name: str) -> Value | None:
    """Return an attribute of a path."""
    text = text_of(path.attrs.get("text")) or HOLE
    if name == "parent":
        return strings.path(text.rpartition("/")[0] or (HOLE if HOLE in text else "."))
    if name in {"name", "stem"}:
        return Const(text.rpartition("/")[2])
    return None


def path_method(machine: Machine, path: Lib, name: str, call: Call) -> Value:
    """Follow a method of a path."""
    text = text_of(path.attrs.get("text")) or HOLE
    if name in {"joinpath", "with_name", "with_suffix"}:
        joined = text
        for argument in call.args:
            joined = strings.join_path(joined, strings.spelled(argument))
        return strings.path(joined if name == "joinpath" else HOLE)
    if name in {"resolve", "absolute", "expanduser", "as_posix"}:
        return path
    if name in {"read_text", "read_bytes"}:
        return Const(file_text(machine, text))
    if name == "open":
        return _open_file(machine, text, strings.spelled(call.argument(0, "mode") or Const("r")), call)
    if name in {"glob", "rglob", "iterdir"}:
        return Seq([strings.path(f"{text}/{HOLE}")])
    # A directory that may be there already is made by whoever comes first.
    if name in _FILE_WRITES and "exist_ok" not in call.kwargs:
        _fixed_file(machine, text, call)
    return UNKNOWN


def file_text(machine: Machine, path: str) -> str:
    """Return the text of a file of the project, or HOLE."""
    if HOLE in path or not path.endswith((".sql", ".ddl", ".psql")):
        return HOLE
    absolute = machine.sources.absolute(path)
    text = machine.sources.text(absolute)
    if machine.frames:
        machine.sources.depends(machine.frames[-1].space.path, absolute)
        # As an action it is known of every test that comes by, also where a call is only repeated.
        # What is read while a module is imported is read by that module, whoever helps it.
        outermost = machine.frames[0]
        reader = outermost if outermost.node is None else machine.frames[-1]
        machine.trace.append(Action(Kind.FILE, None, NO_TABLES, absolute, reader.space.path, 0))
    return text if text is not None else HOLE


def open_call(machine: Machine, call: Call) -> Value:
    """Follow a call of `open`."""
    first = call.argument(0, "file")
    mode = strings.spelled(call.argument(1, "mode") or Const("r"))
    return _open_file(machine, strings.spelled(first) if first is not None else HOLE, mode, call)


def _open_file(machine: Machine, path: str, mode: str, call: Call) -> Value:
    if any(letter in mode for letter in "wax+"):
        _fixed_file(machine, path, call)
        return Lib("file", None, {"text": Const(HOLE)})
    return Lib("file", None, {"path": Const(path)})


def file_method(machine: Machine, file: Lib, name: str) -> Value:
    """Follow a method of an open file."""
    path = text_of(file.attrs.get("path"))
    if name in {"read", "readlines"} and path is not None:
        return Const(file_text(machine, path))
    return UNKNOWN


def changes_directory(machine: Machine, call: Call) -> Value:
    """Note that relative paths are somewhere else from here on."""
    machine.act(Kind.MOVE, None, call.node)
    return Lib("context")


def _fixed_file(machine: Machine, path: str, call: Call) -> None:
    if HOLE not in path and path not in {"", ".", "/dev/null"}:
        relative = not path.startswith(("/", "~")) and path[1:2] != ":"
        what = f"writes the fixed file {machine.sources.relative(path)}"
        machine.act(Kind.ALONE, None, call.node, what=what, flag=relative)
