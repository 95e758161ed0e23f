from __future__ import annotations

import pytest

from dbsafe_runner.workers.teardown import charged_test, first_within, stays_within


class Item:
    """As much of a pytest item as the teardown looks at: the nodes that it is in."""

    def __init__(self, *chain: str) -> None:
        self._chain = [*chain]

    def listchain(self) -> list[str]:
        return [*self._chain, id(self)]


ITEMS = [Item("session", *names) for names in (("a", "K"), ("a", "K"), ("a",), ("b",), ("a",), ("b",))]


@pytest.mark.parametrize(
    ("current", "node", "charged"),
    [
        (0, "K", 1),
        (1, "K", 1),
        (0, "a", 2),
        # The module comes up a second time behind another one, as serially.
        (3, "b", 3),
        (4, "a", 4),
        (5, "b", 5),
        (0, "session", 5),
    ],
)
def test_the_test_that_a_serial_run_charges(current: int, node: str, charged: int) -> None:
    assert charged_test(ITEMS, current, node) == charged


def test_what_stays_up() -> None:
    assert stays_within(ITEMS[0], ITEMS[1])
    assert not stays_within(ITEMS[1], ITEMS[2])
    assert not stays_within(ITEMS[5], None)


def test_where_what_is_torn_down_begins() -> None:
    assert first_within(ITEMS, 1, "K") == 0
    assert first_within(ITEMS, 2, "a") == 0
    assert first_within(ITEMS, 4, "a") == 4
    assert first_within(ITEMS, 5, "session") == 0
