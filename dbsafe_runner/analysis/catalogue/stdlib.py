"""The standard library, as far as it matters: ports, processes, threads, dynamic code."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from dbsafe_runner.analysis import classes, lookup, process_state, strings
from dbsafe_runner.analysis.actions import Kind
from dbsafe_runner.analysis.catalogue import asking, files, verbs
from dbsafe_runner.analysis.values import (
    HOLE,
    UNKNOWN,
    Bound,
    Class,
    External,
    Function,
    Instance,
    Lib,
    Link,
    Map,
    Module,
    Partial,
    Seq,
    Value,
    join,
    number_of,
    text_of,
)

if TYPE_CHECKING:
    from dbsafe_runner.analysis.calling import Call
    from dbsafe_runner.analysis.machine import Machine

_PROCESSES = {
    "subprocess.run",
    "subprocess.Popen",
    "subprocess.call",
    "subprocess.check_call",
    "subprocess.check_output",
    "subprocess.getoutput",
    "os.system",
    "os.popen",
    "asyncio.create_subprocess_exec",
    "asyncio.create_subprocess_shell",
    "pexpect.spawn",
}
_HARMLESS_PROGRAM = re.compile(
    r"^(?:\S*/)?(git|ls|cat|echo|true|false|sleep|cp|mv|rm|mkdir|diff|ruff|black|mypy)\b"
)
_MIGRATION = re.compile(
    r"\b(alembic\s+(upgrade|downgrade|stamp)|manage\.py\s+migrate|migrate\b|createdb|dropdb|psql)"
)
#: Functions that set something for the whole process.
_PROCESS_WIDE = {
    "os.umask", "locale.setlocale", "importlib.reload", "signal.signal", "sys.setrecursionlimit",
    "socket.setdefaulttimeout", "time.tzset", "logging.disable", "logging.config.dictConfig",
    "logging.addLevelName", "logging.setLoggerClass", "os.nice", "codecs.register", "copyreg.pickle",
    "sys.settrace", "sys.setprofile", "sys.setswitchinterval", "gc.disable", "gc.enable", "gc.freeze",
    "asyncio.set_event_loop_policy", "atexit.register", "decimal.setcontext",
}  # fmt: skip
_SERVERS = {
    "HTTPServer", "ThreadingHTTPServer", "TCPServer", "UDPServer", "ThreadingTCPServer", "make_server",
    "start_server", "create_server",
}  # fmt: skip


def call_builtin(machine: Machine, name: str, call: Call) -> Value | None:
    """Follow a built-in or standard function; None for one that is not special."""
    plain = name.removeprefix("builtins.")
    if plain in _PROCESS_WIDE:
        process_state.note(machine, plain, call.node)
    handler = _BUILTINS.get(plain)
    if handler is not None:
        return handler(machine, call)
    if plain in _PROCESSES:
        return _process(machine, call)
    last = plain.rpartition(".")[2]
    if last in _SERVERS or plain in {"uvicorn.run", "uvicorn.Config", "hypercorn.run", "waitress.serve"}:
        _fixed_port(machine, call)
        return UNKNOWN
    if (made := files.call_function(machine, plain, call)) is not None:
        return made
    if plain.startswith(("os.path.", "pathlib.", "importlib.resources.", "os.fspath")):
        return files.path_function(last, call)
    return None


def _process(machine: Machine, call: Call) -> Value:
    first = call.argument(0, "args", "cmd")
    parts = first.items if isinstance(first, Seq) else call.args
    command = " ".join(strings.spelled(part) for part in parts).replace(HOLE, "?")
    machine.act(Kind.HEAVY, None, call.node, what="starts a process")
    if _HARMLESS_PROGRAM.match(command):
        return UNKNOWN
    link = Link(f"process at {machine.place(call.node)}", autocommit=True)
    if _MIGRATION.search(command):
        machine.act(Kind.DDL, link, call.node, what=f"starts {command[:60]}")
    else:
        machine.act(
            Kind.WRITE, link, call.node, verbs.ANY_TABLE, "starts a process, which may use the database"
        )
        machine.doubt("starts a process, which may use the database", call.node, 0.2)
    return UNKNOWN


def _fixed_port(machine: Machine, call: Call) -> None:
    port = port_in(
        [*call.args, *(value for key, value in call.kwargs.items() if key in {"port", "address"})]
    )
    if port:
        machine.act(Kind.ALONE, None, call.node, what=f"listens on the fixed port {port}")


def port_in(values: list[Value]) -> int:
    """Return the fixed port among some values or pairs; 0 when there is none."""
    for value in values:
        number = number_of(value)
        if number is None and isinstance(value, Seq) and len(value.items) == 2:
            number = number_of(value.items[1])
        if number is not None and 0 < number < 65536:
            return number
    return 0


def _getattr(machine: Machine, call: Call) -> Value:
    name = text_of(call.argument(1))
    if name is not None and HOLE not in name and call.args:
        found = lookup.attribute(machine, call.args[0], name, call.node)
        return found if len(call.args) < 3 else join(found, call.args[2])
    if call.args and isinstance(call.args[0], Instance | Lib):
        machine.doubt("an attribute whose name is only known when the test runs", call.node, 0.1)
    return UNKNOWN


def _setattr(machine: Machine, call: Call) -> Value:
    name = text_of(call.argument(1))
    if call.args:
        _note_attribute(machine, call, name)
        lookup.set_attribute(machine, call.args[0], name or HOLE, call.argument(2) or UNKNOWN, call.node)
    return UNKNOWN


def _delattr(machine: Machine, call: Call) -> Value:
    if call.args:
        _note_attribute(machine, call, text_of(call.argument(1)))
    return UNKNOWN


def _note_attribute(machine: Machine, call: Call, name: str | None) -> None:
    """Note `setattr(holder, name, …)`, as the statement would be noted."""
    if isinstance(call.node, ast.Call) and call.node.args:
        attr = name.replace(HOLE, "?") if name else "?"
        part = ast.copy_location(ast.Attribute(call.node.args[0], attr, ast.Store()), call.node)
        resets = name is not None and HOLE not in name
        process_state.changed(machine, call.args[0], part, call.env, resets=resets)


def _dynamic(machine: Machine, call: Call) -> Value:
    machine.doubt("code that is put together when the test runs", call.node, 0.55)
    return UNKNOWN


def _collection(machine: Machine, call: Call) -> Value:
    if not call.args:
        return Seq([])
    first = call.args[0]
    return Seq(list(first.items)) if isinstance(first, Seq) else Seq([lookup.element(machine, first)])


def _next(machine: Machine, call: Call) -> Value:
    if call.args and isinstance(call.node, ast.Call) and call.node.args:
        process_state.changed(machine, call.args[0], call.node.args[0], call.env)
    return lookup.element(machine, call.args[0]) if call.args else UNKNOWN


def _enumerate(machine: Machine, call: Call) -> Value:
    return Seq([Seq([UNKNOWN, lookup.element(machine, call.args[0])])]) if call.args else UNKNOWN


def _zip(machine: Machine, call: Call) -> Value:
    return Seq([Seq([lookup.element(machine, argument) for argument in call.args])])


def _map(machine: Machine, call: Call) -> Value:
    if len(call.args) < 2:
        return UNKNOWN
    elements = [lookup.element(machine, argument) for argument in call.args[1:]]
    return Seq([machine.call(call.args[0], type(call)(machine, elements, {}, call.node, call.env))])


def _dict(_machine: Machine, call: Call) -> Value:
    return Map(dict(call.kwargs))


def _default_dict(machine: Machine, call: Call) -> Value:
    """`collections.defaultdict`: under any key there is what its function makes."""
    factory = call.argument(0)
    if factory is None:
        return Map({})
    return Map({HOLE: machine.call(factory, type(call)(machine, [], {}, call.node, call.env))})


def _counter(machine: Machine, call: Call) -> Value:
    """`collections.Counter`: what it counts is gone through, and not followed."""
    for argument in call.args:
        lookup.element(machine, argument)
    return Map({})


def _queue(machine: Machine, call: Call) -> Value:
    """What is filled and emptied at its ends, or counts: a list of which no element is known."""
    for argument in call.args:
        lookup.element(machine, argument)
    return Seq([UNKNOWN])


def _namespace(machine: Machine, call: Call) -> Value:
    """`globals()`, and `vars(module)`."""
    module: Value = Module(machine.frames[-1].space.path, machine.frames[-1].space)
    if call.args:
        module = call.args[0]
    known = isinstance(module, Module) and module.space is not None
    return Lib("namespace", None, {"module": module}) if known else UNKNOWN


def _type(machine: Machine, call: Call) -> Value:
    if len(call.args) == 3:
        return _made_type(machine, call)
    return call.args[0].cls if call.args and isinstance(call.args[0], Instance) else UNKNOWN


def _made_type(machine: Machine, call: Call) -> Value:
    """`type(name, bases, members)`: a class."""
    bases = call.args[1].items if isinstance(call.args[1], Seq) else []
    members = call.args[2].items if isinstance(call.args[2], Map) else {}
    name = (text_of(call.args[0]) or "Made").replace(HOLE, "")
    node = ast.ClassDef(name=name, bases=[], keywords=[], body=[], decorator_list=[])
    made = Class(ast.copy_location(node, call.node), machine.frames[-1].space, None, dict(members))
    line: list[Class | External] = [made]
    for base in bases:
        line += classes.lineage(machine, base) if isinstance(base, Class) else []
        line += [base] if isinstance(base, External) else []
    made.lineage = tuple(line)
    return made


def _wraps(_machine: Machine, call: Call) -> Value:
    """`functools.wraps` calls nothing; `update_wrapper` returns its first argument."""
    return call.args[0] if len(call.args) > 1 else UNKNOWN


def _partial(_machine: Machine, call: Call) -> Value:
    return Partial(call.args[0], call.args[1:], call.kwargs) if call.args else UNKNOWN


def _first_function(machine: Machine, call: Call) -> Value:
    """Call the function among the arguments with the ones behind it: threads, executors, event loops."""
    for position, argument in enumerate(call.args):
        if isinstance(argument, Function | Bound | Partial):
            given = type(call)(machine, call.args[position + 1 :], {}, call.node, call.env)
            return machine.call(argument, given)
    target = call.kwargs.get("target")
    if target is not None:
        args = call.kwargs.get("args")
        rest = args.items if isinstance(args, Seq) else []
        machine.call(target, type(call)(machine, rest, {}, call.node, call.env))
        return UNKNOWN
    return call.args[0] if call.args else UNKNOWN


def _import_module(machine: Machine, call: Call) -> Value:
    name = text_of(call.argument(0, "name"))
    if name is not None and HOLE not in name:
        return machine.modules.find(name, machine.frames[-1].space.path)
    machine.doubt("a module whose name is only known when the test runs", call.node, 0.2)
    return UNKNOWN


def _large_range(machine: Machine, call: Call) -> Value:
    if any((number_of(argument) or 0) >= 100_000 for argument in call.args):
        machine.act(Kind.HEAVY, None, call.node, what="a loop of 100,000 rounds or more")
    return UNKNOWN


def _cast(_machine: Machine, call: Call) -> Value:
    return call.argument(1, "val") or UNKNOWN


def _gather(_machine: Machine, call: Call) -> Value:
    return Seq(list(call.args))


def _suppress(_machine: Machine, _call: Call) -> Value:
    return Lib("context")


def _cache(_machine: Machine, call: Call) -> Value:
    """`lru_cache(maxsize=…)` is a decorator yet; `lru_cache(function)` is what it makes of one."""
    first = call.args[0] if call.args else None
    if isinstance(first, Function):
        first.cached = True
        return first
    return External("functools.lru_cache")


def _change_directory(machine: Machine, call: Call) -> Value:
    process_state.note(machine, "the current directory", call.node, resets=True)
    return files.changes_directory(machine, call)


def _environment(machine: Machine, call: Call) -> Value:
    process_state.of_process(machine, Lib("environ"), text_of(call.argument(0)), call.node, resets=True)
    return UNKNOWN


def _exit_stack(_machine: Machine, _call: Call) -> Value:
    return Lib("exit stack")


def _closing(_machine: Machine, call: Call) -> Value:
    return call.args[0] if call.args else UNKNOWN


_BUILTINS: dict[str, Callable[[Machine, Call], Value]] = {
    "open": files.open_call,
    "io.open": files.open_call,
    "os.chdir": _change_directory,
    "contextlib.chdir": files.changes_directory,
    "os.putenv": _environment,
    "os.unsetenv": _environment,
    "getattr": _getattr,
    "setattr": _setattr,
    "delattr": _delattr,
    "globals": _namespace,
    "vars": _namespace,
    "functools.wraps": _wraps,
    "functools.update_wrapper": _wraps,
    "functools.lru_cache": _cache,
    "exec": _dynamic,
    "eval": _dynamic,
    "__import__": _dynamic,
    "runpy.run_path": _dynamic,
    "runpy.run_module": _dynamic,
    "importlib.import_module": _import_module,
    "collections.defaultdict": _default_dict,
    "collections.Counter": _counter,
    **dict.fromkeys(("collections.deque", "itertools.count", "itertools.cycle"), _queue),
    **dict.fromkeys(("queue.Queue", "queue.SimpleQueue", "queue.LifoQueue"), _queue),
    "collections.OrderedDict": _dict,
    "list": _collection,
    "tuple": _collection,
    "set": _collection,
    "sorted": _collection,
    "reversed": _collection,
    "frozenset": _collection,
    "iter": _closing,
    "aiter": _closing,
    "next": _next,
    "anext": _next,
    "enumerate": _enumerate,
    "zip": _zip,
    "map": _map,
    "filter": _map,
    "dict": _dict,
    **asking.HANDLERS,
    "type": _type,
    "range": _large_range,
    "typing.cast": _cast,
    "functools.partial": _partial,
    "threading.Thread": _first_function,
    "multiprocessing.Process": _first_function,
    "asyncio.run": _first_function,
    "asyncio.wait_for": _first_function,
    "asyncio.shield": _first_function,
    "asyncio.create_task": _first_function,
    "asyncio.ensure_future": _first_function,
    "asyncio.to_thread": _first_function,
    "asgiref.sync.sync_to_async": _closing,
    "asgiref.sync.async_to_sync": _closing,
    "anyio.run": _first_function,
    "asyncio.gather": _gather,
    "contextlib.suppress": _suppress,
    "contextlib.nullcontext": _closing,
    "contextlib.closing": _closing,
    "contextlib.aclosing": _closing,
    "contextlib.ExitStack": _exit_stack,
    "contextlib.AsyncExitStack": _exit_stack,
}
