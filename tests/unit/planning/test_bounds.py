from __future__ import annotations

import pytest

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.planning.bounds import lower_bound


@pytest.mark.parametrize(
    ("seconds", "setup", "words"),
    [
        ((9.0, 0.1, 0.1), 0.0, "the longest test (in batch 0)"),
        ((9.0, 0.1, 0.1), 0.4, "the longest test and the fixtures that it needs (in batch 0)"),
        ((2.0,) * 20, 0.4, "the fixtures of batch 0, which every part of it has to build"),
        ((2.0,) * 20, 0.0, "the number of workers (4 for 40.0 s of tests)"),
    ],
)
def test_a_batch_that_may_be_split_is_not_called_one_that_cannot_be(
    seconds: tuple[float, ...], setup: float, words: str
) -> None:
    batch = Batch(
        id=0,
        tests=tuple(range(len(seconds))),
        seconds=seconds,
        level=Level.NONE,
        isolation=Isolation.SERVER,
        reset=ResetPolicy.AFTER_BATCH,
        splittable=True,
        setup_seconds=setup,
        why="may be split: its tests leave nothing behind",
    )
    assert lower_bound(Plan((batch,), 4, "balanced", {})).words == words


@pytest.mark.parametrize(("cost", "said"), [(2.0, True), (0.2, False)])
def test_session_fixtures_of_fresh_processes_are_named_where_they_take_most(
    cost: float, said: bool
) -> None:
    batches = tuple(
        Batch(
            id=number,
            tests=(number,),
            seconds=(1.0,),
            level=Level.NONE,
            isolation=Isolation.PROCESS,
            reset=ResetPolicy.AFTER_BATCH,
            fresh=True,
            affinity=frozenset({"engine"}),
        )
        for number in range(3)
    )
    bound = lower_bound(Plan(batches, 1, "conservative", {}, session_setup={"engine": cost}))
    assert bound.seconds == 3.0
    words = "session fixtures, which each of 3 fresh processes builds (6.0 s in all); without them by "
    assert bound.words == (words if said else "") + "the number of workers (1 for 3.0 s of tests)"
