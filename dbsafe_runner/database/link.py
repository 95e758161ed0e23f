"""Link: our own session on a PostgreSQL server, over libpq's C interface and nothing above it.

It runs inside the process of the suite under test. So it uses `psycopg.pq` only: a test that replaces
`psycopg.connect` or freezes the clock does not reach it. It knows SQL text, COPY and results as text; it
does not know what the statements are for, and makes no threads.
"""

from __future__ import annotations

import importlib.resources
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from psycopg import pq

Row = tuple[str | None, ...]
T = TypeVar("T")

_FAILURES = frozenset((pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE))

#: Whatever the suite set for its roles and databases, our session behaves the same: nothing is logged or
#: counted, no trigger or rule of the suite fires, no time-out of the suite applies.
QUIET_SETTINGS: Mapping[str, str] = {
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "default_transaction_deferrable": "off",
    "synchronous_commit": "off",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    # What is prepared runs often and is large: planning it each time costs more than that saves.
    "plan_cache_mode": "force_generic_plan",
    "synchronize_seqscans": "off",
    "row_security": "off",
    "extra_float_digits": "1",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "xmloption": "content",
    "client_min_messages": "error",
}
#: Settings that only a superuser may make.
SUPERUSER_SETTINGS: Mapping[str, str] = {
    "session_replication_role": "replica",
    "track_counts": "off",
    "log_min_messages": "panic",
    "log_min_error_statement": "panic",
    "log_min_duration_statement": "-1",
    "log_statement": "none",
    "log_duration": "off",
    "log_replication_commands": "off",
    "pg_stat_statements.track": "none",
}


#: When the server was started, and when it began to count anew, as it does when it recovers from a crash
#: of one of its processes. https://www.postgresql.org/docs/current/monitoring-stats.html
_UP_SINCE = """
select pg_catalog.pg_postmaster_start_time(), (select stats_reset from pg_catalog.pg_stat_bgwriter)
"""
#: The server ended the session: an administrator did, it crashed or shuts down, or the session was idle.
_ENDED = frozenset(("57P01", "57P02", "57P03", "57P05"))
_ATTEMPTS = 3


class LinkError(Exception):
    """A statement failed or the session is gone. `sqlstate` is "" when the server sent none."""

    def __init__(self, message: str, sqlstate: str = "") -> None:
        super().__init__(message)
        self.sqlstate = sqlstate


def quote_name(*parts: str) -> str:
    """Quote identifiers and join them with dots."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in parts)


def quote_text(value: str) -> str:
    """Quote a string as an SQL literal that means the same under every server setting."""
    escaped = value.replace("'", "''")
    if "\\" in escaped:
        return " E'" + escaped.replace("\\", "\\\\") + "'"
    return f"'{escaped}'"


def as_array(values: Iterable[object]) -> str:
    """Return numbers as the text of an array."""
    return "{" + ",".join(map(str, values)) + "}"


def load_sql(name: str) -> str:
    """Return the text of `sql/<name>.sql`."""
    return (importlib.resources.files(__package__) / "sql" / f"{name}.sql").read_text(encoding="utf-8")


def connection_string(dsn: str, database: str, settings: Mapping[str, str]) -> str:
    """Return `dsn` pointed at `database`, with `settings` put on the session from its start.

    Raises:
        LinkError: libpq cannot read the DSN.
    """
    try:
        options = pq.Conninfo.parse(dsn.encode())
    except Exception as error:
        raise LinkError(f"the connection string cannot be read: {error}") from error
    values = {option.keyword.decode(): option.val.decode() for option in options if option.val}
    flags = [
        f"-c {name}={value.replace(chr(92), chr(92) * 2).replace(' ', chr(92) + ' ')}"
        for name, value in settings.items()
    ]
    values["options"] = " ".join(filter(None, (values.get("options", ""), *flags)))
    values["application_name"] = "dbsafe"
    values["client_encoding"] = "UTF8"
    if database:
        values["dbname"] = database
    return " ".join(
        "{}='{}'".format(key, value.replace("\\", "\\\\").replace("'", "\\'"))
        for key, value in values.items()
    )


class Link:
    """A session that is opened again when the server or the suite has ended it between two statements.

    Not for use in a child of the process that opened it.

    Args:
        dsn: libpq's connection string.
        database: connect to this one; "" for the one that `dsn` names.
        settings: made on the session from its start.
        patient: made besides these on a session whose predecessor ended before its first statement.
        faithful: it is opened again only on a server that has been up ever since.

    Raises:
        LinkError: from every method, when the server refuses or cannot be reached.
    """

    def __init__(
        self,
        dsn: str,
        database: str = "",
        settings: Mapping[str, str] = QUIET_SETTINGS,
        patient: Mapping[str, str] = MappingProxyType({}),
        *,
        faithful: bool = False,
    ) -> None:
        self._conninfo = connection_string(dsn, database, settings).encode()
        self._patient = connection_string(dsn, database, {**settings, **patient}).encode()
        #: Whether no trigger fires and no foreign key is checked.
        self.silent = settings.get("session_replication_role") == "replica"
        #: How often the session was opened: what belongs to a session has to be made again.
        self.generation = 0
        self._open()
        self._up_since = self._query(_UP_SINCE, ()) if faithful else None

    def _open(self, *, patient: bool = False) -> None:
        self._conn = pq.PGconn.connect(self._patient if patient else self._conninfo)
        if self._conn.status != pq.ConnStatus.OK and not patient and self._patient != self._conninfo:
            # It may have ended before libpq came to read that it had begun.
            self._conn.finish()
            self._conn = pq.PGconn.connect(self._patient)
        _ALL.add(self)
        if self._conn.status != pq.ConnStatus.OK:
            message = self._conn.error_message.decode(errors="replace").strip()
            self._conn.finish()
            raise LinkError(message)
        self.generation += 1
        self.pid = self._conn.backend_pid
        self._prepared: dict[str, bytes] = {}

    @property
    def descriptor(self) -> int:
        """The file descriptor of its socket; -1 when it has none."""
        return self._conn.socket if self.usable else -1

    @property
    def usable(self) -> bool:
        """Whether the session was there when it was last used."""
        return self._conn.status == pq.ConnStatus.OK

    def query(self, sql: str, params: Sequence[str | None] = ()) -> list[Row]:
        """Run one statement with parameters as text; return its rows as text."""
        return self._again(lambda: self._query(sql, params))

    def repeat(self, sql: str, params: Sequence[str | None] = ()) -> list[Row]:
        """Do as `query`, for a statement that is run often: it is prepared when it is first met."""
        return self._again(lambda: self._repeat(sql, params))

    def execute(
        self,
        sql: str,
        copy_in: Sequence[Iterable[bytes]] = (),
        copy_out: Callable[[bytes], None] | None = None,
    ) -> list[list[Row]]:
        """Run several statements in one round trip; return the rows of each but of COPY.

        Args:
            sql: statements, joined by semicolons; COPY FROM STDIN and COPY TO STDOUT are permitted.
            copy_in: for each COPY FROM STDIN in turn, chunks of its data.
            copy_out: receives each row that a COPY TO STDOUT sends, and b"" behind its last one.
        """
        return self._again(lambda: self._execute(sql, copy_in, copy_out))

    def close(self) -> None:
        """End the session; harmless when it has ended."""
        self._conn.finish()

    def _again(self, run: Callable[[], T]) -> T:
        """Run statements; again if the session had ended before they could begin.

        On a machine that stalls, even a new session may have been idle for too long.
        """
        for attempt in range(_ATTEMPTS - 1):
            idle = self._conn.transaction_status == pq.TransactionStatus.IDLE
            try:
                return run()
            except LinkError as error:
                if not idle or (self.usable and error.sqlstate not in _ENDED):
                    raise
            except Exception as error:
                # psycopg raises its own OperationalError, whose name a test may have replaced.
                if self.usable or not idle:
                    raise LinkError(str(error)) from error
            self._conn.finish()
            self._open(patient=attempt > 0)
            self._find_same_server()
        return run()

    def _find_same_server(self) -> None:
        """Refuse a server that went down meanwhile, and may have lost what nobody wrote to disk."""
        if self._up_since is not None and self._query(_UP_SINCE, ()) != self._up_since:
            self.close()
            raise LinkError("the server went down meanwhile")

    def _query(self, sql: str, params: Sequence[str | None]) -> list[Row]:
        result = self._conn.exec_params(sql.encode("utf-8", "surrogateescape"), _encode(params))
        self._check(result)
        return _rows(result)

    def _repeat(self, sql: str, params: Sequence[str | None]) -> list[Row]:
        name = self._prepared.get(sql)
        if name is None:
            name = b"dbsafe_%d" % len(self._prepared)
            self._check(self._conn.prepare(name, sql.encode("utf-8", "surrogateescape")))
            self._prepared[sql] = name
        result = self._conn.exec_prepared(name, _encode(params))  # type: ignore[arg-type]
        self._check(result)
        return _rows(result)

    def _execute(
        self, sql: str, copy_in: Iterable[Iterable[bytes]], copy_out: Callable[[bytes], None] | None
    ) -> list[list[Row]]:
        sources = iter(copy_in)
        self._conn.send_query(sql.encode("utf-8", "surrogateescape"))
        found: list[list[Row]] = []
        failure: LinkError | None = None
        while (result := self._conn.get_result()) is not None:
            if result.status == pq.ExecStatus.COPY_IN:
                self._send(next(sources, ()))
            elif result.status == pq.ExecStatus.COPY_OUT:
                self._receive(copy_out or _discard)
            elif result.status in _FAILURES:
                failure = failure or _error(result, self._conn)
            else:
                found.append(_rows(result))
        if failure is not None:
            raise failure
        return found

    def _send(self, chunks: Iterable[bytes]) -> None:
        for chunk in chunks:
            self._conn.put_copy_data(chunk)
        self._conn.put_copy_end()

    def _receive(self, sink: Callable[[bytes], None]) -> None:
        while True:
            length, data = self._conn.get_copy_data(0)
            if length < 0:
                break
            sink(bytes(data))
        sink(b"")

    def _check(self, result: pq.abc.PGresult) -> None:
        if result.status in _FAILURES:
            raise _error(result, self._conn)


def _encode(params: Sequence[str | None]) -> list[bytes | None]:
    return [None if value is None else value.encode("utf-8", "surrogateescape") for value in params]


def _discard(_: bytes) -> None:
    """Drop data that nobody asked for."""


def _rows(result: pq.abc.PGresult) -> list[Row]:
    columns = range(result.nfields)
    value = result.get_value
    return [
        tuple(
            None if (cell := value(row, column)) is None else cell.decode("utf-8", "surrogateescape")
            for column in columns
        )
        for row in range(result.ntuples)
    ]


def _error(result: pq.abc.PGresult, conn: pq.abc.PGconn) -> LinkError:
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    message = result.error_field(pq.DiagnosticField.MESSAGE_PRIMARY) or conn.error_message
    return LinkError(message.decode(errors="replace").strip(), state.decode() if state else "")


#: Every session of this process, while somebody holds it.
_ALL: weakref.WeakSet[Link] = weakref.WeakSet()


def own_descriptors() -> set[int]:
    """The sockets of our sessions in this process: those of the suite are the others."""
    return {link.descriptor for link in list(_ALL)}
