"""Which tests count as run where a serial run has them in their file."""

from __future__ import annotations

import dataclasses

import pytest

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import Test
from dbsafe_runner.workers.places import Places
from dbsafe_runner.workers.slot import Slot

FILES = ["test_a.py", "test_a.py", "test_a.py", "test_b.py", "test_b.py"]
TESTS = [Test(n, f"{file}::test_{n}", file, 1, "", f"test_{n}") for n, file in enumerate(FILES)]
BATCH = Batch(
    id=0,
    tests=tuple(range(5)),
    seconds=(0.1,) * 5,
    level=Level.NONE,
    isolation=Isolation.NONE,
    reset=ResetPolicy.AFTER_BATCH,
)


def in_place(*tests: int, batch: Batch = BATCH, slot: Slot | None = None) -> list[bool]:
    places, slot = Places(TESTS), slot or Slot("gw0")
    return [places.is_in_place(slot, batch, test) for test in tests]


@pytest.mark.parametrize(
    ("tests", "expected"),
    [
        ((0, 1, 2), [True, True, True]),
        ((0, 1, 2, 3, 4), [True] * 5),
        ((3, 4, 0, 1, 2), [True] * 5),
        ((1, 2), [False, False]),
        ((0, 2, 1), [True, False, False]),
    ],
)
def test_it_is_where_all_that_precede_it_in_its_file_ran_before_it(tests, expected):
    assert in_place(*tests) == expected


def test_behind_a_reset_only_the_first_of_a_file_is_in_place():
    apart = dataclasses.replace(BATCH, reset=ResetPolicy.EACH_TEST)
    assert in_place(0, 1, 3, 4, batch=apart) == [True, False, True, False]


def test_what_another_batch_or_another_process_ran_does_not_count():
    places, slot = Places(TESTS), Slot("gw0")
    assert places.is_in_place(slot, BATCH, 0)
    assert not places.is_in_place(slot, dataclasses.replace(BATCH, id=1), 1)
    assert places.is_in_place(slot, BATCH, 1)
    slot.reborn()
    assert not places.is_in_place(slot, BATCH, 2)
