"""Rounds: a run with a few faults in it, what came of it, and that the next run finds a clean place."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import random
import subprocess
import time
from collections.abc import Mapping, Sequence

import psutil

from faulting.judging import Judgement, judge
from faulting.kinds import Fault, Scene
from faulting.own_server import OwnServer
from faulting.stage import Stage

#: Seconds that a run may take, and that its processes may take to end after it.
LONGEST_RUN = 120.0
PATIENCE = 8.0
#: Seconds that a user's server has to be up until dbsafe removes what other runs left there.
SETTLED = 30.0
#: Seconds that one test may take in the runs: a stopped worker is found out by this.
TEST_TIMEOUT = 4


@dataclasses.dataclass
class Round:
    """What one round came to."""

    #: Names of the faults that hit something.
    injected: list[str]
    judgement: Judgement
    seconds: float
    #: What the run printed, for those that went wrong.
    output: str


class Rounds:
    """Plays rounds on one stage."""

    def __init__(self, stage: Stage, server: OwnServer) -> None:
        self._stage = stage
        self._server = server
        self.known: Mapping[str, str] = {}

    def learn(self) -> Mapping[str, str]:
        """Find out what a serial run says; the run of dbsafe beside it has to say the same."""
        done = subprocess.run(
            self._stage.command("verify", "--workers", "2"),
            cwd=self._stage.project,
            env=self._stage.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise SystemExit(f"The suite does not verify:\n{done.stdout}{done.stderr}")
        report = json.loads(self._stage.results().read_text())
        self.known = {test["nodeid"]: test["outcome"] for test in report["tests"]}
        # The user's server learns the suite, too: its template is made here.
        clean = self._play_clean(own=True)
        if clean.problems:
            raise SystemExit(f"The suite does not run on a user's server:\n{self._stage.output()}")
        self._server.remember_roles()
        return self.known

    def play(self, faults: Sequence[Fault], chance: random.Random) -> Round:
        """One run with these faults, in this order."""
        own = any(fault.own for fault in faults)
        started = time.monotonic()
        run = self._start(own=own)
        scene = Scene(self._stage, run, self._server if own else None, chance)
        injected = []
        try:
            self._wait_for_tests(run)
            for fault in faults:
                time.sleep(chance.uniform(0.0, 0.9))
                if run.poll() is not None:
                    break
                with contextlib.suppress(psutil.Error):
                    if fault.inject(scene):
                        injected.append(fault.name)
            hung = self._end(run)
        finally:
            run.kill()
        output = self._stage.output()
        killed = "dbsafe-killed" in injected
        judgement = Judgement(run.returncode)
        if not killed:
            judgement = judge(self.known, self._stage.results(), run.returncode, output)
        if hung:
            judgement.broken.append("the run did not end")
        if self._look_after(judgement, own=own, killed=killed):
            output += f"\n--- the run after it\n{self._stage.output()}"
        return Round(injected, judgement, time.monotonic() - started, output)

    def settle(self) -> list[str]:
        """What is left on the user's server once it has been up for long enough; waits for that."""
        while not self._settled:
            time.sleep(0.5)
        problems = self._play_clean(own=True).problems
        return [*problems, *self._server.left_over()]

    @property
    def _settled(self) -> bool:
        return time.monotonic() - self._server.started > SETTLED + 1

    def _look_after(self, judgement: Judgement, *, own: bool, killed: bool) -> bool:
        """Find what is left; where that, or an end before its time, says so, after one more run.

        Whether there was one more run.
        """
        # Files of a run that was killed are for the next one to remove; its processes have to end.
        left = self._stage.orphans(PATIENCE, files=not killed)
        judgement.left = [one for one in left if killed]
        left += self._server.left_over() if own and self._settled and not killed else []
        if not (left or killed or judgement.gave_up or judgement.broken):
            return False
        settled = self._settled
        clean = self._play_clean(own=own)
        judgement.broken += [f"in the run after it: {problem}" for problem in clean.problems]
        # A server that was too young when that run began was not cleaned by it.
        judgement.left += self._left(own=own and settled)
        return True

    def _left(self, *, own: bool) -> list[str]:
        left = self._stage.orphans(PATIENCE)
        return [*left, *(self._server.left_over() if own and self._settled else [])]

    def _play_clean(self, *, own: bool) -> Judgement:
        run = self._start(own=own)
        hung = self._end(run)
        judgement = judge(self.known, self._stage.results(), run.returncode, self._stage.output())
        if hung:
            judgement.broken.append("it did not end")
        if judgement.named:
            judgement.wrong.append(f"{judgement.named} tests failed without any fault")
        if judgement.gave_up:
            judgement.broken.append(self._stage.output()[-2000:])
        return judgement

    def _start(self, *, own: bool) -> subprocess.Popen[bytes]:
        arguments = ["--timeout", str(TEST_TIMEOUT)]
        return self._stage.start(*arguments, *(["--database", self._server.url] if own else []))

    def _wait_for_tests(self, run: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + 60
        while not self._stage.mark.exists() and run.poll() is None and time.monotonic() < deadline:
            time.sleep(0.01)

    def _end(self, run: subprocess.Popen[bytes]) -> bool:
        """Wait for its end; True when it had to be killed."""
        try:
            run.wait(LONGEST_RUN)
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            return True
        return False
