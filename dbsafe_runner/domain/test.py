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
    """One collected test. `index` is its place in pytest's order; paths are relative to the root.

    `file` is the one that pytest collected it from, as in its node id; `line` is of `code_file`.
    """

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
    #: The file that its function is written in, where that is another one: it was inherited or imported.
    elsewhere: str = ""

    @property
    def code_file(self) -> str:
        """The file that its function is written in."""
        return self.elsewhere or self.file
