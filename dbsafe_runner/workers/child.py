"""A worker's main loop: runs the tests that it is fed, in order, and streams what happened.

The tests run through pytest's own hooks, with the next one known when the current one is torn down,
so fixtures of wider scope live exactly as in a serial run of the same tests. At the end of a batch
everything below the session is torn down and the namespace is reset. What to run is decided by the
dispatcher, which never feeds tests of two batches at a time; how the database is observed and reset,
by `dbsafe_runner.database`.
"""

from __future__ import annotations

import contextlib
import dataclasses
import time
from collections.abc import Callable, Generator
from typing import Any, ClassVar

import pytest
from _pytest import runner
from _pytest.outcomes import Exit

from dbsafe_runner.domain.changes import Changes
from dbsafe_runner.domain.isolation import ResetPolicy
from dbsafe_runner.workers import after_fork, internal_errors, outcomes, suite_properties, teardown
from dbsafe_runner.workers.leak_watch import LeakWatch
from dbsafe_runner.workers.parting import send_from
from dbsafe_runner.workers.protocol import Channel, ChannelClosedError
from dbsafe_runner.workers.seen_fields import change_fields
from dbsafe_runner.workers.supply import Fed, Supply, Undecided
from dbsafe_runner.workers.tenant import (
    NamespaceLostError,
    NamespaceSpentError,
    NoNamespaceError,
    Tenant,
)

_WIDE_SCOPES = ("session", "package")


class Child:
    """One worker. Made after the fork (or in a spawned process after collection)."""

    # Tests patch this name in its module.
    _clock: ClassVar[Any] = staticmethod(time.perf_counter)

    def __init__(
        self, session: pytest.Session, channel: Channel, tenant: Tenant, settings: dict[str, Any]
    ) -> None:
        self._session = session
        self._channel = channel
        self._tenant = tenant
        self._settings = settings
        self._supply = Supply(channel, session.items, tenant.told)
        self._leaks = LeakWatch(tenant, self._look_at_test)
        self._reports: list[pytest.TestReport] = []
        #: Fixtures wider than the test that its set-up had to build, and the seconds that each took.
        self._built: dict[str, float] = {}
        #: The scopes of the wider fixtures that are being set up, the outermost first.
        self._setting_up: list[str] = []
        #: What the test did to the database, without what fixtures wider than it did meanwhile.
        self._seen: Changes | None = None
        #: Connections that it opened, and processes that may have, counted likewise.
        self._opened = tenant.take_connections()
        #: Whether the last look failed.
        self._blind = False
        self._running: Fed | None = None
        self._listening = False
        self._final = False
        self._failed = False
        #: Whether the session ends in a test, as it does where the loop is not left in order.
        self._cut_short = True
        self._maxfail = int(session.config.getoption("maxfail", 0) or 0)
        self._dirty = False
        self._fixture_wrote = False
        #: Why the namespace is spent although its reset would say otherwise; "" if it is not.
        self._retire = ""
        #: Why the namespace is gone; "" while it is there.
        self._lost = ""
        self._phase = ""
        self._batch: int | None = None
        self._teardown_exact = session._setupstate.teardown_exact  # noqa: SLF001

    def run(self) -> None:
        """Run until the dispatcher says stop, the namespace is spent, or a test ends the session."""
        self._take_over_teardown()
        self._session.config.pluginmanager.register(self, "dbsafe-child")
        self._session.config.pluginmanager.register(self._leaks, "dbsafe-leaks")
        suite_properties.send_from(self._session.config, self._send)
        self._listening = True
        try:
            self._loop()
            self._cut_short = False
        except KeyboardInterrupt:
            where = f" in {self._session.items[self._running.index].nodeid}" if self._running else ""
            internal_errors.halt(self._channel, why="interrupt", message=f"KeyboardInterrupt{where}")
        except Exit as error:
            code = error.returncode
            internal_errors.halt(self._channel, why="exit", message=str(error.msg), code=code)
        except internal_errors.InternalError as error:
            internal_errors.halt(self._channel, why="internal", message=str(error))
        except ChannelClosedError:
            # The dispatcher is gone, and with it everybody who wants to know.
            self._final = True
        self._tear_session_down()

    # --- the loop -------------------------------------------------------------------------------

    def _loop(self) -> None:
        while (fed := self._supply.take()) is not None:
            if fed.batch != self._batch and not self._begin_batch(fed):
                return
            self._run_test(fed)
            if self._ends_with(fed):
                return

    def _ends_with(self, fed: Fed) -> bool:
        """Report the test, and tell whether this worker ends with it."""
        retire = self._after_test(fed)
        self._supply.hear()
        if retire:
            self._send("retire", reason=retire, unstarted=self._supply.indices())
            return True
        if self._session.shouldfail or self._session.shouldstop:
            why = "shouldfail" if self._session.shouldfail else "shouldstop"
            self._send("halt", why=why, message=str(getattr(self._session, why)))
            return True
        if self._failed and self._maxfail > 1:
            self._supply.ask_whether_to_go_on()
        return False

    def _begin_batch(self, fed: Fed) -> bool:
        """Make ready for the tests of a batch; False when there is no namespace for them."""
        self._batch = fed.batch
        self._fixture_wrote = False
        if fed.connects:
            try:
                # Before the first test rather than in it, so that its time is its own.
                self._tenant.ensure()
            except NoNamespaceError as error:
                self._send("halt", why="no-namespace", message=str(error))
                return False
            self._send("begun")
        first = self._session.items[fed.index].nodeid
        after_fork.reseed(self._settings["seed"], first)
        return True

    def _run_test(self, fed: Fed) -> None:
        item = self._session.items[fed.index]
        self._running = fed
        self._reports = []
        self._built.clear()
        self._seen = None
        self._opened.clear()
        self._failed = False
        self._tenant.take_connections()
        self._leaks.begin()
        with internal_errors.told_as_pytest_does(item.config, self._channel):
            item.config.hook.pytest_runtest_protocol(item=item, nextitem=self._supply.upcoming())

    def _after_test(self, fed: Fed) -> str:
        """Report the test and bring the namespace back where that is due. Returns why to retire."""
        self._look_at_test()
        self._report(fed)
        if self._keeps(fed):
            return "its namespace is kept as the test left it"
        ended = not self._supply
        each = fed.reset is ResetPolicy.EACH_TEST and not self._fixture_wrote
        if self._lost:
            return self._lost
        if not self._dirty or not (ended or each):
            return ""
        return self._retire or self._reset()

    def _keeps(self, fed: Fed) -> bool:
        """Whether the test has failed, and its namespace is wanted as it is."""
        trial = self._settings["trial_of"]
        wanted = self._settings["keep_failed"] and self._failed and self._tenant.leased
        if not wanted or fed.again or (trial is not None and trial != fed.index):
            return False
        if trial is not None:
            # Nothing more is asked of this process: it is ended before the session's fixtures, which
            # may well remove what is to be looked at.
            self._channel.receive("never")
        return True

    def _reset(self) -> str:
        try:
            report = self._tenant.reset()
        except (NamespaceLostError, NamespaceSpentError) as error:
            return str(error)
        if report is None:
            return ""
        self._dirty = False
        self._send("reset", report=dataclasses.asdict(report))
        return report.retire

    def _look(self) -> Changes | None:
        try:
            self._blind = True
            changes = self._tenant.look()
            self._blind = False
        except NamespaceLostError as error:
            self._lost = str(error)
            return None
        except NamespaceSpentError as error:
            self._spend(str(error))
            return None
        if changes is not None and not changes.nothing:
            self._dirty = True
        return changes

    def _look_at_test(self) -> None:
        """Look, and put what happened since the last look down to the test."""
        changes = self._look()
        self._opened += self._tenant.take_connections()
        if changes is not None:
            self._seen = changes if self._seen is None else self._seen.then(changes)

    def _report(self, fed: Fed) -> None:
        reports = self._reports
        fields: dict[str, Any] = {"test": fed.index, "connections": 0, **self._opened}
        fields["ended"] = reports[-1].stop if reports else time.time()  # A plugin may report nothing.
        if leaks := self._leaks.found(passed=not any(report.failed for report in reports)):
            fields["leaks"] = leaks
        if self._seen is not None:
            fields["changes"] = change_fields(self._leaks.of_test(self._seen))
        if self._blind:
            fields["unseen"] = True
        if self._built:
            fields["built"] = dict(self._built)
        if self._lost:
            fields["lost"] = self._lost
        if outcomes.is_plain(reports):
            times = [report.duration for report in reports]
            self._channel.send("ok", seconds=times, started=reports[0].start, **fields)
            return
        summary, blob = outcomes.told(reports, self._session.config)
        self._failed = summary["failures"] > 0
        self._channel.send("done", blob, **fields, **summary)

    # --- teardown ------------------------------------------------------------------------------

    def _take_over_teardown(self) -> None:
        """Make pytest's teardown ask for the next item, and keep the session up between batches."""
        usual = runner.call_and_report

        def call_and_report(item: pytest.Item, when: Any, log: bool = True, **kwds: Any) -> Any:
            self._phase = when
            if when == "teardown" and isinstance(kwds.get("nextitem"), Undecided):
                kwds["nextitem"] = self._supply.decide()
            return after_fork.in_one_process(self._channel, lambda: usual(item, when, log, **kwds))

        runner.call_and_report = call_and_report
        self._session._setupstate.teardown_exact = self._bounded_teardown  # type: ignore[method-assign]  # noqa: SLF001

    def _bounded_teardown(self, nextitem: Any) -> None:
        __tracebackhide__ = True
        if isinstance(nextitem, Undecided):
            nextitem = self._supply.decide()
        ending = self._final or self._session.shouldfail or self._session.shouldstop
        if not ending and nextitem is None:
            # There is no next item yet: only what belongs to the session stays up.
            nextitem = teardown.Within([self._session])
        item = self._session.items[self._running.index] if self._running is not None else None
        of_a_test = self._phase == "teardown" and not self._final
        if item is None or not of_a_test or teardown.stays_within(item, nextitem):
            self._teardown_exact(nextitem)
            return
        watched = self._tenant.leased
        look = self._look_at_test if watched else lambda: None
        try:
            teardown.tear_down_apart(self._teardown_exact, item, nextitem, look, self._charge)
        finally:
            if watched:
                self._look()
                self._tenant.take_connections()

    def _charge(self, node: Any, error: BaseException) -> bool:
        """Put an error in a wider teardown down to the test that a serial run charges with it.

        False when that is the test that is running, as it is where the session ends with it.
        """
        assert self._running is not None
        if self._session.shouldfail or self._session.shouldstop:
            return False
        items = self._session.items
        test = teardown.charged_test(items, self._running.index, node)
        if test == self._running.index:
            return False
        report = teardown.report_of(items[test], error)
        if report.failed:
            summary, blob = outcomes.told([report], self._session.config)
            since = teardown.first_within(items, self._running.index, node)
            self._channel.send("late", blob, test=test, since=since, connections=0, **summary)
        return report.failed

    # --- hooks ---------------------------------------------------------------------------------

    @pytest.hookimpl
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the report until the test has ended."""
        self._reports.append(report)

    @pytest.hookimpl
    def pytest_warning_recorded(
        self, warning_message: Any, when: Any, nodeid: str, location: Any
    ) -> None:
        """Pass a warning on to the zygote, whose terminal summary lists it."""
        if not self._listening:
            # Registering a plugin tells it of all earlier warnings, which the zygote has had.
            return
        blob = outcomes.pack_warning(warning_message)
        self._send("warn", blob, when=when, nodeid=nodeid, location=location)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Generator[None, Any, Any]:
        """Tell the writes of wide fixtures, which belong to the baseline, from those of tests."""
        # Outside a class, pytest sets one of class scope up for each test.
        if fixturedef.scope == "function" or isinstance(request.node, pytest.Item):
            return (yield)
        started = self._clock()
        try:
            return (yield from self._watch_setup(fixturedef))
        finally:
            self._tenant.take_connections()
            self._built[fixturedef.argname] = self._clock() - started

    def _watch_setup(self, fixturedef: Any) -> Generator[None, Any, Any]:
        if self._setting_up:
            # It was asked for by another's set-up, whose changes so far are not the test's.
            self._settle_setup(self._setting_up[-1])
        else:
            self._look_at_test()
        self._setting_up.append(fixturedef.scope)
        try:
            return (yield)
        finally:
            self._settle_setup(self._setting_up.pop())

    def _settle_setup(self, scope: str) -> None:
        """Put what happened since the last look down to a fixture of this scope."""
        if scope in _WIDE_SCOPES:
            self._adopt()
            return
        changes = self._look()
        if changes is None:
            return
        self._fixture_wrote = self._fixture_wrote or not changes.nothing
        if changes.used:
            self._keep(self._tenant.mark)

    @pytest.hookimpl(trylast=True)
    def pytest_fixture_post_finalizer(self, fixturedef: Any, request: Any) -> None:
        """Tell what a wide fixture's teardown changed from what tests did."""
        del request
        if fixturedef.scope not in _WIDE_SCOPES or self._final or not self._tenant.leased:
            return
        if self._phase == "setup":
            # A parametrised fixture makes room for its next value: nothing else has run meanwhile.
            self._adopt()
            return
        changes = self._look()
        if changes is not None and not changes.nothing:
            self._retire = f"the teardown of the {fixturedef.scope} fixture {fixturedef.argname} wrote"

    def _adopt(self) -> None:
        self._keep(self._tenant.rebase)

    def _keep(self, account: Callable[[], None]) -> None:
        """Change the account of the namespace's state."""
        try:
            account()
        except NamespaceLostError as error:
            self._lost = str(error)
        except NamespaceSpentError as error:
            self._spend(str(error))

    def _spend(self, why: str) -> None:
        """Have the namespace replaced at the end of the batch, whatever a reset could do."""
        self._retire = why
        self._dirty = True

    # --- the end ---------------------------------------------------------------------------------

    def _tear_session_down(self) -> None:
        """Tear down what is left. An error here belongs to the last test of a serial run."""
        self._final = True
        report = teardown.of_the_session(self._teardown_exact, self._session.items)
        fields, blob = dict[str, Any](), b""
        if report is not None:
            fields, blob = outcomes.told([report], self._session.config)
            fields |= {"test": len(self._session.items) - 1, "cut_short": self._cut_short}
        send_from(self._session, self._settings, self._send)
        self._tenant.close()
        self._send("bye", blob, **fields)

    def _send(self, kind: str, blob: bytes = b"", **fields: Any) -> None:
        # Once the dispatcher is gone there is nobody to tell, and the next question finds it out.
        with contextlib.suppress(ChannelClosedError):
            self._channel.send(kind, blob, **fields)
