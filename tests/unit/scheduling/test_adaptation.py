import pytest

from dbsafe_runner.scheduling.adaptation import Load, wanted_workers


@pytest.mark.parametrize(
    ("load", "wanted"),
    [
        (Load(processors=0.4, free_memory=0.5), 5),
        (Load(processors=0.85, free_memory=0.5), 4),
        (Load(processors=0.99, free_memory=0.5, waiting=0.2), 4),
        (Load(processors=0.99, free_memory=0.5, waiting=1.5), 3),
        (Load(processors=0.4, free_memory=0.1), 4),
        (Load(processors=0.4, free_memory=0.05), 3),
    ],
)
def test_one_step_at_a_time(load, wanted):
    assert wanted_workers(load, 4, least=2, most=8) == wanted


def test_within_bounds():
    idle, busy = Load(0.1, 0.9), Load(1.0, 0.01, 5.0)
    assert wanted_workers(idle, 8, least=2, most=8) == 8
    assert wanted_workers(busy, 2, least=2, most=8) == 2
    assert wanted_workers(idle, 1, least=4, most=8) == 4
    assert wanted_workers(busy, 12, least=2, most=8) == 8
