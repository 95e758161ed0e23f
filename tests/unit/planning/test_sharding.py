import random

import pytest

from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.planning.sharding import fingerprint, shard


def batch(number, seconds, first, **given):
    tests = tuple(range(first, first + len(seconds)))
    isolation, reset = Isolation.NONE, ResetPolicy.EACH_TEST
    return Batch(number, tests, tuple(seconds), Level.NONE, isolation, reset, **given)


def a_plan():
    chance = random.Random(5)
    batches, first = [], 0
    for number in range(40):
        seconds = [chance.lognormvariate(-1, 1) for _ in range(chance.randint(1, 9))]
        after = (number - 1,) if number % 10 == 9 else ()
        batches.append(batch(number, seconds, first, after=after, exclusive=number == 5))
        first += len(seconds)
    batches.append(batch(40, [0.1] * 500, first, splittable=True))
    return Plan(tuple(batches), 4, "balanced", {})


def test_every_test_is_in_one_shard_and_their_loads_are_even():
    plan = a_plan()
    parts = [shard(plan, number, 4) for number in range(1, 5)]
    tests = sorted(test for part in parts for b in part.batches for test in b.tests)
    assert tests == sorted(test for b in plan.batches for test in b.tests)
    loads = [sum(b.total_seconds * (4 if b.exclusive else 1) for b in part.batches) for part in parts]
    assert max(loads) <= 1.1 * sum(loads) / 4
    for part in parts:
        assert [b.id for b in part.batches] == list(range(len(part.batches)))
        assert all(earlier < b.id for b in part.batches for earlier in b.after)
        assert part.lower_bound > 0


def test_batches_that_wait_for_each_other_are_in_one_shard():
    plan = a_plan()
    for number in range(1, 5):
        tests = {test for b in shard(plan, number, 4).batches for test in b.tests}
        for b in plan.batches:
            for earlier in b.after:
                assert (b.tests[0] in tests) == (plan.batches[earlier].tests[0] in tests)


def test_machines_with_equal_plans_see_the_same_fingerprint():
    plan = a_plan()
    assert shard(plan, 1, 3) == shard(a_plan(), 1, 3)
    assert fingerprint(plan) in shard(plan, 2, 3).notes[-1]
    other = Plan(plan.batches[1:], 4, "balanced", {})
    assert fingerprint(other) != fingerprint(plan)


def test_one_shard_is_the_whole():
    plan = a_plan()
    tests = [test for b in shard(plan, 1, 1).batches for test in b.tests]
    assert sorted(tests) == sorted(test for b in plan.batches for test in b.tests)


def test_more_shards_than_batches():
    plan = Plan((batch(0, [1.0], 0),), 4, "balanced", {})
    assert [len(shard(plan, n, 3).batches) for n in (1, 2, 3)] == [1, 0, 0]


@pytest.mark.parametrize(("number", "count"), [(0, 4), (5, 4), (1, 0)])
def test_shards_that_are_not_there(number, count):
    with pytest.raises(ValueError, match="no shard"):
        shard(a_plan(), number, count)
