"""A worker's side of its lease: the namespace, its observation and its reset.

The namespace is leased at the first connection (or earlier, when it is known to be needed), so a
worker whose tests never connect costs no server. Which tests run when is not known here.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import threading
import traceback
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

from dbsafe_runner.domain.changes import Changes, ResetReport
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Endpoint, Namespace
from dbsafe_runner.workers import redirect
from dbsafe_runner.workers.protocol import Channel, ChannelClosedError

if TYPE_CHECKING:
    from dbsafe_runner.database.reset import Keeper

_Answer = TypeVar("_Answer")

#: Namespaces that are asked for when one after the other turns out to be dead.
_ATTEMPTS = 3

#: What the process that collects is called where workers have a name.
ZYGOTE = "zygote"


class NoNamespaceError(Exception):
    """The dispatcher could not give this worker a namespace; the message says why."""


def namespace_fields(namespace: Namespace) -> dict[str, Any]:
    """A namespace as JSON fields, with its secrets: only for our own channel."""
    fields = dataclasses.asdict(namespace)
    fields["kind"] = namespace.kind.value
    return fields


def namespace_from_fields(fields: Mapping[str, Any]) -> Namespace:
    """Undo `namespace_fields`."""
    values = dict(fields)
    values["kind"] = NamespaceKind(values["kind"])
    values["endpoint"] = Endpoint(**values["endpoint"])
    return Namespace(**values)


class NamespaceLostError(Exception):
    """The namespace does not answer any more; the message says how it went."""


class NamespaceSpentError(Exception):
    """The namespace cannot be observed or reset any more; the message says why."""


class Tenant:
    """The holder of a lease. Any thread of a test may ask for the namespace; it is leased once."""

    def __init__(self, channel: Channel, lender: redirect.Lender) -> None:
        self._channel = channel
        #: Whom this worker's forks and programs ask.
        self.lender = lender
        self._name = lender.worker
        self._lock = threading.RLock()
        self._namespace: Namespace | None = None
        self._keeper: Keeper | None = None
        self._failed = ""
        #: Whether a process that this one made was the first to use the namespace.
        self._lent = False
        #: In a fork: what it was lent.
        self._loan: redirect.Loan | None = None
        #: Transactions of the suite that were open at the last look.
        self.open_transactions = 0
        #: Called before each connection that the suite opens, in the thread that does.
        self.on_connecting: Callable[[], None] = lambda: None
        #: Whether no session of ours may stay where the suite would count it.
        self.discreet = False
        #: Connections that the suite has opened, and programs and children that may have opened some.
        self.opened = 0
        #: How many of them were programs and children.
        self._processes = 0
        #: What of both `take_connections` has told of.
        self._taken = (0, 0)

    @property
    def leased(self) -> bool:
        """Whether there is a namespace already."""
        return self._namespace is not None

    @property
    def has_neighbours(self) -> bool:
        """Whether other workers have their namespaces in the same database."""
        return self._namespace is not None and self._namespace.kind is NamespaceKind.SCHEMA

    def ensure(self) -> Endpoint:
        """Lease a namespace if there is none and say how to reach it.

        Raises NoNamespaceError when the dispatcher has none to give.
        """
        with self._lock:
            if self._failed:
                raise NoNamespaceError(self._failed)
            if self._namespace is None:
                self._namespace = self._lease()
            return self._namespace.endpoint

    def _lease(self) -> Namespace:
        """Get a namespace that can be observed: one that dies just as it is given out is replaced."""
        for _ in range(_ATTEMPTS):
            self._channel.send("lease", worker=self._name)
            answer = self._channel.receive("leased")
            if answer.fields.get("error"):
                self._failed = answer["error"]
                break
            namespace = namespace_from_fields(answer["namespace"])
            if namespace.kind is NamespaceKind.MOCK:
                return namespace
            from dbsafe_runner.database.link import LinkError

            try:
                self._keeper = _keeper(namespace, discreet=self.discreet)
            except LinkError as error:
                self._failed = f"its PostgreSQL does not answer: {error}"
                continue
            self._failed = ""
            return namespace
        raise NoNamespaceError(self._failed)

    def resolve(self, target: redirect.Target) -> Endpoint:
        """Answer the redirection: where a connection to the suite's server goes."""
        if self._channel.usable:
            return self.ensure()
        # Another thread may have held the lock when this process was forked.
        if self._namespace is not None:
            return self._namespace.endpoint
        return cast("Endpoint", self._borrow(target).endpoint)

    def _borrow(self, target: redirect.Target) -> redirect.Loan:
        """In a fork, which has no channel: ask the dispatcher for the worker's namespace."""
        if self._loan is None:
            self._loan = redirect.borrow(self.lender, target)
        return self._loan

    def learn(self, target: redirect.Target) -> redirect.Target:
        """Tell the dispatcher what the suite connects to, and return what the run takes for its source.

        That is the first that any worker told. Its role and its database are made in the namespace.

        Raises NoNamespaceError and NamespaceLostError.
        """
        if not self._channel.usable:
            return self._borrow(target).source
        with self._lock:
            self.ensure()
            self._channel.send("learned", worker=self._name, target=list(target))
            answer = self._channel.receive("learnt")
            if not self._is_lent():
                # What the dispatcher made there for us is no test's doing.
                self.rebase()
        return redirect.Target(*answer["source"])

    def told(self, source: Sequence[Any]) -> None:
        """Take what another worker has learned, so that all mean the same by the suite's database."""
        if redirect.knows_source():
            return
        target = redirect.Target(*source)
        redirect.tell_source(target)
        if self.leased:
            # The namespace was there before: it may lack the role and the database. Where it is gone,
            # the next test finds that out.
            with contextlib.suppress(NoNamespaceError, NamespaceLostError, NamespaceSpentError):
                self.learn(target)

    def prepare_for_children(self) -> None:
        """Lease before a child process is made, which cannot lease, if the suite uses a database."""
        if not self._channel.usable or not redirect.loaded_drivers():
            return
        with contextlib.suppress(NoNamespaceError, ChannelClosedError):
            self.ensure()
            self._count_process()

    def connected(self, _target: redirect.Target) -> None:
        """Count a connection that the suite opened."""
        self.opened += 1
        self.on_connecting()

    def other_login(self, target: redirect.Target) -> str:
        """The role that a connection is made as, where that is not the suite's; else ""."""
        endpoint = self._namespace.endpoint if self._namespace is not None else None
        if endpoint is None or not target.user or target.user in {endpoint.user, *endpoint.logins}:
            return ""
        return endpoint.user

    def started_program(self, _arguments: Sequence[str]) -> None:
        """Count a program that was led to the namespace: whether it connects is not seen here."""
        self._count_process()

    def _count_process(self) -> None:
        self.opened += 1
        self._processes += 1

    def take_connections(self) -> collections.Counter[str]:
        """What came since the last call: `connections`, and `processes` that may have opened some."""
        now = self.opened - self._processes, self._processes
        connections, processes = now[0] - self._taken[0], now[1] - self._taken[1]
        self._taken = now
        # Without zeros: what is not there costs no room in a message.
        return +collections.Counter(connections=connections, processes=processes)

    def look(self) -> Changes | None:
        """What the database went through since the last look; None while there is no namespace.

        Raises NamespaceLostError when the server is gone.
        """
        return self._counted(self._ask(lambda keeper: keeper.look()))

    def _counted(self, changes: Changes | None) -> Changes | None:
        if changes is not None:
            self.open_transactions = changes.open_transactions
        return changes

    def rebase(self) -> None:
        """Make what there is now the baseline: a fixture of session or package scope did it.

        Raises NamespaceLostError.
        """

        def look_and_rebase(keeper: Keeper) -> Changes:
            changes = keeper.look()
            keeper.rebase()
            return changes

        self._counted(self._ask(look_and_rebase))

    def mark(self) -> None:
        """Say that what is held open now belongs to a fixture of wider scope than the test.

        Raises NamespaceLostError.
        """
        self._ask(lambda keeper: keeper.mark())

    def reset(self) -> ResetReport | None:
        """Bring the namespace back to its baseline; None while there is no namespace.

        Raises NamespaceLostError.
        """
        return self._ask(lambda keeper: keeper.reset())

    def _is_lent(self) -> bool:
        """Whether a process that a test made was lent the namespace, and nobody has watched it there."""
        # Where the dispatcher is gone, the next question finds that out.
        with contextlib.suppress(ChannelClosedError):
            if self._channel.usable and self._channel.poll("taught") is not None:
                self._lent = True
                self.opened += 1
        return self._lent

    def _ask(self, question: Callable[[Keeper], _Answer]) -> _Answer | None:
        if self._is_lent():
            raise NamespaceSpentError("a process that a test started was the first to connect")
        keeper = self._keeper
        if keeper is None or not self._channel.usable:
            return None
        from dbsafe_runner.database.link import LinkError

        try:
            with self._lock:
                return question(keeper)
        except LinkError as error:
            # What libpq adds below its first line are questions to whoever runs the server.
            what = str(error).partition("\n")[0].rstrip(".")
            raise NamespaceLostError(f"the worker's PostgreSQL is gone: {what}") from error
        except Exception as error:
            # Whatever it stumbled over, the test is not to blame; but nobody knows any more what state
            # the namespace is in.
            place = traceback.extract_tb(error.__traceback__)[-1]
            raise NamespaceSpentError(
                f"its state is not known: {error!r} at {place.filename}:{place.lineno}"
            ) from error

    def close(self) -> None:
        """Close our own session; the dispatcher takes the namespace back."""
        if self._keeper is not None and self._channel.usable:
            self._keeper.close()
            self._keeper = None


def _keeper(namespace: Namespace, *, discreet: bool) -> Keeper:
    # Imported late: it brings psycopg with it, and whether the suite itself imports a driver says
    # whether it uses a database.
    from dbsafe_runner.database.reset import Keeper

    return Keeper(namespace, discreet=discreet)
