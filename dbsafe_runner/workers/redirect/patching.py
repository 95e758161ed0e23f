"""Patching: replace attributes of a driver, remember what was there, and put it back.

It knows no driver. An attribute that a driver's version does not have raises MissingAttributeError,
which `import_hook` turns into a warning.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

#: On every wrapper: what it replaced.
_ORIGINAL = "__dbsafe_original__"


class MissingAttributeError(Exception):
    """A driver has no such attribute; the message names it."""


class _Patch(NamedTuple):
    owner: Any
    name: str
    before: Any
    after: Any


_applied: list[_Patch] = []


def function(owner: Any, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a function of a module, or a method of a class, by `wrap(original)`."""
    before = _look_up(owner, name)
    _apply(owner, name, before, _wrapped(before, wrap))


def class_method(cls: type, name: str, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a class method by `wrap(original function)`; both get the class as first argument."""
    before = _look_up(cls, name)
    if not isinstance(before, classmethod):
        raise MissingAttributeError(_dotted(cls, name) + " (as a class method)")
    _apply(cls, name, before, classmethod(_wrapped(before.__func__, wrap)))


def value(owner: Any, name: str, replacement: Any) -> None:
    """Replace an attribute by a value."""
    _apply(owner, name, _look_up(owner, name), replacement)


def undo_all() -> None:
    """Put everything back that nobody else has replaced since."""
    while _applied:
        patch = _applied.pop()
        if vars(patch.owner).get(patch.name) is patch.after:
            setattr(patch.owner, patch.name, patch.before)


def is_applied(owner: Any, name: str) -> bool:
    """Whether this copy of the package has replaced the attribute and nobody has put it back."""
    present = vars(owner).get(name)
    return any(
        patch.owner is owner and patch.name == name and patch.after is present for patch in _applied
    )


def _apply(owner: Any, name: str, before: Any, after: Any) -> None:
    if is_applied(owner, name):
        return
    setattr(owner, name, after)
    _applied.append(_Patch(owner, name, before, after))


def _wrapped(
    original: Callable[..., Any], wrap: Callable[[Callable[..., Any]], Callable[..., Any]]
) -> Any:
    # A wrapper of another copy of this package (a program that a test started runs dbsafe itself)
    # gives way: only one of them may decide.
    bare = getattr(original, _ORIGINAL, original)
    wrapper = functools.wraps(bare)(wrap(bare))
    setattr(wrapper, _ORIGINAL, bare)
    return wrapper


def _look_up(owner: Any, name: str) -> Any:
    try:
        return vars(owner)[name]
    except KeyError:
        raise MissingAttributeError(_dotted(owner, name)) from None


def _dotted(owner: Any, name: str) -> str:
    module = getattr(owner, "__module__", None)
    return ".".join(filter(None, (module, owner.__name__, name)))
