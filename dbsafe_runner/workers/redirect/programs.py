"""Programs that a test starts: their environment, and the arguments of PostgreSQL's own tools.

Hooks into `subprocess.Popen` (which `subprocess.run`, `os.popen` and asyncio use), `os.posix_spawn`,
`os.system` and multiprocessing's spawn. What a suite sees in `os.environ` stays its own; only what is
handed to a program changes, at the moment it is started. Programs started by `os.exec…` in a process
that the suite forked itself are not reached.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from types import ModuleType
from typing import Any

from . import environment, patching, routing, tools
from .routing import Router
from .urls import Target, is_url

#: Place of `env` among Popen's positional arguments behind `args`.
_ENV = 9
#: What the standard library and set-up code start to look around. It is not worth a namespace.
_HARMLESS = frozenset(
    [
        *("uname", "ldconfig", "gcc", "cc", "ld", "objdump", "file", "git", "lsb_release"),
        *("hostname", "id", "which", "ps", "tar"),
    ]
)


def watched() -> dict[str, Callable[[ModuleType], None]]:
    """Module -> what patches it, for the import hook."""
    return {
        "subprocess": _patch_subprocess,
        "multiprocessing.util": _patch_multiprocessing,
        "os": _patch_os,
    }


def _patch_subprocess(subprocess: ModuleType) -> None:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def __init__(self: Any, args: Any, *rest: Any, **kwargs: Any) -> None:  # noqa: N807
            router = _router_for(kwargs.get("executable") or args)
            if router is not None:
                given = rest[_ENV] if len(rest) > _ENV else kwargs.get("env")
                led = led_environment(router, args, given)
                if led is not None:
                    args = led_arguments(router, args, os.environ if given is None else given)
                    if len(rest) > _ENV:
                        rest = (*rest[:_ENV], led, *rest[_ENV + 1 :])
                    else:
                        kwargs["env"] = led
            original(self, args, *rest, **kwargs)

        return __init__

    patching.function(subprocess.Popen, "__init__", wrap)


def _patch_multiprocessing(util: ModuleType) -> None:
    def wrap(original: Callable[..., Any]) -> Callable[..., Any]:
        def spawnv_passfds(path: Any, args: Any, passfds: Any) -> Any:
            with _Lent(args):
                return original(path, args, passfds)

        return spawnv_passfds

    patching.function(util, "spawnv_passfds", wrap)


def _patch_os(_: ModuleType) -> None:
    def wrap_system(original: Callable[..., Any]) -> Callable[..., Any]:
        def system(command: Any) -> Any:
            with _Lent(command):
                return original(command)

        return system

    def wrap_spawn(original: Callable[..., Any]) -> Callable[..., Any]:
        def posix_spawn(path: Any, argv: Any, env: Any, **kwargs: Any) -> Any:
            router = _router_for(argv)
            led = None if router is None else led_environment(router, argv, env)
            return original(path, argv, env if led is None else led, **kwargs)

        return posix_spawn

    patching.function(os, "system", wrap_system)
    for name in ("posix_spawn", "posix_spawnp"):
        if hasattr(os, name):
            patching.function(os, name, wrap_spawn)


class _Lent:
    """os.environ itself, for the time that it takes to start a program that gets no other."""

    def __init__(self, args: Any) -> None:
        self._args = args
        self._before: dict[str, str] | None = None

    def __enter__(self) -> None:
        router = _router_for(self._args)
        led = None if router is None else led_environment(router, self._args, None)
        if led is not None:
            self._before = dict(os.environ)
            _become(led)

    def __exit__(self, *_: object) -> None:
        if self._before is not None:
            _become(self._before)


def _become(values: Mapping[str, str]) -> None:
    for name in [name for name in os.environ if name not in values]:
        del os.environ[name]
    for name, value in values.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def led_environment(router: Router, args: Any, given: Mapping[Any, Any] | None) -> dict[str, str] | None:
    """The environment for a program; None when it is to have the one that it was given.

    Where nothing says that it may use a database, no namespace is leased for its sake; a Python program
    then asks for it when it connects.
    """
    base = _decoded(os.environ if given is None else given)
    target = router.source_for(base) or _named_by_a_tool(router, args, base)
    if target is None:
        return environment.asking_environment(base, router.rules) if router.rules.lender else None
    endpoint = router.endpoint_for(target)
    if router.asks and router.rules.on_program is not None:
        router.rules.on_program(_as_strings(args))
    return environment.child_environment(base, endpoint, router.sources, router.rules)


def led_arguments(router: Router, args: Any, environ: Mapping[Any, Any]) -> Any:
    """The arguments of a tool of PostgreSQL's led to the namespace; of other programs as they are."""
    if isinstance(args, (str, bytes, os.PathLike)) or not isinstance(args, Sequence) or not args:
        return args
    if _program(args) not in tools.TOOLS or not all(isinstance(arg, str) for arg in args):
        return args
    endpoint = router.latest
    if endpoint is None:
        return args
    base = _decoded(environ)
    flags, others = _split_flags(args)
    led = [_led_text(arg, endpoint, router, base) for arg in others]
    route = environment.route_to(endpoint, router.sources, flags, base)
    if not flags:
        # Its environment leads there as well when nothing in it names another server.
        ours = route is not None or not environment.names_a_server(base)
        return tools.with_names(led, endpoint) if ours else led
    if route is None:
        return args
    led = tools.with_names(led, endpoint)
    return [led[0], "-h", endpoint.host, "-p", str(endpoint.port), *led[1:]]


def _named_by_a_tool(router: Router, args: Any, base: Mapping[str, str]) -> Target | None:
    """The source, where a tool of PostgreSQL's is told a URL of a server on this machine."""
    if isinstance(args, (str, bytes, os.PathLike)) or _program(args) not in tools.TOOLS:
        return None
    for arg in _as_strings(args):
        text = arg.partition("=")[2] if arg.startswith("--") else arg
        text = text.removeprefix("-d")
        if is_url(text) and (source := router.source_of(Target.parse(text, base))):
            return source
    return None


def _led_text(arg: str, endpoint: Any, router: Router, base: Mapping[str, str]) -> str:
    option, equals, text = arg.partition("=") if arg.startswith("--") else ("", "", arg)
    if arg.startswith("-d") and len(arg) > 2:
        option, equals, text = "-d", "", arg[2:]
    led = environment.rewrite_text(text, endpoint, router.sources, base)
    return arg if led is None else option + equals + led


def _split_flags(args: Sequence[str]) -> tuple[dict[str, str], list[str]]:
    """The server that -h and -p name, and the arguments without these."""
    flags: dict[str, str] = {}
    others: list[str] = []
    rest = iter(args)
    for arg in rest:
        key, spelled = tools.option_of(arg)
        if arg in tools.SERVER_OPTIONS:
            flags[tools.SERVER_OPTIONS[arg]] = next(rest, "")
        elif key:
            flags[key] = arg.removeprefix(spelled)
        else:
            others.append(arg)
    return flags, others


def _router_for(args: Any) -> Router | None:
    router = routing.current()
    return None if router is None or _program(args) in _HARMLESS else router


def _program(args: Any) -> str:
    first = args if isinstance(args, (str, bytes, os.PathLike)) else next(iter(args), "")
    name = os.path.basename(os.fsdecode(first).partition(" ")[0])  # noqa: PTH119
    return name[:-4] if sys.platform == "win32" and name.endswith(".exe") else name


def _as_strings(args: Any) -> list[str]:
    single = isinstance(args, (str, bytes, os.PathLike))
    return [os.fsdecode(arg) for arg in ([args] if single else args)]


def _decoded(environ: Mapping[Any, Any]) -> dict[str, str]:
    return {os.fsdecode(key): os.fsdecode(value) for key, value in environ.items()}
