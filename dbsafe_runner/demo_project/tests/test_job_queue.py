"""Background jobs. The queue is emptied before each test and left as the test leaves it."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from shop import db, jobs


@pytest.fixture
def queue():
    """An autocommit connection to an empty queue whose ids start from 1."""
    with db.connect(autocommit=True) as connection:
        connection.execute("TRUNCATE jobs RESTART IDENTITY")
        yield connection


@pytest.fixture
def other():
    """The connection of a second worker."""
    with db.connect(autocommit=True) as connection:
        yield connection


def statuses(connection):
    return [row["status"] for row in connection.execute("SELECT status FROM jobs ORDER BY id")]


def fail(payload):
    raise OSError(f"printer {payload['printer']} is out of paper")


def test_ids_start_from_1(queue):
    assert [jobs.enqueue(queue, "mail", {}) for _ in range(3)] == [1, 2, 3]


def test_take_the_oldest_first(queue):
    for name in ("first", "second"):
        jobs.enqueue(queue, "mail", {"name": name})
    job = jobs.take(queue)
    assert (job.id, job.kind, job.payload, job.attempts) == (1, "mail", {"name": "first"}, 1)


def test_take_from_an_empty_queue(queue):
    assert jobs.take(queue) is None


def test_work_one(queue):
    done = []
    jobs.enqueue(queue, "mail", {"to": "ada"})
    jobs.work_one(queue, {"mail": done.append})
    assert done == [{"to": "ada"}]
    assert statuses(queue) == ["done"]


def test_work_all(queue):
    done = []
    for number in range(25):
        jobs.enqueue(queue, "mail", {"number": number})
    assert jobs.work_all(queue, {"mail": lambda payload: done.append(payload["number"])}) == 25
    assert done == list(range(25))


def test_later_jobs_wait(queue):
    jobs.enqueue(queue, "mail", {}, delay=60)
    assert jobs.take(queue) is None
    assert statuses(queue) == ["waiting"]


def test_a_delayed_job_comes_due(queue):
    jobs.enqueue(queue, "mail", {}, delay=0.3)
    assert jobs.take(queue) is None
    queue.execute("SELECT pg_sleep(0.35)")
    assert jobs.take(queue).id == 1


def test_two_workers_never_take_the_same_job(queue, other):
    for _ in range(2):
        jobs.enqueue(queue, "mail", {})
    with queue.transaction(), other.transaction():
        mine, theirs = jobs.take(queue), jobs.take(other)
        assert {mine.id, theirs.id} == {1, 2}
        assert jobs.take(queue) is None


def test_a_dead_workers_job_comes_back(queue, other):
    jobs.enqueue(queue, "mail", {})
    doomed = db.connect()
    assert jobs.take(doomed).id == 1
    assert jobs.take(other) is None
    doomed.close()
    for _ in range(100):
        job = jobs.take(other)
        if job is not None:
            break
        time.sleep(0.05)
    assert job.id == 1


def test_a_failed_job_is_tried_again(queue):
    jobs.enqueue(queue, "print", {"printer": 3})
    jobs.work_one(queue, {"print": fail})
    row = queue.execute("SELECT status, attempts, error FROM jobs WHERE id = 1").fetchone()
    assert row == {"status": "waiting", "attempts": 1, "error": "OSError: printer 3 is out of paper"}


def test_a_job_fails_for_good_after_three_attempts(queue):
    jobs.enqueue(queue, "print", {"printer": 3})
    for pause in (0.15, 0.25, 0):
        assert jobs.work_one(queue, {"print": fail}) is not None
        queue.execute("SELECT pg_sleep(%s)", (pause,))
    assert statuses(queue) == ["failed"]
    assert jobs.take(queue) is None


def test_an_unknown_kind_fails_like_any_other(queue):
    jobs.enqueue(queue, "dance", {})
    jobs.work_one(queue, {})
    assert queue.execute("SELECT error FROM jobs").fetchone()["error"] == "KeyError: 'dance'"


def test_a_failing_job_does_not_stop_the_others(queue):
    jobs.enqueue(queue, "print", {"printer": 1})
    jobs.enqueue(queue, "mail", {})
    done = []
    jobs.work_all(queue, {"print": fail, "mail": done.append})
    assert done == [{}]
    assert statuses(queue) == ["waiting", "done"]


@pytest.mark.parametrize("workers", [2, 3])
def test_many_workers_share_the_work(queue, workers):
    queue.execute(
        "INSERT INTO jobs (kind, payload) "
        "SELECT 'count', jsonb_build_object('n', n) FROM generate_series(1, 150) n"
    )
    seen = Counter()
    guard = threading.Lock()

    def count(payload):
        with guard:
            seen[payload["n"]] += 1

    def work(_):
        with db.connect(autocommit=True) as connection:
            return jobs.work_all(connection, {"count": count})

    with ThreadPoolExecutor(workers) as threads:
        assert sum(threads.map(work, range(workers))) == 150
    assert set(seen.values()) == {1}
    assert set(statuses(queue)) == {"done"}


def test_the_whole_history_stays(queue):
    for number in range(3):
        jobs.enqueue(queue, "mail", {"number": number})
    jobs.work_all(queue, {"mail": lambda _: None})
    finished = "SELECT count(*) AS n, max(id) AS last FROM jobs WHERE finished_at IS NOT NULL"
    row = queue.execute(finished).fetchone()
    assert row == {"n": 3, "last": 3}
