from __future__ import annotations

import dataclasses

import pytest
from fakes.event_stream import Scenario, make_run

from dbsafe_runner.domain import events
from dbsafe_runner.reporting.lines import plan_lines
from dbsafe_runner.reporting.progress import Progress


@pytest.mark.parametrize(
    ("split", "words"),
    [
        ((True,), "40 tests in 1 batch that may be split, on 3 workers"),
        ((False,), "40 tests in 1 batch on 3 workers"),
        ((True, False), "40 tests in 2 batches, of which 1 may be split, on 3 workers"),
        # There is work for everybody, whatever is split.
        ((True, True, True), "40 tests in 3 batches on 3 workers"),
    ],
)
def test_few_batches_for_many_workers_are_said_to_be_split(split: tuple[bool, ...], words: str) -> None:
    progress = Progress()
    for event in make_run(Scenario(tests=40, workers=3)):
        if isinstance(event, events.PlanFixed):
            plan = event.plan
            batches = tuple(
                dataclasses.replace(plan.batches[0], splittable=one, durations_known=False)
                for one in split
            )
            event = dataclasses.replace(event, plan=dataclasses.replace(plan, batches=batches))  # noqa: PLW2901
            progress.on(event)
            break
        progress.on(event)
    assert plan_lines(progress) == [[("dim", words)]]


def test_a_prediction_says_how_much_of_it_is_known() -> None:
    progress = Progress()
    for event in make_run(Scenario(tests=40, workers=3)):
        if isinstance(event, events.PlanFixed):
            batches = event.plan.batches
            rest = [dataclasses.replace(one, durations_known=False) for one in batches[1:]]
            known = frozenset(test for one in rest for test in one.tests) - {39}
            plan = dataclasses.replace(event.plan, batches=(batches[0], *rest), known=known)
            progress.on(dataclasses.replace(event, plan=plan))
            break
        progress.on(event)
    ((part,),) = plan_lines(progress)
    assert part[1].endswith(" s (39 durations are known)")
    assert "predicted" in part[1]
