from __future__ import annotations

import pytest

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.scheduling.schedule import Assignment, Done, Schedule, Wait


def batch(number, tests, seconds, **given):
    values = {"level": Level.NONE, "durations_known": True} | given
    return Batch(
        number,
        tuple(tests),
        tuple(seconds),
        isolation=Isolation.NONE,
        reset=ResetPolicy.EACH_TEST,
        **values,
    )


def schedule_of(*batches, workers=2, **given):
    stop_on_failure = given.pop("stop_on_failure", False)
    plan = Plan(batches, workers, "balanced", given.pop("caps", {}), **given)
    schedule = Schedule(plan, stop_on_failure=stop_on_failure)
    for number in range(workers):
        schedule.add_worker(f"gw{number}")
    return schedule


def given_to(answer):
    assert isinstance(answer, Assignment)
    return answer.tests


def test_unknown_durations_put_the_file_with_most_tests_first():
    schedule = schedule_of(
        batch(0, [0, 1], [0.05, 0.05], durations_known=False),
        batch(1, [2, 3, 4], [0.05] * 3, durations_known=False),
        batch(2, [5, 6], [0.05, 0.05], durations_known=False),
        workers=1,
    )
    order = []
    for _ in range(3):
        answer = schedule.next("gw0", 0.0)
        order.append(answer.batch.id)
        for test in answer.tests:
            schedule.finished("gw0", test, 0.0, 0.05)
        schedule.batch_ended("gw0", 0.0)
    assert order == [1, 0, 2]
    assert isinstance(schedule.next("gw0", 0.0), Done)


def test_a_batch_with_a_long_chain_behind_it_goes_before_a_longer_one():
    schedule = schedule_of(
        batch(0, [0], [3.0]), batch(1, [1], [1.0]), batch(2, [2], [2.5], after=(1,)), workers=1
    )
    assert given_to(schedule.next("gw0", 0.0)) == (1,)


def test_a_long_test_of_a_batch_that_may_be_split_starts_first():
    seconds = [0.01] * 50 + [4.0] + [0.01] * 50
    schedule = schedule_of(batch(0, range(101), seconds, splittable=True))
    assert given_to(schedule.next("gw0", 0.0)) == (50,)
    assert 50 not in given_to(schedule.next("gw1", 0.0))


def test_exclusive_first_drains_before_it_goes_on():
    schedule = schedule_of(
        batch(0, [0], [1.0]), batch(1, [1], [9.0], exclusive=True), exclusive_first=True
    )
    assert given_to(schedule.next("gw0", 0.0)) == (1,)
    assert isinstance(schedule.next("gw1", 0.0), Wait)
    assert schedule.waiting_for("gw1") == "an exclusive batch is running on gw0"


def test_nothing_is_stolen_while_the_workers_are_drained_for_an_exclusive_batch():
    schedule = schedule_of(
        batch(0, [0], [0.1]),
        batch(1, range(1, 50), [1.0] * 49, splittable=True),
        batch(2, [50], [1.0], exclusive=True, after=(0,)),
        exclusive_first=True,
    )
    assert given_to(schedule.next("gw0", 0.0))
    assert given_to(schedule.next("gw1", 0.0))
    for worker in ("gw0", "gw1"):
        running = schedule._running[worker].piece.contents()
        if running == (0,):
            schedule.finished(worker, 0, 0.1, 0.1)
            schedule.batch_ended(worker, 0.1)
            assert isinstance(schedule.next(worker, 0.1), Wait)
            assert schedule.steal(worker, 0.1) is None


def test_the_killer_of_a_worker_is_not_run_again():
    schedule = schedule_of(batch(0, [0, 1, 2], [0.1] * 3))
    schedule.next("gw0", 0.0)
    schedule.started("gw0", 0, 0.0)
    schedule.finished("gw0", 0, 0.1, 0.1)
    schedule.started("gw0", 1, 0.1)
    assert schedule.lost("gw0", 0.2) == (2,)
    again = schedule.next("gw1", 0.2)
    assert (again.batch.id, again.tests) == (0, (2,))
    assert schedule.unfinished() == (2,)


def test_a_worker_lost_between_tests_gives_everything_back():
    schedule = schedule_of(batch(0, [0, 1], [0.1] * 2))
    schedule.next("gw0", 0.0)
    assert schedule.lost("gw0", 0.2) == (0, 1)
    assert schedule.queued() == 2


def test_what_waits_for_a_lost_batch_still_waits():
    schedule = schedule_of(batch(0, [0, 1], [0.1] * 2), batch(1, [2], [9.0], after=(0,)))
    schedule.next("gw0", 0.0)
    assert isinstance(schedule.next("gw1", 0.0), Wait)
    assert schedule.waiting_for("gw1") == "batch 0 must finish before batch 1"
    schedule.started("gw0", 0, 0.0)
    schedule.lost("gw0", 0.1)
    assert given_to(schedule.next("gw1", 0.1)) == (1,)


def test_requeue_runs_a_finished_test_once_more():
    schedule = schedule_of(batch(0, [0, 1], [0.1] * 2, level=Level.SHARED_WRITES), workers=1)
    schedule.next("gw0", 0.0)
    with pytest.raises(ValueError, match="not finished"):
        schedule.requeue([1])
    for test in (0, 1):
        schedule.finished("gw0", test, 0.1, 0.1)
    schedule.requeue([1], fresh=True)
    with pytest.raises(ValueError, match="not in the plan"):
        schedule.requeue([7])
    schedule.batch_ended("gw0", 0.1)
    again = schedule.next("gw0", 0.1)
    assert again.tests == (1,)
    assert again.batch.fresh
    assert again.batch.level is Level.SHARED_WRITES


@pytest.mark.parametrize(
    ("seconds", "known", "expected"),
    [
        ([0.005] * 10, True, 4),
        ([0.2, 0.001, 0.001], True, 0),
        ([0.001, 0.2, 0.001], True, 1),
        ([0.001] * 10, False, 1),
        ([0.001], False, 0),
    ],
)
def test_feeding_ahead(seconds, known, expected):
    schedule = schedule_of(batch(0, range(len(seconds)), seconds, durations_known=known))
    schedule.next("gw0", 0.0)
    schedule.started("gw0", 0, 0.0)
    assert schedule.feed_ahead("gw0", 0.0) == expected
    schedule.stop()
    assert schedule.feed_ahead("gw0", 0.0) == 0


@pytest.mark.parametrize(
    ("known", "splittable", "expected"), [(False, True, 0), (False, False, 1), (True, True, 2)]
)
def test_late_in_the_run_nothing_unknown_is_fed_that_others_could_take(known, splittable, expected):
    given = {"durations_known": known, "splittable": splittable}
    schedule = schedule_of(
        *(batch(n, range(n * 12, n * 12 + 12), [0.01] * 12, **given) for n in range(2))
    )
    schedule.next("gw0", 0.0)
    schedule.started("gw0", 0, 0.0)
    assert schedule.feed_ahead("gw0", 0.0) >= 1
    while schedule.queued():
        for test in given_to(schedule.next("gw1", 0.0)):
            schedule.finished("gw1", test, 0.0, 0.01)
        schedule.batch_ended("gw1", 0.0)
    assert schedule.feed_ahead("gw0", 0.0) == expected


def test_nothing_is_fed_ahead_when_the_run_stops_on_failure():
    schedule = schedule_of(batch(0, range(5), [0.001] * 5), stop_on_failure=True)
    schedule.next("gw0", 0.0)
    assert schedule.feed_ahead("gw0", 0.0) == 0


def one_worker_has_all(seconds, **given):
    """A schedule in which gw0 has one batch that may be split, and gw1 has nothing."""
    schedule = schedule_of(batch(0, range(len(seconds)), seconds, splittable=True, **given))
    assert given_to(schedule.next("gw0", 0.0)) == tuple(range(len(seconds)))
    return schedule


def test_while_an_offer_is_open_the_next_worker_is_asked():
    files = [batch(n, range(n * 4, n * 4 + 4), [0.03] * 4, splittable=True) for n in range(2)]
    schedule = schedule_of(*files, workers=3)
    for worker in ("gw0", "gw1"):
        assert len(given_to(schedule.next(worker, 0.0))) == 4
    offers = [schedule.steal("gw2", 0.0), schedule.steal("gw2", 0.0)]
    assert {offer.victim for offer in offers} == {"gw0", "gw1"}
    assert schedule.steal("gw2", 0.0) is None
    for offer in offers:
        schedule.revoked(offer.victim, (), 0.0)
    assert schedule.steal("gw2", 0.0) is not None


def test_stealing_halves_what_is_left():
    schedule = one_worker_has_all([0.01] * 8)
    schedule.started("gw0", 0, 0.0)
    steal = schedule.steal("gw1", 0.0)
    assert (steal.victim, steal.tests) == ("gw0", (4, 5, 6, 7))
    assert schedule.queued() == 0
    schedule.revoked("gw0", steal.tests, 0.0)
    assert schedule.queued() == 4
    assert given_to(schedule.next("gw1", 0.0)) == (4, 5, 6, 7)


def test_what_a_victim_has_started_meanwhile_stays_with_it():
    schedule = one_worker_has_all([0.02] * 4)
    assert schedule.steal("gw1", 0.0).tests == (2, 3)
    for test in (0, 1, 2):
        schedule.started("gw0", test, 0.0)
        if test < 2:
            schedule.finished("gw0", test, 1.0, 1.0)
    with pytest.raises(ValueError, match="cannot give back"):
        schedule.revoked("gw0", (2, 3), 2.0)
    schedule.revoked("gw0", (3,), 2.0)
    assert given_to(schedule.next("gw1", 2.0)) == (3,)


def test_a_dear_fixture_is_not_built_again_for_little():
    assert one_worker_has_all([0.1] * 4, setup_seconds=5.0).steal("gw1", 0.0) is None
    assert one_worker_has_all([4.0] * 4, setup_seconds=6.0).steal("gw1", 0.0).tests == (2, 3)


def test_a_steal_that_came_to_nothing_can_be_tried_again():
    schedule = one_worker_has_all([0.02] * 4)
    assert schedule.steal("gw1", 0.0) is not None
    assert schedule.steal("gw1", 0.0) is None
    schedule.revoked("gw0", (), 0.0)
    assert schedule.steal("gw1", 0.0) is not None


def test_who_holds_up_the_end_is_stolen_from():
    schedule = schedule_of(
        batch(0, range(10), [0.001] * 10, splittable=True),
        batch(1, range(10, 20), [0.01] * 10, splittable=True),
        workers=3,
    )
    first, second = (schedule.next(worker, 0.0) for worker in ("gw0", "gw1"))
    assert (first.batch.id, second.batch.id) == (1, 0)
    assert schedule.steal("gw2", 0.0).victim == "gw0"


def test_the_worker_that_has_a_dear_fixture_goes_on_with_it():
    schedule = schedule_of(
        *(batch(n, [n], [1.0], affinity=frozenset({"ab"[n % 2]})) for n in range(40)), workers=1
    )
    had = []
    for _ in range(10):
        answer = schedule.next("gw0", 0.0)
        had.extend(answer.batch.affinity)
        schedule.finished("gw0", answer.tests[0], 0.0, 1.0)
        schedule.batch_ended("gw0", 0.0)
    assert had == ["a"] * 10


def test_waiting_for_a_cap_and_for_connections():
    level = Level.SCHEMA_CHANGES
    schedule = schedule_of(
        batch(0, [0], [1.0], level=level), batch(1, [1], [1.0], level=level), caps={level: 1}
    )
    schedule.next("gw0", 0.0)
    assert isinstance(schedule.next("gw1", 0.0), Wait)
    assert schedule.waiting_for("gw1") == "cap: 1 SCHEMA_CHANGES batches are running"
    schedule = schedule_of(
        batch(0, [0], [1.0], connections=3), batch(1, [1], [1.0], connections=2), connections=4
    )
    schedule.next("gw0", 0.0)
    assert isinstance(schedule.next("gw1", 0.0), Wait)
    assert schedule.waiting_for("gw1") == "connections: 3 of 4 are in use"


def test_a_batch_that_needs_more_connections_than_there_are_runs_alone_on_them():
    schedule = schedule_of(batch(0, [0], [1.0], connections=30), connections=4)
    assert given_to(schedule.next("gw0", 0.0)) == (0,)


@pytest.mark.parametrize("after", [(1,), (5,)])
def test_a_plan_that_cannot_be_run_is_refused(after):
    with pytest.raises(ValueError, match=r"circle|not in the plan"):
        schedule_of(batch(0, [0], [1.0], after=after), batch(1, [1], [1.0], after=(0,)))


def test_reports_that_cannot_be_true_are_refused():
    schedule = schedule_of(batch(0, [0, 1], [1.0, 1.0]))
    schedule.next("gw0", 0.0)
    with pytest.raises(ValueError, match="not at test 1"):
        schedule.started("gw0", 1, 0.0)
    with pytest.raises(ValueError, match="not idle"):
        schedule.next("gw0", 0.0)
    with pytest.raises(ValueError, match="there already"):
        schedule.add_worker("gw1")


def test_other_caps_hold_from_then_on():
    level = Level.READ_ONLY
    batches = [batch(number, [number], [1.0], level=level) for number in range(4)]
    schedule = schedule_of(*batches, workers=3, caps={level: 1})
    assert given_to(schedule.next("gw0", 0.0)) == (0,)
    assert isinstance(schedule.next("gw1", 0.0), Wait)
    schedule.limit({level: 2})
    assert given_to(schedule.next("gw1", 0.0)) == (1,)
    assert isinstance(schedule.next("gw2", 0.0), Wait)
    schedule.limit({})
    assert given_to(schedule.next("gw2", 0.0)) == (2,)
    schedule.limit({level: 1})
    schedule.finished("gw0", 0, 1.0, 1.0)
    schedule.batch_ended("gw0", 1.0)
    assert isinstance(schedule.next("gw0", 1.0), Wait)
