"""The zygote: pytest, collected once, that forks workers and receives their reports.

Started by the dispatcher as `python -m dbsafe_runner.workers.zygote DESCRIPTOR`, where the descriptor is
a connected Unix socket. The same module is the spawned worker, where forking is not safe: then it
collects again and runs what it is fed. It plans nothing and knows no durations.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import importlib
import os
import select
import signal
import socket
import sys
import traceback
from typing import Any, NoReturn

import pytest
from _pytest.outcomes import Exit, OutcomeException

from dbsafe_runner.workers import (
    after_fork,
    catalogue,
    django_databases,
    fork_safety,
    internal_errors,
    quieting,
    redirect,
)
from dbsafe_runner.workers.child import Child
from dbsafe_runner.workers.outcomes import collection_failure
from dbsafe_runner.workers.protocol import Channel, ChannelClosedError, Message
from dbsafe_runner.workers.pytest_plugin import Collection, DbsafePlugin
from dbsafe_runner.workers.replay import Replay
from dbsafe_runner.workers.session_counting import counts_sessions
from dbsafe_runner.workers.tenant import ZYGOTE, NamespaceLostError, NamespaceSpentError, Tenant

_PR_SET_PDEATHSIG = 1
#: How often dead workers are looked for where the kernel has no pidfd, in milliseconds.
_REAP_INTERVAL = 50


def main() -> NoReturn:
    """Run pytest as the dispatcher asks and exit with pytest's exit code."""
    _die_with_the_parent()
    channel = Channel(socket.socket(fileno=int(sys.argv[1])))
    start = channel.receive("start")
    for name in start["hide"]:
        os.environ.pop(name, None)
    spawned = start.fields.get("worker") is not None
    tenant = Tenant(channel, _lender(start.fields))
    redirect.install(redirection_rules(start.fields, tenant, channel))
    role = _Spawned(channel, tenant, start) if spawned else _Zygote(channel, tenant, start)
    plugin = DbsafePlugin(
        role.run_loop,
        role.broken,
        seed=start["seed"],
        width=start["width"],
        colour=start["colour"],
        worker=spawned,
    )
    arguments = list(start["arguments"])
    for stream in (sys.stdout, sys.stderr):
        # Several processes write to one pipe; whole lines of theirs are not torn apart.
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    sys.argv = [str(start["program"]), *arguments]
    # What importing and collecting makes stays: looking for garbage in it is a fifth of the time.
    gc.disable()
    code = run_pytest(arguments, plugin)
    try:
        channel.send("ended", code=code)
    except ChannelClosedError:
        code = 1
    sys.exit(code)


def run_pytest(arguments: list[str], plugin: DbsafePlugin) -> int:
    """Run pytest and return its exit code. An interrupt that came earlier was held back until now.

    A hook that raises when the session has ended goes through pytest up to the interpreter, which prints
    the traceback and exits with 1, and so does `pytest.skip()` at the top of a conftest.py. Here that
    has to be told, or the run would look as if it had crashed.
    """
    try:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return int(pytest.main(arguments, plugins=[plugin]))
    except KeyboardInterrupt:
        # Outside of its session, while it loads plugins, pytest lets it through.
        return int(pytest.ExitCode.INTERRUPTED)
    except SystemExit as ending:
        if ending.code is None or isinstance(ending.code, int):
            return ending.code or 0
        sys.stderr.write(f"{ending.code}\n")
    except (Exception, OutcomeException) as error:  # noqa: BLE001  # Hooks may raise anything.
        trace = error.__traceback__
        # The interpreter's traceback of a serial run begins with pytest, too.
        traceback.print_exception(error.with_traceback(trace.tb_next if trace else None))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return 1


def redirection_rules(settings: dict[str, Any], tenant: Tenant, channel: Channel) -> redirect.Rules:
    """Rules for this process: everything that points at a source goes to the tenant's namespace."""

    def notice(code: str, message: str) -> None:
        channel.send("notice", code=code, message=message, nodeid=_current_test())

    def learned(target: redirect.Target) -> redirect.Target:
        return tenant.learn(target)

    users = {source[2] for source in settings["sources"]}

    def connected(target: redirect.Target) -> None:
        tenant.connected(target)
        if (other := tenant.other_login(target)) and target.user not in users:
            users.add(target.user)
            message = f"Connections of the suite as {target.user} are made as {other}."
            channel.send("notice", code="login-replaced", message=message, nodeid="")

    def refused(target: redirect.Target) -> str:
        notice("connection-refused-by-guard", f"{target.written}:{target.port}/{target.database}")
        return _current_test()

    return redirect.Rules(
        sources=tuple(redirect.Target(*source) for source in settings["sources"]),
        allow_hosts=tuple(settings["allow_hosts"]),
        resolve=tenant.resolve,
        on_learned=learned,
        on_refused=refused,
        on_connect=connected,
        on_warning=lambda message: notice("driver-not-redirected", message),
        on_program=tenant.started_program,
        lender=tenant.lender,
    )


def _lender(settings: dict[str, Any]) -> redirect.Lender:
    """Whom processes ask that this one makes. Only a worker has a name."""
    return redirect.Lender(settings["socket"], settings.get("worker") or ZYGOTE, os.getpid())


def _current_test() -> str:
    return os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0]


def _die_with_the_parent() -> None:
    """Ask the kernel for SIGKILL when the parent dies, so that nothing is left behind (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


class _Role:
    """What the two kinds of process have in common."""

    def __init__(self, channel: Channel, tenant: Tenant, start: Message) -> None:
        self._channel = channel
        self._tenant = tenant
        self._start = start

    def broken(self, report: pytest.CollectReport) -> None:
        """What cannot be collected is told by the process that collects for all."""


class _Spawned(_Role):
    """A worker that has collected the suite itself."""

    def run_loop(self, session: pytest.Session, _collection: Collection) -> None:
        settings = dict(self._start.fields["settings"], spawned=True)
        self._channel.send(
            "hello", worker=settings["worker"], pid=os.getpid(), digest=catalogue.digest(session.items)
        )
        _settle(session, self._channel, self._tenant, settings)
        _guard_forks(self._channel, self._tenant)
        self._tenant.discreet = counts_sessions(session.config.rootpath)
        gc.freeze()
        gc.enable()
        # What importing the suite did to the database is where its tests start from.
        with contextlib.suppress(NamespaceSpentError):
            self._tenant.rebase()
        Child(session, self._channel, self._tenant, settings).run()
        after_fork.leave(session.config)


class _Zygote(_Role):
    """The process that collects for all, forks, and gives all reports to pytest's hooks."""

    def broken(self, report: pytest.CollectReport) -> None:
        reason, text = collection_failure(report)
        self._channel.send("uncollected", nodeid=report.nodeid, reason=reason, text=text)

    def run_loop(self, session: pytest.Session, collection: Collection) -> None:
        self._session = session
        self._replay = Replay(session)
        self._children: dict[int, tuple[str, int]] = {}
        self._finish: Message | None = None
        #: What a hook has raised while reports were given to it; the session ends with it.
        self._raised: BaseException | None = None
        self._discreet = False
        self._has_set_up = False
        self._poller = select.poll()
        self._poller.register(self._channel.fileno(), select.POLLIN)
        quieting.quiet(session.config)
        factory = getattr(session.config, "_tmp_path_factory", None)
        self._basetemp = str(factory.getbasetemp()) if factory is not None else ""
        if self._start["set_up_once"] and django_databases.come_first(session):
            # Workers inherit it, and the state of its server becomes their template. Spawned ones
            # inherit nothing.
            self._has_set_up = not self._reasons_not_to_fork()
            if self._has_set_up:
                django_databases.set_up(session)
        self._announce(session, collection)
        if redirect.loaded_drivers() or self._start["sources"]:
            # Every worker will need it: imported here, its memory is shared and its time spent once.
            importlib.import_module("dbsafe_runner.database.reset")
            self._discreet = counts_sessions(session.config.rootpath)
        # Not collected first: that takes as long as all workers together would save by it.
        gc.freeze()
        gc.enable()
        try:
            self._serve()
        except ChannelClosedError:
            self._kill_children()
            os._exit(1)
        except BaseException:
            quieting.show_again(session.config)
            raise
        self._end(session)

    def _announce(self, session: pytest.Session, collection: Collection) -> None:
        changed = False
        try:
            changes = self._tenant.look()
            changed = changes is not None and not changes.nothing
        except (NamespaceLostError, NamespaceSpentError):
            changed = True
        self._tenant.close()
        config = session.config
        self._channel.send(
            "collected",
            catalogue.encode(catalogue.describe(session.items)),
            deselected=collection.deselected,
            seconds=collection.seconds,
            rootdir=str(config.rootpath),
            pytest_version=pytest.__version__,
            maxfail=int(config.getoption("maxfail", 0) or 0),
            digest=catalogue.digest(session.items),
            repeat=_repeat(config),
            urgent=catalogue.urgent(session.items, config),
            unsafe=self._reasons_not_to_fork(),
            leased=self._tenant.leased,
            changed=changed,
            drivers=list(redirect.loaded_drivers()),
            python_path=[str(entry) for entry in sys.path],
            django_settings=os.environ.get("DJANGO_SETTINGS_MODULE", ""),
            basetemp=self._basetemp,
        )

    def _reasons_not_to_fork(self) -> list[str]:
        own = frozenset({self._channel.fileno()})
        if not fork_safety.reasons_not_to_fork(own):
            return []
        # What nobody holds any more, a connection in a cycle of references say, is no reason.
        gc.collect()
        return fork_safety.reasons_not_to_fork(own)

    def _serve(self) -> None:
        while self._finish is None:
            self._poller.poll(None if not self._children or self._has_pidfd() else _REAP_INTERVAL)
            self._reap()
            while (message := self._channel.poll()) is not None:
                self._handle(message)

    def _handle(self, message: Message) -> None:
        if message.kind == "fork":
            self._fork(message)
        elif message.kind == "replay" and self._raised is None:
            try:
                self._replay.feed(message.blob)
            except (Exception, Exit) as error:  # noqa: BLE001  # Hooks of the suite may raise anything.
                # The workers are still at it: the dispatcher ends them in order, then this session.
                self._raised = error
            stop = self._raised or self._session.shouldfail or self._session.shouldstop
            if stop:
                self._channel.send("shouldstop", reason=str(stop))
        elif message.kind == "finish":
            self._finish = message

    def _fork(self, message: Message) -> None:
        after_fork.flush()
        pid = fork_safety.fork()
        if pid == 0:
            self._become_worker(message)
        descriptor = os.pidfd_open(pid) if self._has_pidfd() else -1
        self._children[pid] = (message["settings"]["worker"], descriptor)
        if descriptor >= 0:
            self._poller.register(descriptor, select.POLLIN)

    def _become_worker(self, message: Message) -> None:
        """Run a worker in the child of a fork and leave without ever returning to the zygote's code."""
        status = 70
        try:
            _die_with_the_parent()
            self._channel.close()
            for _, descriptor in self._children.values():
                if descriptor >= 0:
                    os.close(descriptor)
            settings = dict(message["settings"])
            channel = Channel.connect(settings["socket"])
            channel.send("hello", worker=settings["worker"], pid=os.getpid(), digest="")
            tenant = Tenant(channel, _lender(settings))
            tenant.discreet = self._discreet
            redirect.replace_rules(redirection_rules(settings, tenant, channel))
            _settle(self._session, channel, tenant, settings)
            _guard_forks(channel, tenant)
            Child(self._session, channel, tenant, settings).run()
            status = 0
        except BaseException:  # noqa: BLE001  # Nothing may escape into the zygote's stack.
            traceback.print_exc(file=sys.__stderr__)
        after_fork.leave(self._session.config, status)

    @staticmethod
    def _has_pidfd() -> bool:
        return hasattr(os, "pidfd_open")

    def _reap(self) -> None:
        for pid in list(self._children):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended == 0:
                continue
            worker, descriptor = self._children.pop(pid)
            if descriptor >= 0:
                self._poller.unregister(descriptor)
                os.close(descriptor)
            code = os.waitstatus_to_exitcode(status)
            self._channel.send("exited", worker=worker, pid=pid, code=code)

    def _kill_children(self) -> None:
        for pid in self._children:
            for target, kill in ((pid, os.killpg), (pid, os.kill)):
                try:
                    kill(target, signal.SIGKILL)
                except OSError:
                    continue

    def _end(self, session: pytest.Session) -> None:
        """End the session as the run ended, so that pytest prints and exits accordingly."""
        assert self._finish is not None
        if self._has_set_up:
            django_databases.forget(session)
        reporter = quieting.show_again(session.config)
        if self._raised is not None:
            raise self._raised
        why, text = self._finish["why"], self._finish["message"]
        if why == "interrupt":
            if reporter is not None:
                # Where the zygote was at that moment says nothing.
                reporter._report_keyboardinterrupt = lambda: reporter.write_sep("!", text)  # noqa: SLF001
            raise KeyboardInterrupt(text)
        if why == "exit":
            raise Exit(text, self._finish["code"])
        if why == "internal":
            internal_errors.end_session(session.config, text)
        if why in {"shouldfail", "shouldstop"} and not session.shouldfail and not session.shouldstop:
            setattr(session, why, text)


def _repeat(config: pytest.Config) -> list[str]:
    """Arguments that make a spawned worker collect in the order that chance gave the zygote."""
    seed = getattr(config.option, "randomly_seed", None)
    return [f"--randomly-seed={seed}"] if isinstance(seed, int) else []


def _settle(session: pytest.Session, channel: Channel, tenant: Tenant, settings: dict[str, Any]) -> None:
    def warn(message: str) -> None:
        channel.send("notice", code="worker-step-failed", message=message, nodeid="")

    after_fork.settle(session.config, settings, warn)
    if settings["private_server"]:
        django_databases.keep_names(settings["worker"])
    else:
        django_databases.tell_apart(settings["worker"], lambda: tenant.ensure().suffix)


def _guard_forks(channel: Channel, tenant: Tenant) -> None:
    """Lease before the suite forks or starts a program: a child of a worker cannot lease."""
    del channel
    os.register_at_fork(before=tenant.prepare_for_children)


if __name__ == "__main__":
    main()
