"""Made-up suites to plan: tests with what is known of them."""

from __future__ import annotations

from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Classification, Footprint
from dbsafe_runner.domain.forecast import Forecast
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import FixtureDef, Mark, Test
from dbsafe_runner.planning.planner import make_plan
from dbsafe_runner.planning.request import PlanRequest
from dbsafe_runner.planning.strategies import STRATEGIES


class Suite:
    """A made-up suite: `add` tests, then ask for the plan."""

    def __init__(self):
        self.tests, self.kinds, self.forecasts = [], {}, {}

    def add(self, file, name, level=3, source=Source.OBSERVED, seconds=0.1, **given):
        """A test; `given` are further fields of Test, Classification, Footprint or Forecast."""
        nodeid = f"{file}::{name}"
        index = len(self.tests)
        marks, fixtures = given.pop("marks", ()), given.pop("fixtures", ())
        group = given.pop("xdist_group", "")
        elsewhere = given.pop("elsewhere", "")
        self.tests.append(Test(index, nodeid, file, 1, "", name, fixtures, marks, group, elsewhere))
        self.forecasts[nodeid] = Forecast(seconds, given.pop("known", True), given.pop("setup", {}))
        footprint = Footprint(
            connects=level > 0,
            alone=given.pop("alone", False),
            connections=given.pop("connections", 0),
            confidence=given.pop("confidence", 1.0),
            cluster=given.pop("cluster", frozenset()),
            signals=given.pop("signals", frozenset()),
            shares=given.pop("shares", frozenset()),
        )
        self.kinds[nodeid] = Classification(
            nodeid, Level(level), footprint, (Evidence(source, "so it is"),), **given
        )
        return nodeid

    def request(self, **given):
        values = {"workers": 4, "namespace_kind": NamespaceKind.SERVER, "alternatives": ()}
        values |= {"whole": {test.file for test in self.tests}} | given
        strategy = STRATEGIES[values.pop("strategy", "balanced")]
        return PlanRequest(self.tests, self.kinds, strategy, forecasts=self.forecasts, **values)

    def plan(self, **given):
        return make_plan(self.request(**given))


def grouped(plan):
    return [batch.tests for batch in plan.batches]


def order(text):
    return (Mark("order", (text,)),)


def module_fixture(file, name="engine"):
    return (FixtureDef(name, "module", f"/p/{file}", 1, name),)
