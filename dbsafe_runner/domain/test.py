"""Test: one pytest item as collection found it, with everything that pytest knows of it beforehand."""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class FixtureDef:
    """One fixture definition in a test's closure, as pytest resolved it.

    `file` is the absolute path of the module that defines it ("" for built-ins), `line` counts
    from 1. `scope` is one of function, class, module, package, session.
    """

    name: str
    scope: str
    file: str
    line: int
    function: str
    autouse: bool = False
    params: bool = False


@dataclasses.dataclass(frozen=True, slots=True)
class Mark:
    """A pytest mark: name, positional arguments and keyword arguments as `repr` strings."""

    name: str
    args: tuple[str, ...] = ()
    kwargs: tuple[tuple[str, str], ...] = ()


@dataclasses.dataclass(frozen=True, slots=True)
class Test:
    """One collected test. `index` is its place in pytest's order; `file` is relative to the root."""

    #: pytest must not collect this class in our own tests.
    __test__ = False

    index: int
    nodeid: str
    file: str
    line: int
    cls: str
    function: str
    #: The fixture closure in pytest's order of set-up, outermost scope first.
    fixtures: tuple[FixtureDef, ...] = ()
    marks: tuple[Mark, ...] = ()
    #: The value of xdist_group, or "".
    xdist_group: str = ""
