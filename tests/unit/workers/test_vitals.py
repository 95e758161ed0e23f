from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from dbsafe_runner.workers.vitals import Vitals, connected, proportional_size

TABLE = """\
Num       RefCount Protocol Flags    Type St Inode Path
0000000000000000: 00000003 00000000 00000000 0001 03 1592
0000000000000000: 00000002 00000000 00010000 0001 01 1593 /run/a b/.s.PGSQL.5432
0000000000000000: 00000003 00000000 00000000 0001 03 1594 /run/a b/.s.PGSQL.5432
0000000000000000: 00000003 00000000 00000000 0001 03 1595 /run/a b/.s.PGSQL.5432
0000000000000000: 00000003 00000000 00000000 0001 03 1596 /run/c/.s.PGSQL.5432
"""


def test_clients_are_counted_by_the_servers_socket() -> None:
    sockets = {"gw0": "/run/a b/.s.PGSQL.5432", "gw1": "/run/c/.s.PGSQL.5432", "gw2": "/run/d/x"}
    assert connected(TABLE, sockets) == {"gw0": 2, "gw1": 1, "gw2": 0}
    assert connected("", sockets) == {"gw0": 0, "gw1": 0, "gw2": 0}


BUSY = """
import subprocess, sys
held = bytearray(b"x") * (40 * 2**20)
child = subprocess.Popen([sys.executable, "-c", '''
held = bytearray(b"x") * (40 * 2**20)
print("ready", flush=True)
while True: pass
'''])
child.wait()
"""


@pytest.fixture
def busy() -> Iterator[subprocess.Popen[str]]:
    """A process whose child computes; each of them holds 40 MiB."""
    process = subprocess.Popen(
        [sys.executable, "-c", BUSY], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    with process:
        yield process
        os.killpg(process.pid, 9)


def test_a_worker_is_measured_with_its_children(busy: subprocess.Popen[str]) -> None:
    vitals = Vitals()
    vitals.look({"gw0": busy.pid}, {})
    deadline = time.monotonic() + 30
    while True:
        time.sleep(0.1)
        sample = vitals.look({"gw0": busy.pid}, {"gw0": 3})
        found = sample.workers["gw0"]
        if found.processors > 0.02 or time.monotonic() > deadline:
            break
    assert found.processors > 0.02
    assert 80 * 2**20 < found.memory < 300 * 2**20
    assert found.connections == 3
    assert sample.memory > found.memory
    assert set(vitals.larger_than(70 * 2**20)) == {"gw0"}
    assert vitals.larger_than(400 * 2**20) == {}
    assert 0 <= sample.processors <= 1
    assert 0 < sample.available <= sample.total


def test_processes_that_are_gone_take_nothing() -> None:
    with subprocess.Popen(["true"]) as gone:
        pass
    assert proportional_size(gone.pid) == 0
    sample = Vitals().look({"gw0": gone.pid}, {})
    assert sample.workers["gw0"].memory == 0
