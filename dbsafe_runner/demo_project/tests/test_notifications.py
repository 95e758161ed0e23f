"""LISTEN and NOTIFY: workers hear of new jobs without asking."""

import threading
import time

import pytest

from shop import db, jobs

# Long enough for a loaded machine; a notification that comes is received at once.
PATIENCE = 10
# How long to listen before believing that nothing comes.
SILENCE = 0.3


@pytest.fixture
def listener():
    with db.connect(autocommit=True) as connection:
        connection.execute(f"LISTEN {jobs.CHANNEL}")
        yield connection


def test_a_new_job_is_announced(listener, autocommit):
    jobs.enqueue(autocommit, "mail", {})
    assert jobs.wait_for_jobs(listener, PATIENCE) == ["1:mail"]


def test_nothing_is_announced_without_a_job(listener):
    assert jobs.wait_for_jobs(listener, SILENCE) == []


def test_announced_at_commit_not_before(listener, autocommit):
    with autocommit.transaction():
        jobs.enqueue(autocommit, "mail", {})
        assert jobs.wait_for_jobs(listener, SILENCE) == []
    assert jobs.wait_for_jobs(listener, PATIENCE) == ["1:mail"]


def test_a_rolled_back_job_is_never_announced(listener, autocommit):
    with autocommit.transaction(force_rollback=True):
        jobs.enqueue(autocommit, "mail", {})
    assert jobs.wait_for_jobs(listener, SILENCE) == []


def test_every_job_is_announced_in_order(listener, autocommit):
    for kind in ("mail", "print", "mail"):
        jobs.enqueue(autocommit, kind, {})
    heard = []
    while len(heard) < 3:
        heard += jobs.wait_for_jobs(listener, PATIENCE)
    assert heard == ["1:mail", "2:print", "3:mail"]
    assert jobs.wait_for_jobs(listener, SILENCE) == []


def test_every_listener_hears(listener, autocommit):
    with db.connect(autocommit=True) as second:
        second.execute(f"LISTEN {jobs.CHANNEL}")
        jobs.enqueue(autocommit, "mail", {})
        assert jobs.wait_for_jobs(second, PATIENCE) == ["1:mail"]
        assert jobs.wait_for_jobs(listener, PATIENCE) == ["1:mail"]


def test_unlisten(listener, autocommit):
    listener.execute(f"UNLISTEN {jobs.CHANNEL}")
    jobs.enqueue(autocommit, "mail", {})
    assert jobs.wait_for_jobs(listener, SILENCE) == []


def test_a_sleeping_worker_wakes_up(listener, autocommit):
    done = []

    def worker():
        if jobs.wait_for_jobs(listener, PATIENCE):
            jobs.work_all(listener, {"mail": done.append})

    thread = threading.Thread(target=worker)
    thread.start()
    time.sleep(0.2)
    assert thread.is_alive()
    jobs.enqueue(autocommit, "mail", {"to": "ada"})
    thread.join(PATIENCE)
    assert done == [{"to": "ada"}]


def test_a_batch_of_jobs_is_announced_one_by_one(listener, autocommit):
    autocommit.execute("INSERT INTO jobs (kind) SELECT 'mail' FROM generate_series(1, 200)")
    heard = [note.payload for note in listener.notifies(timeout=PATIENCE, stop_after=200)]
    assert heard == [f"{number}:mail" for number in range(1, 201)]
