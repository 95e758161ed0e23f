"""Teardown in two steps: the test itself, then what is wider than it, with a look in between.

Without the look, what the fixtures of a module or a class clean up would be put down to the last test
that used them. Which errors a teardown raises, and in which order, stays as pytest has it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from _pytest.outcomes import TEST_OUTCOME


class _Within:
    """Stands for a next item in the same class and module: only the test itself goes down."""

    def __init__(self, item: pytest.Item) -> None:
        self._chain = item.listchain()[:-1]

    def listchain(self) -> list[Any]:
        return self._chain


def stays_within(item: pytest.Item, nextitem: Any) -> bool:
    """Whether everything wider than the test stays up for the next one."""
    parents = item.listchain()[:-1]
    return nextitem is not None and nextitem.listchain()[: len(parents)] == parents


def tear_down_apart(
    teardown: Callable[[Any], None], item: pytest.Item, nextitem: Any, look: Callable[[], object]
) -> None:
    """Tear `item` down, look, then tear down what `nextitem` does not need.

    Raises what `teardown` raises; errors of both steps as one group.
    """
    errors: list[BaseException] = []
    try:
        teardown(_Within(item))
    except TEST_OUTCOME as error:
        errors.append(error)
    look()
    try:
        teardown(nextitem)
    except TEST_OUTCOME as error:
        errors.append(error)
    if len(errors) == 1:
        raise errors[0]
    if errors:
        raise BaseExceptionGroup("errors during test teardown", errors[::-1])
