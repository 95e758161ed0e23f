from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.plan import Plan
from dbsafe_runner.scheduling.simulation import simulate


def test_longest_first_on_two_workers():
    batches = tuple(
        Batch(i, (i,), (s,), Level.NONE, Isolation.NONE, ResetPolicy.EACH_TEST, durations_known=True)
        for i, s in enumerate([1.0, 2.0, 3.0])
    )
    result = simulate(Plan(batches, 2, "balanced", {}))
    assert result.wall == 3.0
    assert result.busy == {"gw0": 3.0, "gw1": 3.0}
