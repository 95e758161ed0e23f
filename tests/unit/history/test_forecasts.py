import math
import random
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.domain.test import FixtureDef, Test
from dbsafe_runner.history.forecasts import (
    NOTHING_KNOWN_SECONDS,
    Timing,
    fixture_costs,
    forecast,
    shrunken_effects,
    weighted_median,
)


def a_test(index, file="tests/test_a.py", fixtures=()):
    definitions = tuple(FixtureDef(name, scope, "/p/conftest.py", 1, name) for name, scope in fixtures)
    return Test(index, f"{file}::test_{index}", file, 1, "", f"test_{index}", definitions)


def run(seconds, **built):
    return Timing(setup=sum(built.values()), call=seconds, teardown=0.0, built=built)


def test_nothing_known():
    result = forecast([a_test(0)], {})
    assert result["tests/test_a.py::test_0"].seconds == pytest.approx(NOTHING_KNOWN_SECONDS)
    assert not result["tests/test_a.py::test_0"].known


def test_one_outlier_does_not_move_a_known_test():
    runs = [run(0.1), run(30.0), run(0.1), run(0.11)]
    result = forecast([a_test(0)], {"tests/test_a.py::test_0": runs})
    assert result["tests/test_a.py::test_0"].seconds == pytest.approx(0.1)
    assert result["tests/test_a.py::test_0"].known


def test_the_latest_runs_weigh_most():
    # Three new runs outweigh seven old ones.
    assert weighted_median([2.0, 2.0, 2.0, *[1.0] * 7]) == 2.0


def test_building_a_shared_fixture_is_not_the_tests_own_time():
    test = a_test(0, fixtures=[("engine", "module"), ("row", "function")])
    history = {test.nodeid: [run(0.1, engine=3.0), run(0.1), run(0.1, engine=1.0)]}
    result = forecast([test], history)[test.nodeid]
    assert result.seconds == pytest.approx(0.1)
    assert result.setup == {"engine": 2.0}
    assert fixture_costs(history) == {"engine": 2.0}


def test_an_unknown_test_follows_its_file():
    slow = [a_test(i, "tests/test_slow.py") for i in range(10)]
    fast = [a_test(i, "tests/test_fast.py") for i in range(10)]
    history = {t.nodeid: [run(1.0 + i / 10)] for i, t in enumerate(slow[:9])}
    history |= {t.nodeid: [run(0.01 + i / 1000)] for i, t in enumerate(fast[:9])}
    result = forecast([*slow, *fast], history)
    assert 0.7 < result[slow[9].nodeid].seconds < 2.5
    assert 0.007 < result[fast[9].nodeid].seconds < 0.025


def test_an_unknown_test_in_a_new_file_follows_its_dearest_fixture():
    dear = [("base", "session"), ("client", "function")]
    history, tests = {}, []
    for i in range(20):
        fixtures = dear if i % 2 else [("base", "session")]
        tests.append(a_test(i, f"tests/test_{i // 4}.py", fixtures))
        history[tests[-1].nodeid] = [run((0.5 if i % 2 else 0.01) * (1 + i / 100))]
    with_client = a_test(50, "tests/test_new.py", dear)
    without = a_test(51, "tests/test_new.py", [("base", "session")])
    result = forecast([*tests, with_client, without], history)
    assert result[with_client.nodeid].seconds > 5 * result[without.nodeid].seconds


def test_one_known_neighbour_moves_a_prediction_less_than_nine():
    values = [("big", 2.5), ("big", 1.5)] * 5 + [("small", 2.0)]
    values += [("rest", -0.6), ("rest", -1.5)] * 10 + [("other", 0.9), ("other", -0.9)]
    effects = shrunken_effects(values)
    assert 0 < effects["small"] < effects["big"] < 2.0


def test_groups_that_differ_only_by_chance_have_no_effect():
    assert shrunken_effects([("a", 1.0), ("a", -1.0), ("b", 1.0), ("b", -1.0)]) == {}


def test_shrinking_beats_file_means_and_the_overall_mean():
    """The reason for the formula: on data made like it supposes, its error is the smallest."""
    chance = random.Random(7)
    errors = {"shrunken": [], "file mean": [], "overall mean": []}
    for _ in range(30):
        known, asked, truth = {}, [], {}
        for file in range(12):
            centre = chance.gauss(0, 0.7)
            for index in range(chance.randint(1, 6) + 1):
                test = a_test(index, f"tests/test_{file}.py")
                asked.append(test)
                truth[test.nodeid] = math.exp(centre + chance.gauss(0, 1) - 3)
                if index:
                    known[test.nodeid] = [run(truth[test.nodeid])]
        result = forecast(asked, known)
        logs = {nodeid: math.log(runs[0].call) for nodeid, runs in known.items()}
        overall = statistics.fmean(logs.values())
        for test in asked:
            if test.nodeid in known:
                continue
            actual = math.log(truth[test.nodeid])
            own = [v for n, v in logs.items() if n.startswith(test.file + "::")]
            errors["overall mean"].append((overall - actual) ** 2)
            errors["file mean"].append((statistics.fmean(own) - actual) ** 2)
            predicted = math.log(result[test.nodeid].seconds)
            # The prediction is a mean, the others are medians: compare without the constant.
            errors["shrunken"].append((predicted - 0.4 - actual) ** 2)
    mean = {name: statistics.fmean(values) for name, values in errors.items()}
    assert mean["shrunken"] < min(mean["file mean"], mean["overall mean"])


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=20))
def test_a_median_is_one_of_the_latest_values(values):
    assert weighted_median(values) in values[:10]


@given(
    st.dictionaries(st.integers(0, 30), st.lists(st.floats(0, 1e4), min_size=0, max_size=4), max_size=20)
)
def test_every_test_gets_a_finite_forecast_above_zero(seconds):
    tests = [a_test(i, f"tests/test_{i % 3}.py", [(f"f{i % 2}", "module")]) for i in range(31)]
    history = {tests[i].nodeid: [run(s) for s in values] for i, values in seconds.items()}
    result = forecast(tests, history)
    assert set(result) == {test.nodeid for test in tests}
    assert all(0 < item.seconds < math.inf for item in result.values())
    assert result == forecast(tests, dict(reversed(history.items())))
