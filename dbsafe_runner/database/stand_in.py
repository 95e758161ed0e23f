"""A stand-in for PostgreSQL: speaks its protocol, knows no SQL, keeps nothing, and answers with no rows.

It is used where there is no server at all and the user permits it. A test against it shows at most that
its code runs; what it asserts about data says nothing. Statements are recorded, and not carried out.
"""

from __future__ import annotations

import contextlib
import socketserver
import struct
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from dbsafe_runner.database.stand_in_answers import Answer, Prepared, answer, prepare, split

_SSL, _GSS, _CANCEL = 80877103, 80877104, 80877102
_PARAMETERS: Final = {
    "server_version": "18.0",
    "server_encoding": "UTF8",
    "client_encoding": "UTF8",
    "DateStyle": "ISO, MDY",
    "TimeZone": "UTC",
    "IntervalStyle": "postgres",
    "integer_datetimes": "on",
    "standard_conforming_strings": "on",
    "default_transaction_read_only": "off",
    "in_hot_standby": "off",
    "is_superuser": "on",
}
#: Statements that are kept until they are taken; a test that sends more shows its first ones.
_MOST: Final = 500


class StandIn:
    """One stand-in, on a Unix socket in the directory `home`, until `close`."""

    def __init__(self, home: Path) -> None:
        #: When each came, and what it was.
        self._statements: list[tuple[float, str]] = []
        self._lock = threading.Lock()
        self.home = home
        record = self._record

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with contextlib.suppress(OSError, EOFError, struct.error):
                    _Session(self.rfile.read, self.wfile.write, record).run()

        self._server = socketserver.ThreadingUnixStreamServer(str(home / ".s.PGSQL.5432"), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.1,), name="dbsafe-stand-in", daemon=True
        )
        self._thread.start()

    def take_statements(self, until: float) -> list[str]:
        """What was sent to it up to a time (of `time.time`), since that of the last call, oldest first.

        Whoever asks hears of the end of a test when the next one may have begun.
        """
        with self._lock:
            taken = [statement for came, statement in self._statements if came <= until]
            self._statements = [(came, text) for came, text in self._statements if came > until]
        return taken

    def close(self) -> None:
        """End it. Sessions end when their clients do."""
        self._server.shutdown()
        self._server.server_close()

    def _record(self, statement: str) -> None:
        with self._lock:
            if len(self._statements) < _MOST:
                self._statements.append((time.time(), statement))


class _Session:
    """One client. Message formats are those of protocol 3.0."""

    def __init__(
        self,
        read: Callable[[int], bytes],
        write: Callable[[bytes], int],
        record: Callable[[str], None],
    ) -> None:
        self._read = read
        self._write = write
        self._record = record
        self._status = b"I"
        self._database = ""
        self._prepared: dict[bytes, Prepared] = {}
        self._portals: dict[bytes, Prepared] = {}
        self._copying = b""

    def run(self) -> None:
        """Answer until the client leaves."""
        if not self._greet():
            return
        handlers: dict[bytes, Callable[[bytes], None]] = {
            b"Q": self._query,
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": lambda _body: self._send(b"3"),
            b"S": lambda _body: self._ready(),
            b"c": lambda _body: self._copied(),
            b"f": lambda _body: self._copied(),
        }
        while (kind := self._read(1)) and kind != b"X":
            body = self._exactly(self._length() - 4)
            if kind in handlers:
                handlers[kind](body)

    def _greet(self) -> bool:
        while True:
            body = self._exactly(self._length() - 4)
            (code,) = struct.unpack_from("!i", body)
            if code == _CANCEL:
                return False
            if code not in {_SSL, _GSS}:
                break
            self._write(b"N")
        fields = body[4:].split(b"\0")
        given = dict(zip(fields[::2], fields[1::2], strict=False))
        self._database = (given.get(b"database") or given.get(b"user") or b"").decode(errors="replace")
        self._send(b"R", struct.pack("!i", 0))
        for name, value in _PARAMETERS.items():
            self._send(b"S", f"{name}\0{value}\0".encode())
        self._send(b"K", struct.pack("!ii", 1, 1))
        self._ready()
        return True

    # --- simple queries ---------------------------------------------------------------------------

    def _query(self, body: bytes) -> None:
        statements = split(_text(body))
        if not statements:
            self._send(b"I")
        for statement in statements:
            self._record(statement)
            found = answer(statement, self._database)
            if found.copy:
                self._copy(found)
                if self._copying:
                    return
                continue
            if found.columns is not None:
                self._send_columns(found)
            self._complete(found)
        self._ready()

    # --- extended queries -------------------------------------------------------------------------

    def _parse(self, body: bytes) -> None:
        name, _, rest = body.partition(b"\0")
        statement, _, rest = rest.partition(b"\0")
        (count,) = struct.unpack_from("!h", rest)
        given = struct.unpack_from(f"!{count}i", rest, 2)
        self._prepared[name] = prepare(statement.decode(errors="replace"), given, self._database)
        self._send(b"1")

    def _bind(self, body: bytes) -> None:
        portal, _, rest = body.partition(b"\0")
        name, _, _ = rest.partition(b"\0")
        self._portals[portal] = self._prepared[name]
        self._send(b"2")

    def _describe(self, body: bytes) -> None:
        name = body[1:].rstrip(b"\0")
        found = self._prepared[name] if body[:1] == b"S" else self._portals[name]
        if body[:1] == b"S":
            types = found.parameters
            self._send(b"t", struct.pack(f"!h{len(types)}i", len(types), *types))
        if found.answer.columns is None:
            self._send(b"n")
        else:
            self._send_columns(found.answer)

    def _execute(self, body: bytes) -> None:
        found = self._portals[body.partition(b"\0")[0]]
        if not found.statement:
            self._send(b"I")
            return
        self._record(found.statement)
        if found.answer.copy:
            self._copy(found.answer)
        else:
            self._complete(found.answer)

    # --- what both have in common -----------------------------------------------------------------

    def _send_columns(self, found: Answer) -> None:
        columns = found.columns or ()
        fields = b"".join(
            # Text, which looks the same in the binary format.
            name.encode() + b"\0" + struct.pack("!ihihih", 0, 0, 25, -1, -1, 0)
            for name in columns
        )
        self._send(b"T", struct.pack("!h", len(columns)) + fields)

    def _complete(self, found: Answer) -> None:
        if found.row is not None:
            values = [value.encode() for value in found.row]
            cells = b"".join(struct.pack("!i", len(value)) + value for value in values)
            self._send(b"D", struct.pack("!h", len(values)) + cells)
        self._send(b"C", found.tag.encode() + b"\0")
        self._status = found.status or self._status

    def _copy(self, found: Answer) -> None:
        if found.copy == "in":
            self._send(b"G", b"\0\0\0")
            self._copying = found.tag.encode()
            return
        self._send(b"H", b"\0\0\0")
        self._send(b"c")
        self._send(b"C", found.tag.encode() + b"\0")

    def _copied(self) -> None:
        self._send(b"C", self._copying + b"\0")
        self._copying = b""
        self._ready()

    def _ready(self) -> None:
        self._send(b"Z", self._status)

    def _send(self, kind: bytes, body: bytes = b"") -> None:
        self._write(kind + struct.pack("!i", len(body) + 4) + body)

    def _length(self) -> int:
        (length,) = struct.unpack("!i", self._exactly(4))
        return int(length)

    def _exactly(self, count: int) -> bytes:
        data = self._read(count) if count > 0 else b""
        if len(data) < count:
            raise EOFError
        return data


def _text(body: bytes) -> str:
    return body.rstrip(b"\0").decode(errors="replace")
