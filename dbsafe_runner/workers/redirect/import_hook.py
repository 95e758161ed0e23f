"""Import hook: call a function right after a watched module has been imported, whoever imports it.

A finder in front of `sys.meta_path` lets the other finders do their work and only wraps `exec_module`
of the loader that they found, for one execution. Modules, specs and loaders stay the originals, so
`importlib.resources`, `inspect` and pickling see nothing. A module that is already there is handled at
once.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any


class ImportHook:
    """A finder that finds nothing by itself."""

    def __init__(self, watched: dict[str, Callable[[ModuleType], None]]) -> None:
        """`watched` maps module names to what is called with the module once it is imported."""
        self._watched = watched

    def install(self) -> None:
        """Watch from now on; call at once for what is already imported."""
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)
        for name, callback in self._watched.items():
            module = sys.modules.get(name)
            # A module that is being imported at this moment is not complete yet.
            if module is not None and not getattr(module.__spec__, "_initializing", False):
                callback(module)

    def uninstall(self) -> None:
        """Stop watching."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """What the other finders find, with the watched module's execution followed by its callback."""
        callback = self._watched.get(fullname)
        if callback is None:
            return None
        for finder in sys.meta_path:
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(fullname, path, target) if find else None
            if spec is not None:
                if hasattr(spec.loader, "exec_module"):
                    _call_after(spec.loader, fullname, callback)
                return spec
        return None


def _call_after(loader: Any, name: str, callback: Callable[[ModuleType], None]) -> None:
    execute = loader.exec_module

    def exec_module(module: ModuleType) -> None:
        # Some loaders serve many modules (zip files, pytest's assertion rewriting).
        ours = module.__name__ == name
        if ours and vars(loader).get("exec_module") is exec_module:
            del loader.exec_module
        execute(module)
        if ours:
            callback(module)

    loader.exec_module = exec_module
