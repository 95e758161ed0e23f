"""The dispatcher's side of leases: asks the provider in threads, answers in the dispatcher's loop."""

from __future__ import annotations

import contextlib
import os
import queue
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from dbsafe_runner.database.mock_provider import MockProvider
from dbsafe_runner.database.provider import (
    Keepsake,
    NamespaceProvider,
    ProviderClosedError,
    TemplateInfo,
)
from dbsafe_runner.database.strays import Stray
from dbsafe_runner.database.user_server_provider import UserServerProvider
from dbsafe_runner.domain.namespace import Namespace


class Mailbox:
    """Callables that other threads (and signal handlers) hand to the dispatcher's loop."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self.reader, self._writer = os.pipe()
        os.set_blocking(self.reader, False)
        os.set_blocking(self._writer, False)

    def post(self, call: Callable[[], None]) -> None:
        """Have `call` run in the dispatcher's loop, soon."""
        self._calls.put(call)
        try:
            os.write(self._writer, b"\0")
        except BlockingIOError:
            # The pipe is full of wake-ups already.
            return

    def run_all(self) -> None:
        """Run what was posted. Called by the loop when `reader` is readable."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.reader, 4096)
        while True:
            try:
                call = self._calls.get_nowait()
            except queue.Empty:
                return
            call()

    def close(self) -> None:
        """Close the pipe."""
        os.close(self.reader)
        os.close(self._writer)


class LeaseDesk:
    """Runs the provider's blocking calls in threads. Results arrive through the mailbox.

    The threads live as long as the desk: servers that they start end with the thread that started them.
    """

    def __init__(self, provider: NamespaceProvider, mailbox: Mailbox, threads: int) -> None:
        self._provider = provider
        self._mailbox = mailbox
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="dbsafe-lease")
        self._prepared: Future[TemplateInfo] | None = None
        #: The last lesson: a namespace that is acquired after it was asked for has what it brings.
        self._lesson: Future[None] | None = None

    def prepare(
        self,
        report: Callable[[str], None],
        ready: Callable[[TemplateInfo], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Start making the template ready, once; further calls do nothing."""
        if self._prepared is not None:
            return
        self._prepared = self._executor.submit(
            self._provider.prepare,
            lambda text: self._mailbox.post(lambda: report(text)),
        )
        self._deliver(self._prepared, ready, failed)

    def acquire(
        self,
        worker: str,
        ready: Callable[[Namespace], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Get a namespace for a worker, after the template is ready."""
        prepared, lesson = self._prepared, self._lesson
        assert prepared is not None

        def work() -> Namespace:
            prepared.result()
            if lesson is not None:
                lesson.exception()
            return self._provider.acquire(worker)

        self._deliver(self._executor.submit(work), ready, failed)

    def learn(
        self, role: str, database: str, namespace: Namespace, done: Callable[[None], None]
    ) -> None:
        """Have a role and a database made, in the namespace and in all later ones."""
        before = self._lesson

        def work() -> None:
            if before is not None:
                before.exception()
            self._provider.learn(role, database, namespace)

        self._lesson = self._executor.submit(work)
        self._deliver(self._lesson, done, lambda _error: done(None))

    def warm(self, count: int) -> None:
        """Have namespaces made ahead of need, once the template is ready."""
        assert self._prepared is not None
        self._prepared.add_done_callback(
            lambda future: None if future.exception() else self._provider.warm(count)
        )

    @property
    def kind(self) -> str:
        """What the namespaces are made of, as a NamespaceKind value."""
        return self._provider.kind.value

    def adopt(self, namespace: Namespace, failed: Callable[[BaseException], None]) -> None:
        """Make the state of a namespace the template of all that are acquired from now on."""
        before = self._prepared
        assert before is not None

        def work() -> TemplateInfo:
            info = before.result()
            self._provider.adopt(namespace)
            self._provider.release(namespace)
            return info

        self._prepared = self._executor.submit(work)
        self._deliver(self._prepared, lambda _info: None, failed)

    def release(self, namespace: Namespace) -> None:
        """Give a namespace back, in the background."""
        self._executor.submit(self._provider.release, namespace)

    def keep(
        self,
        namespace: Namespace,
        nodeid: str,
        kept: Callable[[Keepsake], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        """Have a namespace outlive the run, in the background."""
        self._deliver(self._executor.submit(self._provider.keep, namespace, nodeid), kept, failed)

    def strays(self) -> list[Stray]:
        """Connections past the redirection to a user's server, found since the last call."""
        provider = self._provider
        return provider.take_strays() if isinstance(provider, UserServerProvider) else []

    def statements(self, namespace: Namespace, until: float) -> list[str]:
        """What was sent to a stand-in for PostgreSQL up to a time, since that of the last call."""
        provider = self._provider
        if not isinstance(provider, MockProvider):
            return []
        return provider.take_statements(namespace, until)

    def trouble(self, namespace: Namespace) -> str:
        """Why a namespace is no longer usable, in words; "" when it is."""
        return self._provider.trouble(namespace)

    def close(self) -> None:
        """End everything; namespaces included."""
        self._provider.close()
        self._executor.shutdown(wait=True, cancel_futures=True)

    def _deliver(
        self,
        future: Future[Any],
        ready: Callable[[Any], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        def done(future: Future[Any]) -> None:
            if future.cancelled():
                return
            error = future.exception()
            if error is None:
                self._mailbox.post(lambda: ready(future.result()))
            elif not isinstance(error, ProviderClosedError):
                self._mailbox.post(lambda: failed(error))

        future.add_done_callback(done)
