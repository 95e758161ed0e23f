"""The protocol between the dispatcher, the zygote and the workers: framed messages over Unix sockets.

A frame is a mark, two lengths (unsigned 32-bit big-endian each), a JSON object (the header) and a blob.
What each kind has to carry is in `dbsafe_runner.workers.grammar`. The header is
read by the dispatcher; the blob (pickled pytest reports) only by the zygote, so that the dispatcher
passes reports on without opening them. This module knows frames, not what they mean; that is:

dispatcher to zygote: `start` (arguments and settings), `fork` (worker, settings), `replay` (blob:
ended tests for pytest's own hooks), `finish` (reason), `leased`.
zygote to dispatcher: `uncollected`, `collected` (blob: the tests), `exited`, `lease`, `shouldstop`,
`learned`, `notice`, `ended`.
dispatcher to worker: `run` (batch, tests), `end` (no further test is known yet), `go` (on after a
failure), `stop`, `leased`, `learnt`, `taught` (a process that it has made uses its namespace).
worker to dispatcher: `hello`, `need`, `ok` (a test that passed with nothing to show), `done` (blob: full
reports), `warn` (blob), `property`, `parting` (blob), `reset`, `retire`, `lease`, `learned`, `notice`,
`halt`, `bye`.
a process that a worker made to dispatcher: `borrow`; and back: `lent`.

Tests may patch anything, so what runs in a worker holds its own references to the functions it needs,
in class attributes where tools that scan modules for clock functions do not find them.
"""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import select
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any, ClassVar

from dbsafe_runner.workers import grammar

_LENGTHS = struct.Struct(">4sII")
#: Starts every frame: what something else wrote into the stream is told from a frame at once.
_MARK = b"dbsf"


@dataclasses.dataclass(frozen=True, slots=True)
class Message:
    """One message: its kind, its fields and an opaque blob."""

    kind: str
    fields: dict[str, Any]
    blob: bytes = b""

    def __getitem__(self, key: str) -> Any:
        """The value of a field. Raises KeyError when the sender left it out."""
        return self.fields[key]


class ChannelClosedError(Exception):
    """The other end is gone."""


class ProtocolError(Exception):
    """What came over a channel is no message."""


def encode(kind: str, fields: dict[str, Any], blob: bytes = b"") -> bytes:
    """Make one frame. Raises TypeError or ValueError for fields that are not JSON."""
    header = json.dumps({"kind": kind, **fields}, separators=(",", ":")).encode()
    return _LENGTHS.pack(_MARK, len(header), len(blob)) + header + blob


class Decoder:
    """Turns a stream of bytes into messages, whatever the pieces they arrive in."""

    #: No header is longer than this many bytes; a longer one means that the stream is broken.
    longest_header: ClassVar[int] = 256 * 1024 * 1024

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Iterator[Message]:
        """Add bytes and yield every message that is complete. Raises ProtocolError."""
        buffer = self._buffer
        buffer += data
        position = 0
        try:
            while True:
                mark = bytes(buffer[position : position + len(_MARK)])
                if not _MARK.startswith(mark):
                    raise ProtocolError(f"not a frame: {bytes(buffer[position : position + 80])!r}")
                if len(buffer) - position < _LENGTHS.size:
                    break
                _, header_length, blob_length = _LENGTHS.unpack_from(buffer, position)
                if header_length > self.longest_header:
                    raise ProtocolError(f"a header of {header_length} bytes")
                start = position + _LENGTHS.size
                end = start + header_length + blob_length
                if len(buffer) < end:
                    break
                header = bytes(buffer[start : start + header_length])
                blob = bytes(buffer[start + header_length : end])
                position = end
                yield self._message(header, blob)
        finally:
            del buffer[:position]

    @staticmethod
    def _message(header: bytes, blob: bytes) -> Message:
        try:
            fields = json.loads(header)
            kind = fields.pop("kind")
        except (ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
            raise ProtocolError(f"not a message header: {header[:80]!r}") from error
        if wrong := grammar.flaw(kind, fields):
            raise ProtocolError(wrong)
        return Message(kind, fields, blob)


class Channel:
    """A blocking channel for the zygote and the workers. Threads of a test may use it at once.

    After a fork the child's copy must be switched off with `abandon()`: two processes on one stream
    would mix their frames.
    """

    # Captured here, because tests patch this name in its module.
    _getpid: ClassVar[Any] = staticmethod(os.getpid)

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._recv = connection.recv
        # Not select.select, which fails on descriptors above 1023.
        self._poller = select.poll()
        self._poller.register(connection, select.POLLIN)
        self._sendall = connection.sendall
        self._decoder = Decoder()
        self._inbox: collections.deque[Message] = collections.deque()
        self._sending = threading.Lock()
        self._receiving = threading.RLock()
        self._owner = self._getpid()

    def fileno(self) -> int:
        """The file descriptor, for select."""
        return self._socket.fileno()

    @property
    def usable(self) -> bool:
        """Whether this process may speak here (a forked copy may not)."""
        return bool(self._owner == self._getpid())

    def send(self, kind: str, blob: bytes = b"", **fields: Any) -> None:
        """Send one message. Raises ChannelClosedError when the other end is gone."""
        if not self.usable:
            return
        frame = encode(kind, fields, blob)
        try:
            with self._sending:
                self._sendall(frame)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error

    def receive(self, *kinds: str) -> Message:
        """Wait for the next message (of one of `kinds`, if any are named; others wait their turn).

        Raises ChannelClosedError when the other end is gone or when this is a forked copy.
        """
        while True:
            with self._receiving:
                message = self._take(kinds)
                if message is not None:
                    return message
                self._read()

    def poll(self, *kinds: str) -> Message | None:
        """The next message if there is one, without waiting."""
        with self._receiving:
            while self._poller.poll(0):
                self._read()
            return self._take(kinds)

    def _take(self, kinds: tuple[str, ...]) -> Message | None:
        for place, message in enumerate(self._inbox):
            if not kinds or message.kind in kinds:
                del self._inbox[place]
                return message
        return None

    def _read(self) -> None:
        if not self.usable:
            raise ChannelClosedError("a forked copy of a worker has no channel")
        try:
            data = self._recv(262144)
        except OSError as error:
            raise ChannelClosedError(str(error)) from error
        if not data:
            raise ChannelClosedError("the other end closed the channel")
        try:
            self._inbox.extend(self._decoder.feed(data))
        except ProtocolError as error:
            # Nothing that comes behind it can be told apart any more.
            raise ChannelClosedError(str(error)) from error

    def close(self) -> None:
        """Close this end."""
        self._socket.close()

    @classmethod
    def connect(cls, path: str) -> Channel:
        """Connect to the dispatcher's listening socket at `path`. Raises OSError."""
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.connect(path)
        return cls(connection)
