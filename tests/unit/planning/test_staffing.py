from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.planning.staffing import spawned_workers


def evenly(seconds: float, most: int = 8) -> dict[int, float]:
    return {count: seconds / count for count in range(1, most + 1)}


@pytest.mark.parametrize(
    ("work", "start", "cores", "expected"),
    [
        (60.0, 1.0, 8, 8),
        (60.0, 1.0, 2, 2),
        (2.0, 2.5, 2, 2),
        (0.4, 2.5, 4, 1),
        (5.0, 10.0, 8, 2),
        (60.0, 0.0, 4, 4),
        (0.0, 1.0, 4, 1),
    ],
)
def test_a_worker_has_to_gain_more_than_its_start(work, start, cores, expected):
    assert spawned_workers(evenly(work), start, cores) == expected


def test_what_cannot_be_divided_needs_no_second_worker():
    assert spawned_workers(dict.fromkeys(range(1, 9), 30.0), 0.5, 8) == 1


@given(
    st.dictionaries(st.integers(1, 64), st.floats(0, 1e4), min_size=1),
    st.floats(0, 100),
    st.integers(0, 64),
)
def test_it_is_one_of_those_asked_for_and_within_the_cores(walls, start, cores):
    chosen = spawned_workers(walls, start, cores)
    assert chosen in walls
    assert chosen <= max(cores, 1) or chosen == min(walls)
