"""Delta debugging: what is found is small enough, shows it, and is found in few trials."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.scheduling.reduction import Reduction


def search(items: Collection[int], shows: Callable[[frozenset[int]], bool]) -> tuple[Reduction, int]:
    reduction = Reduction(tuple(items))
    trials = 0
    while reduction.trial is not None:
        trials += 1
        reduction.enter(shows=shows(frozenset(reduction.trial)))
    return reduction, trials


@given(st.integers(1, 300), st.data())
def test_one_culprit_is_found_in_logarithmic_time(size: int, data: st.DataObject) -> None:
    culprit = data.draw(st.integers(0, size - 1))
    found, trials = search(range(size), lambda part: culprit in part)
    assert found.found == (culprit,)
    assert trials <= 2 * math.ceil(math.log2(size)) + 1


@given(st.integers(2, 60), st.data())
def test_several_culprits_are_found_exactly_and_in_order(size: int, data: st.DataObject) -> None:
    culprits = data.draw(st.frozensets(st.integers(0, size - 1), min_size=1, max_size=4))
    found, trials = search(range(size), lambda part: culprits <= part)
    assert found.found == tuple(sorted(culprits))
    assert trials <= size * size + 3 * size


@given(st.lists(st.booleans(), min_size=60, max_size=60), st.integers(1, 30))
def test_it_ends_whatever_the_answers_and_never_tries_anything_twice(
    answers: list[bool], size: int
) -> None:
    reduction = Reduction(tuple(range(size)))
    tried = []
    for answer in answers * 40:
        if reduction.trial is None:
            break
        tried.append(reduction.trial)
        reduction.enter(shows=answer)
    assert reduction.trial is None
    assert len(tried) == len(set(tried))


def test_nothing_is_tried_of_a_single_item() -> None:
    assert Reduction((7,)).trial is None
    assert Reduction((7,)).found == (7,)


@pytest.mark.parametrize(
    ("guess", "first"), [((5,), (5,)), ((5, 99), (5,)), ((2, 4), (2, 4)), ((), (4, 5, 6, 7, 8))]
)
def test_a_guess_is_tried_first(guess: tuple[int, ...], first: tuple[int, ...]) -> None:
    reduction = Reduction(tuple(range(9)), guess)
    tried = []
    while reduction.trial is not None:
        tried.append(reduction.trial)
        reduction.enter(shows=5 in reduction.trial)
    assert reduction.found == (5,)
    assert tried[0] == first
    assert len(tried) == 1 or first != (5,)


def test_a_guess_of_everything_is_none() -> None:
    assert Reduction((1, 2), (1, 2)).trial == (2,)
