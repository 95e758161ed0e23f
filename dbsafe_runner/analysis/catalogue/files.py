"""Files and paths: which files of the project are read, and which fixed files are written."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dbsafe_runner.analysis import process_state, strings
from dbsafe_runner.analysis.actions import NO_TABLES, Action, Kind
from dbsafe_runner.analysis.values import HOLE, TEMPORARY, UNKNOWN, Const, Lib, Seq, Value, text_of

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

#: Methods of a path that change files; those of py.path, which `tmpdir` gives, among them.
_FILE_WRITES = {
    "write_text", "write_bytes", "touch", "mkdir", "unlink", "rename", "replace", "rmdir", "symlink_to",
    "hardlink_to", "chmod", "write", "remove", "ensure", "write_binary",
}  # fmt: skip
#: Those whose argument is another path that they change, too.
_MOVES = {"rename", "replace"}
#: Functions of `os` and `shutil` that change files: the positions of the paths that they change.
_WRITING = {
    "os.makedirs": (0,), "os.mkdir": (0,), "os.remove": (0,), "os.unlink": (0,), "os.rmdir": (0,),
    "os.removedirs": (0,), "os.truncate": (0,), "os.chmod": (0,), "os.rename": (0, 1),
    "os.replace": (0, 1), "os.renames": (0, 1), "os.symlink": (1,), "os.link": (1,), "os.mkfifo": (0,),
    "shutil.rmtree": (0,), "shutil.copy": (1,), "shutil.copy2": (1,), "shutil.copyfile": (1,),
    "shutil.copytree": (1,), "shutil.move": (0, 1), "shutil.make_archive": (0,),
    "shutil.unpack_archive": (1,),
}  # fmt: skip
_OPENERS = {"zipfile.ZipFile", "tarfile.open", "gzip.open", "bz2.open", "lzma.open", "codecs.open"}
_TEMPORARY_FILES = {"NamedTemporaryFile", "TemporaryFile", "SpooledTemporaryFile"}


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
    if name in {"joinpath", "join", "with_name", "with_suffix", "with_stem", "relative_to"}:
        joined = text
        for argument in call.args:
            joined = strings.join_path(joined, strings.spelled(argument))
        known = name in {"joinpath", "join"} or TEMPORARY in text
        return strings.path(joined if known else HOLE)
    if name in {"resolve", "absolute", "expanduser", "as_posix"}:
        return path
    if name in {"read_text", "read_bytes"}:
        return Const(file_text(machine, text))
    if name == "open":
        return _open_file(machine, text, strings.spelled(call.argument(0, "mode") or Const("r")), call)
    if name in {"glob", "rglob", "iterdir"}:
        return Seq([strings.path(f"{text}/{HOLE}")])
    if name in _FILE_WRITES:
        # A directory that may be there already is made by whoever comes first.
        _written(machine, text, call, alone="exist_ok" not in call.kwargs)
    if name in _MOVES and call.args:
        _written(machine, strings.spelled(call.args[0]), call)
    return path if name in {"mkdir", "ensure", "rename", "replace"} else UNKNOWN


def call_function(machine: Machine, name: str, call: Call) -> Value | None:
    """Follow a function of the standard library that makes or changes files; None for others."""
    last = name.rpartition(".")[2]
    if name in _WRITING:
        for position in _WRITING[name]:
            path = call.argument(position, *(("dst",) if position else ("path", "name", "src")))
            text = strings.spelled(path) if path is not None else HOLE
            _written(machine, text, call, alone="exist_ok" not in call.kwargs)
        return UNKNOWN
    if name in _OPENERS:
        return open_call(machine, call)
    if not name.startswith("tempfile."):
        return None
    if last in _TEMPORARY_FILES:
        return Lib("file", None, {"text": Const(HOLE), "name": Const(TEMPORARY)})
    if last == "mkstemp":
        return Seq([UNKNOWN, Const(TEMPORARY)])
    return {"mkdtemp": Const(TEMPORARY), "TemporaryDirectory": Lib("temporary")}.get(last)


def write_unknown(machine: Machine, name: str, call: Call) -> None:
    """Note a method of something unknown that only a path has, and that changes a file."""
    if name in {"write_text", "write_bytes", "unlink", "touch"}:
        _written(machine, HOLE, call)


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
    if any(letter in mode for letter in "wax+" + HOLE):
        _written(machine, path, call)
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


def _written(machine: Machine, path: str, call: Call, *, alone: bool = True) -> None:
    """Note that a file is changed: the next test sees that, and other processes see fixed names."""
    if TEMPORARY in path or path.startswith("/dev/"):
        return
    if HOLE in path or path in {"", "."}:
        process_state.note(machine, "files whose place is not known", call.node)
        return
    relative = not path.startswith(("/", "~")) and path[1:2] != ":"
    name = machine.sources.relative(path)
    if alone:
        what = f"writes the fixed file {name}"
        machine.act(Kind.ALONE, None, call.node, what=what, flag=relative)
    process_state.note(machine, f"the file {name}", call.node, relative=relative)
