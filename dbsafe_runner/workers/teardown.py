"""Teardown step by step: the test itself, a look at the database, then each thing that is wider than it.

Without the look, what the fixtures of a module or a class clean up would be put down to the last test
that used them. Each wider thing goes down in a step of its own, so that its error can be put down to the
test that a serial run puts it down to, should that be another one: where a module's tests are spread
over workers, each worker tears the module down. Which errors a teardown raises, and in which order,
stays as pytest has it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from _pytest import runner
from _pytest.outcomes import TEST_OUTCOME, Exit


class Within:
    """Stands for a next item that needs these nodes and nothing else."""

    def __init__(self, chain: list[Any]) -> None:
        self._chain = chain

    def listchain(self) -> list[Any]:
        """The nodes, as pytest's nodes tell those that they need."""
        return self._chain


def stays_within(item: pytest.Item, nextitem: Any) -> bool:
    """Whether everything wider than the test stays up for the next one."""
    parents = item.listchain()[:-1]
    return nextitem is not None and nextitem.listchain()[: len(parents)] == parents


def tear_down_apart(
    teardown: Callable[[Any], None],
    item: pytest.Item,
    nextitem: Any,
    look: Callable[[], object],
    charge: Callable[[Any, BaseException], bool],
) -> None:
    """Tear `item` down, look, then tear down what `nextitem` does not need, the narrowest first.

    Raises what `teardown` raises, errors of several steps as one group, without the errors in the
    teardown of a wider node that `charge(node, error)` has put down to another test. pytest does not
    show this frame: in a serial run there is none.
    """
    __tracebackhide__ = True
    errors: list[BaseException] = []
    try:
        teardown(Within(item.listchain()[:-1]))
    except TEST_OUTCOME as error:
        errors.append(error)
    look()
    for node, needed in _wider(item, nextitem):
        try:
            teardown(needed)
        except TEST_OUTCOME as error:
            if isinstance(error, Exit) or not charge(node, error):
                errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("errors during test teardown", errors[::-1])


def report_of(item: pytest.Item, error: BaseException) -> pytest.TestReport:
    """The report of an error in the teardown of what `item` shares with others."""

    def fail() -> None:
        __tracebackhide__ = True
        raise error

    call = runner.CallInfo.from_call(fail, when="teardown", reraise=())
    return pytest.TestReport.from_item_and_call(item, call)


def of_the_session(
    teardown: Callable[[Any], None], items: Sequence[pytest.Item]
) -> pytest.TestReport | None:
    """Tear everything down; the report of an error, for the last test, as a serial run has it."""

    def everything() -> None:
        __tracebackhide__ = True
        teardown(None)

    call = runner.CallInfo.from_call(everything, when="teardown", reraise=())
    if call.excinfo is None or call.excinfo.errisinstance(KeyboardInterrupt):
        return None
    return pytest.TestReport.from_item_and_call(items[-1], call)


def charged_test(items: Sequence[pytest.Item], current: int, node: Any) -> int:
    """The index of the test that a serial run charges with the teardown of a node.

    It is the first one from `current` on, a test within the node, whose successor is not within it.
    """
    for index in range(current, len(items) - 1):
        if node not in items[index + 1].listchain():
            return index
    return len(items) - 1


def first_within(items: Sequence[pytest.Item], current: int, node: Any) -> int:
    """The index of the first of the tests around `current` that are within the node, with no gap."""
    while current > 0 and node in items[current - 1].listchain():
        current -= 1
    return current


def _wider(item: pytest.Item, nextitem: Any) -> Iterator[tuple[Any, Any]]:
    """The nodes around the test that the next one does not need, each with what it leaves standing."""
    parents = item.listchain()[:-1]
    needed = nextitem.listchain() if nextitem is not None else []
    while parents and parents != needed[: len(parents)]:
        node = parents.pop()
        over = parents == needed[: len(parents)]
        yield node, nextitem if over else Within(list(parents))
