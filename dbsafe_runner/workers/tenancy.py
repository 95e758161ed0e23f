"""Tenancy: who holds which namespace, and what the suite was found to connect to."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from dbsafe_runner.database.provider import Keepsake, TemplateInfo
from dbsafe_runner.domain import events
from dbsafe_runner.domain.changes import ResetReport
from dbsafe_runner.domain.namespace import Namespace
from dbsafe_runner.errors import UserError
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.redirect.urls import Target
from dbsafe_runner.workers.slot import Slot
from dbsafe_runner.workers.tenant import ZYGOTE, namespace_fields

if TYPE_CHECKING:
    from dbsafe_runner.workers.pool import Pool

Answer = Callable[..., None]

#: Namespaces of failed tests that one run keeps at most.
MOST_KEPT = 5

#: PostgreSQL's words for what is not there, and what drivers say where a login failed for it.
_ABSENT: Final = re.compile(r'((?:role|database) "[^"]+") does not exist')
_LOGIN: Final = re.compile("FATAL|InvalidAuthorizationSpecification|InvalidCatalogName")


class Tenancy:
    """Answers the requests of workers (and of the zygote) that concern their namespaces."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.sources = list(pool.settings.sources)
        #: Whether the suite is known to use a database.
        self.wanted = bool(pool.settings.sources) or pool.settings.prepare_early
        self._zygote_namespace: Namespace | None = None
        #: Who waits for a namespace that is being made, by worker and process id.
        self._waiting: dict[tuple[str, int], list[Answer]] = {}
        #: Workers, likewise, whose namespace is used by a process of theirs.
        self._lent: set[tuple[str, int]] = set()
        #: What the run takes for the suite's database where none is configured, once that is known.
        self.learned: list[Any] | None = None
        self._doubted = False
        self._kept = 0
        #: Namespaces that are just being put where they outlive the run.
        self.keeping = 0

    def prepared(self, info: TemplateInfo) -> None:
        """The template is ready."""
        self._pool.emit(
            events.ServerReady(
                self._pool.now(),
                info.server_version,
                self._pool.desk.kind,
                "kept from an earlier run" if info.reused else "made anew",
                info.seconds,
            )
        )

    def after_collection(self, message: Message) -> None:
        """Learn from what collection did: drivers imported, a namespace used or changed."""
        self.wanted = self.wanted or bool(message["drivers"])
        if self._zygote_namespace is None:
            return
        namespace, self._zygote_namespace = self._zygote_namespace, None
        # Workers that are spawned import the suite once more, and do it all again.
        forks = self._pool.settings.start != "spawn" and not message["unsafe"]
        if message["changed"] and forks:
            self._pool.desk.adopt(namespace, self._pool.fail)
        else:
            self._pool.desk.release(namespace)

    def request(self, worker: str, message: Message, answer: Answer) -> None:
        """Answer `lease` and `learned`, and hear of a worker that is ready for its batch (`begun`)."""
        if message.kind == "begun":
            # To get to know its namespace takes a while on a busy machine, and is no test's doing.
            slot = self._pool.slots.get(worker)
            if slot is not None:
                slot.since = self._pool.now()
        elif message.kind == "lease":
            self._requested(worker, answer)
        elif message.kind == "learned":
            self._learned(worker, message["target"], answer)

    def borrow(self, message: Message, answer: Answer) -> None:
        """Lend a worker's namespace to a process that it has made, and that was the first to connect.

        The worker is told first: it cannot know what such a process does there.
        """
        worker, pool = message["worker"], self._pool
        slot = pool.slots.get(worker)
        peer = slot.peer if slot is not None and slot.pid == message["pid"] else None
        collects = worker == ZYGOTE and pool.collected is None
        if peer is None and not collects:
            answer("lent", error="the worker that started it has ended")
            return

        def leased(_kind: str, **fields: Any) -> None:
            if fields.get("error"):
                answer("lent", error=fields["error"])
                return
            endpoint = fields["namespace"]["endpoint"]
            if self.sources and self.learned is None:
                answer("lent", endpoint=endpoint, source=list(self.sources[0]))
                return
            self._learned(
                worker,
                message["target"],
                lambda _kind, **learnt: answer("lent", endpoint=endpoint, **learnt),
            )

        (pool.to_zygote if peer is None else peer.send)("taught")
        self._lent.add(self._key(worker))
        held = self._held(worker)
        if held is not None:
            leased("leased", namespace=namespace_fields(held))
        else:
            self._lease(worker, leased)

    def was_reset(self, slot: Slot, fields: dict[str, Any]) -> None:
        """A worker has reset its namespace, or found that it cannot."""
        report = ResetReport(
            seconds=fields["seconds"],
            restored=tuple(fields["restored"]),
            retire=fields["retire"],
            leaks=tuple(fields["leaks"]),
        )
        if not slot.confirms:
            self._pool.emit(events.NamespaceReset(self._pool.now(), slot.name, report))

    def look_around(self) -> None:
        """Report connections that tests opened past the redirection."""
        for stray in self._pool.desk.strays():
            owner = next((slot for slot in self._pool.slots.values() if slot.pid in stray.pids), None)
            running = owner.running if owner is not None else None
            ledger = self._pool.ledger
            self._pool.notice(
                "warning",
                "connection-past-redirection",
                f"{stray.name} (pid {stray.pids[0]}) connected to the database {stray.database} itself.",
                hint="What a test does there is neither kept apart nor undone. Let it take the server "
                "from DATABASE_URL or PGHOST and PGPORT.",
                nodeid=ledger.nodeid(running) if ledger is not None and running is not None else "",
            )

    def statements(self, worker: str, until: float) -> list[str]:
        """What a worker sent to its stand-in for PostgreSQL between the last call's time and `until`."""
        slot = self._pool.slots.get(worker)
        if slot is None or slot.namespace is None:
            return []
        return self._pool.desk.statements(slot.namespace, until)

    @property
    def keeps(self) -> bool:
        """Whether the namespace of the next failed test is to be kept."""
        return self._pool.settings.keep_failed and self._kept < MOST_KEPT

    def end(self, slot: Slot) -> None:
        """Take a worker's namespace back, or keep it for a look at what a failed test has left."""
        namespace, slot.namespace = slot.namespace, None
        if namespace is None:
            return
        if slot.keep and self.keeps and not self._pool.desk.trouble(namespace):
            self._keep(namespace, slot.keep)
        else:
            self._pool.desk.release(namespace)

    def _keep(self, namespace: Namespace, nodeid: str) -> None:
        pool = self._pool
        self._kept += 1
        self.keeping += 1

        def kept(keepsake: Keepsake) -> None:
            self.keeping -= 1
            option = keepsake.option and f" {keepsake.option}"
            note = keepsake.note and f" ({keepsake.note})"
            pool.notice(
                "info",
                "namespace-kept",
                f"Its database is kept as it was when the test had ended: {keepsake.place}.",
                hint=f"`dbsafe db psql {keepsake.name}{option}` opens it, `dbsafe db clean{option}` "
                f"removes it{note}.",
                nodeid=nodeid,
            )

        def failed(error: BaseException) -> None:
            self.keeping -= 1
            message = error.message if isinstance(error, UserError) else repr(error)
            cause = f" {error.cause}" if isinstance(error, UserError) else ""
            pool.notice("warning", "namespace-not-kept", f"{message}{cause}", nodeid=nodeid)

        pool.desk.keep(namespace, nodeid, kept, failed)

    def _key(self, worker: str) -> tuple[str, int]:
        slot = self._pool.slots.get(worker)
        return worker, slot.pid if slot is not None else 0

    def _held(self, worker: str) -> Namespace | None:
        slot = self._pool.slots.get(worker)
        return slot.namespace if slot is not None else self._zygote_namespace

    def _requested(self, worker: str, answer: Answer) -> None:
        """Lease, unless a process of the worker's was quicker: they have to see the same."""
        held = self._held(worker)
        if held is not None and self._key(worker) in self._lent:
            # Asked for once more, it is dead.
            self._lent.discard(self._key(worker))
            answer("leased", namespace=namespace_fields(held))
        else:
            self._lease(worker, answer)

    def _answer_all(self, key: tuple[str, int], **fields: Any) -> None:
        for answer in self._waiting.pop(key, []):
            answer("leased", **fields)

    def _lease(self, worker: str, answer: Answer) -> None:
        pool = self._pool
        asked = pool.now()
        slot = pool.slots.get(worker)
        key = self._key(worker)
        waiting = self._waiting.setdefault(key, [])
        waiting.append(answer)
        if len(waiting) > 1:
            return
        self.wanted = True
        if slot is not None:
            self._stands_still(slot, asked)
        pool.prepare()

        def ready(namespace: Namespace) -> None:
            if slot is not None and (slot.pid != key[1] or slot.peer is None):
                # Its worker did not live to use it.
                pool.desk.release(namespace)
                self._answer_all(key, error="the worker has ended")
                return
            if slot is not None:
                self._settle(slot, namespace, asked)
            else:
                self._zygote_namespace = namespace
            self._answer_all(key, namespace=namespace_fields(namespace))

        def failed(error: BaseException) -> None:
            message = error.message if isinstance(error, UserError) else repr(error)
            if slot is not None and slot.pid == key[1]:
                slot.goes_on(pool.now())
            self._answer_all(key, error=message)
            pool.fail(error)

        pool.desk.acquire(worker, ready, failed)

    def _settle(self, slot: Slot, namespace: Namespace, asked: float) -> None:
        pool = self._pool
        if slot.namespace is not None:
            # It has died before its worker could use it.
            pool.desk.release(slot.namespace)
        slot.namespace = namespace
        slot.goes_on(pool.now())
        self._tell(slot, namespace, pool.now() - asked)
        if pool.feeding is not None:
            pool.feeding.leased(slot)

    def not_passed(self, reason: str) -> None:
        """Say once why a login failed, if that is what `reason`, the line on how a test ended, tells."""
        absent = absent_at_login(reason)
        if not absent or self.learned is None or self._doubted:
            return
        self._doubted = True
        self._pool.notice(
            "warning",
            "several-sources",
            f"A test could not connect, as {absent} does not exist: {_name(self.learned)} came first and"
            " was taken for the suite's database, so only the role and database it names were made.",
            hint="Name all URLs that it needs in runner.toml: [database] source ="
            f' ["{Target(*self.learned).url}", …]',
        )

    def _stands_still(self, slot: Slot, asked: float) -> None:
        """From now on the worker waits, which is no test's doing, nor charged to any limit of time."""
        slot.asked = asked
        if not slot.confirms:
            self._pool.emit(events.NamespaceAwaited(asked, slot.name))

    def _tell(self, slot: Slot, namespace: Namespace, waited: float) -> None:
        """Tell of a lease. Those of trials are no part of how the run's workers did."""
        now = self._pool.now()
        if not slot.confirms:
            name, generation = namespace.name, namespace.generation
            self._pool.emit(events.NamespaceLeased(now, slot.name, name, generation, waited))

    def _learned(self, worker: str, target: list[Any], answer: Answer) -> None:
        pool = self._pool
        host, port, user, database = target
        if not self.sources:
            self.sources = [(host, port, user, database)]
            self.learned = target
            name = _name(target)
            pool.notice(
                "info",
                "source-learned",
                f"The suite connects to {name}; connections to it go to each worker's own namespace.",
                hint=f'Say so in runner.toml: [database] source = "{Target(*target).url}"',
            )
        elif self.learned not in (None, target) and not self._doubted:
            self._doubted = True
            first, other = _name(self.learned), _name(target)
            pool.notice(
                "warning",
                "several-sources",
                f"The suite connects to {other}, too, and {first} was taken for its database: only the"
                " role and the database that this names exist.",
                hint="Name all that it needs in runner.toml: [database] source ="
                f' ["{Target(*self.learned).url}", "{Target(*target).url}"]',
            )
        source = self.sources[0]
        _, _, user, database = source
        slot = pool.slots.get(worker)
        namespace = slot.namespace if slot is not None else self._zygote_namespace
        assert namespace is not None
        pool.desk.learn(user, database, namespace, lambda _done: answer("learnt", source=list(source)))


def absent_at_login(reason: str) -> str:
    """Return the role or database for which a connection was refused, or "" where it failed otherwise.

    The words are PostgreSQL's; drivers that leave out its FATAL name the class of the error.
    """
    found = _ABSENT.search(reason)
    return found[1] if found is not None and _LOGIN.search(reason) is not None else ""


def _name(target: list[Any]) -> str:
    host, port, user, database = target
    return f"{user}@{host}:{port}/{database}" if user else f"{host}:{port}/{database}"
