"""The faults: what each one does to a run that is going on."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import random
import signal
import subprocess
import time
from collections.abc import Callable, Sequence

import psutil
import psycopg

from faulting.own_server import OwnServer
from faulting.stage import Stage


@dataclasses.dataclass
class Scene:
    """A run that is going on. `server` is the user's own, where the run uses one."""

    stage: Stage
    run: subprocess.Popen[bytes]
    server: OwnServer | None
    chance: random.Random

    def zygote(self) -> psutil.Process | None:
        """The process that collected the suite."""
        for child in psutil.Process(self.run.pid).children():
            if "dbsafe_runner.workers.zygote" in " ".join(child.cmdline()):
                return child
        return None

    def workers(self) -> list[psutil.Process]:
        """The processes that run tests."""
        zygote = self.zygote()
        return [child for child in zygote.children() if "python" in child.name()] if zygote else []

    def postmasters(self) -> list[psutil.Process]:
        """The servers of the namespaces, or the user's own."""
        if self.server is not None:
            return [psutil.Process(self.server.pid)]
        children = psutil.Process(self.run.pid).children()
        return [child for child in children if child.name() == "postgres"]

    def backends(self) -> list[psutil.Process]:
        """Sessions of any of these servers, of the suite and of dbsafe."""
        sessions = [child for postmaster in self.postmasters() for child in postmaster.children()]
        return [one for one in sessions if "[local]" in _title(one) or "127.0.0.1" in _title(one)]


#: Does it, and tells whether there was anything to hit.
Injection = Callable[[Scene], bool]


@dataclasses.dataclass(frozen=True)
class Fault:
    """One kind of fault."""

    name: str
    meaning: str
    inject: Injection
    #: The run ends with it, whatever dbsafe does.
    ends: bool = False
    #: It needs a server of the user's.
    own: bool = False
    #: It needs servers of dbsafe's own.
    embedded: bool = False


def _title(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _signal(victims: Sequence[psutil.Process], chance: random.Random, number: signal.Signals) -> bool:
    if not victims:
        return False
    victim = chance.choice(list(victims))
    with contextlib.suppress(psutil.Error):
        victim.send_signal(number)
        return True
    return False


def _to_worker(number: signal.Signals) -> Injection:
    return lambda scene: _signal(scene.workers(), scene.chance, number)


def _stop_worker(scene: Scene) -> bool:
    workers = scene.workers()
    if not workers:
        return False
    victim = scene.chance.choice(workers)
    with contextlib.suppress(psutil.Error):
        victim.suspend()
        if scene.chance.random() < 0.5:
            time.sleep(0.5)
            victim.resume()
        return True
    return False


def _zygote(scene: Scene) -> bool:
    zygote = scene.zygote()
    return zygote is not None and _signal([zygote], scene.chance, signal.SIGKILL)


def _dbsafe(scene: Scene) -> bool:
    scene.run.kill()
    return True


def _terminate_backend(scene: Scene) -> bool:
    # What pg_terminate_backend does.
    return _signal(scene.backends(), scene.chance, signal.SIGTERM)


def _crash_backend(scene: Scene) -> bool:
    return _signal(scene.backends(), scene.chance, signal.SIGKILL)


def _kill_server(scene: Scene) -> bool:
    return _signal(scene.postmasters(), scene.chance, signal.SIGKILL)


def _fill_disk(scene: Scene) -> bool:
    filler = scene.stage.servers / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, _free(scene) - 4096)
            while True:
                file.write(b"\0" * 65536)
                file.flush()
        time.sleep(scene.chance.uniform(0.2, 1.0))
    finally:
        filler.unlink(missing_ok=True)
    return True


def _free(scene: Scene) -> int:
    state = os.statvfs(scene.stage.servers)
    return max(state.f_bavail * state.f_frsize, 8192)


def _restart_server(scene: Scene) -> bool:
    assert scene.server is not None
    scene.server.kill()
    time.sleep(scene.chance.uniform(0.1, 1.0))
    scene.server.start()
    return True


def _drop(scene: Scene, pattern: str) -> bool:
    assert scene.server is not None
    names = [name for name in scene.server.databases() if name.startswith("dbsafe_")]
    names = [name for name in names if name.startswith("dbsafe_t_") is (pattern == "template")]
    if not names:
        return False
    with contextlib.suppress(psycopg.Error):
        scene.server.drop(scene.chance.choice(names))
        return True
    return False


FAULTS = (
    Fault("worker-killed", "a worker gets SIGKILL", _to_worker(signal.SIGKILL)),
    Fault("worker-segfault", "a worker gets SIGSEGV", _to_worker(signal.SIGSEGV)),
    Fault("worker-stopped", "a worker gets SIGSTOP; half of them go on after 0.5 s", _stop_worker),
    Fault("sockets-closed", "all of a worker's sockets are shut down", _to_worker(signal.SIGUSR2)),
    Fault("backend-terminated", "a session is ended as by pg_terminate_backend", _terminate_backend),
    Fault("backend-killed", "a session gets SIGKILL, which restarts its server", _crash_backend),
    Fault("server-killed", "a namespace's server gets SIGKILL", _kill_server, embedded=True),
    Fault("disk-full", "the servers' disk is full for up to a second", _fill_disk, embedded=True),
    Fault(
        "server-restarted", "the user's server is killed and started again", _restart_server, own=True
    ),
    Fault(
        "template-dropped",
        "the template on the user's server is dropped",
        lambda scene: _drop(scene, "template"),
        own=True,
    ),
    Fault(
        "namespace-dropped",
        "a namespace on the user's server is dropped with force",
        lambda scene: _drop(scene, "namespace"),
        own=True,
    ),
    Fault("zygote-killed", "the process that collected the suite gets SIGKILL", _zygote, ends=True),
    Fault("dbsafe-killed", "dbsafe gets SIGKILL, and is started again", _dbsafe, ends=True),
)
