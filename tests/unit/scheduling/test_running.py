from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.isolation import Isolation, ResetPolicy
from dbsafe_runner.domain.level import Level
from dbsafe_runner.scheduling.pieces import piece_of
from dbsafe_runner.scheduling.running import Running


def running(seconds, *, known=True, setup=0.0, position=0, busy=True):
    tests = tuple(range(len(seconds)))
    batch = Batch(
        0,
        tests,
        tuple(seconds),
        Level.NONE,
        Isolation.NONE,
        ResetPolicy.EACH_TEST,
        splittable=True,
        durations_known=known,
        setup_seconds=setup,
    )
    piece = piece_of(batch, tests, batch.seconds, 0.0)
    left = sum(seconds[position:])
    return Running("gw0", piece, position, busy=busy, left=left, offered=len(tests))


def test_half_of_what_is_left_is_spare():
    assert running([1.0] * 8).spare(0.0) == 4


def test_time_that_the_running_test_has_taken_counts():
    assert running([10.0, 1.0, 1.0]).spare(0.0) == 2
    assert running([10.0, 1.0, 1.0]).spare(9.9) == 1


def test_a_long_last_test_moves_only_when_it_gains():
    assert running([0.1, 5.0]).spare(0.0) == 1
    assert running([0.1, 5.0], setup=0.2).spare(0.0) == 0
    assert running([3.0, 5.0], setup=0.2).spare(0.0) == 1


def test_unknown_durations_are_halved_by_number():
    assert running([0.001] * 9, known=False).spare(0.0) == 4
    assert running([0.001] * 2, known=False).spare(0.0) == 1
    assert running([0.001], known=False, busy=False).spare(0.0) == 0


def test_what_is_offered_is_not_offered_again():
    state = running([1.0] * 8)
    state.offered = 4
    assert state.spare(0.0) == 0
    assert state.ahead() == 0
