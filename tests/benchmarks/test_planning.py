"""How long planning and simulating take. By hand: pytest tests/benchmarks/test_planning.py -s"""

from __future__ import annotations

import random
import time

import pytest

from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import FixtureDef, Test
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import PlanRequest
from dbsafe_runner.planning.strategies import STRATEGIES
from dbsafe_runner.scheduling.simulation import simulate

FIXTURES = tuple(
    FixtureDef(f"fixture_{number}", "function", "/p/conftest.py", number, "f") for number in range(6)
)


def request_for(count: int, workers: int) -> PlanRequest:
    """`count` tests in files of 20, of levels 0 to 3, with skewed durations."""
    chance = random.Random(2)
    tests, kinds, forecasts = [], {}, {}
    for index in range(count):
        file = f"tests/test_{index // 20}.py"
        nodeid = f"{file}::test_{index}"
        level = Level((index // 20) % 4)
        tests.append(Test(index, nodeid, file, index, "", f"test_{index}", FIXTURES))
        evidence = (Evidence(Source.OBSERVED, "observed"),)
        kinds[nodeid] = Classification(nodeid, level, Footprint(connects=level > 0), evidence)
        forecasts[nodeid] = Forecast(chance.lognormvariate(-4, 1.5), known=True)
    return PlanRequest(
        tests,
        kinds,
        STRATEGIES["balanced"],
        workers,
        NamespaceKind.SERVER,
        forecasts=forecasts,
        alternatives=(),
    )


@pytest.mark.parametrize(("count", "workers", "limit"), [(100_000, 64, 2.0), (1_000_000, 1_000, 30.0)])
def test_planning_and_simulating(count: int, workers: int, limit: float) -> None:
    request = request_for(count, workers)
    start = time.process_time()
    plan = make_plan(request)
    planned = time.process_time()
    simulation = simulate(plan)
    simulated = time.process_time()
    print(
        f"\n{count} tests, {workers} workers: planned in {planned - start:.2f} s, simulated in "
        f"{simulated - planned:.2f} s; {simulation.wall / plan.lower_bound:.3f} x the lower bound"
    )
    assert simulated - start < limit
    assert simulation.wall <= 1.05 * plan.lower_bound
