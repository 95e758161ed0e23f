"""The dispatcher's end of a channel: reads and writes without ever waiting.

A peer that does not read must not stop the dispatcher, so what cannot be sent at once is kept.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable
from typing import Any

from dbsafe_runner.workers.protocol import Decoder, Message, ProtocolError, encode

#: Bytes to read at once.
_CHUNK = 262144


class Peer:
    """One connection to the zygote or a worker.

    Args:
        connection: a connected stream socket; the peer owns it.
        selector: watches the connection; the callbacks are called from its loop.
        on_message: called with each message.
        on_closed: called once when the other end is gone or sent what is no message.
    """

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        on_message: Callable[[Peer, Message], None],
        on_closed: Callable[[Peer], None],
    ) -> None:
        connection.setblocking(False)
        self._socket = connection
        self._selector = selector
        self._on_message = on_message
        self._on_closed = on_closed
        self._decoder = Decoder()
        self._unsent = bytearray()
        self._open = True
        selector.register(connection, selectors.EVENT_READ, self._ready)

    def send(self, kind: str, blob: bytes = b"", **fields: Any) -> None:
        """Send one message as soon as the other end takes it."""
        if self._open:
            self._unsent += encode(kind, fields, blob)
            self._write()

    def exhaust(self) -> None:
        """Read all that has come, without waiting for more: the other end's process is gone."""
        while self._open and self._read():
            continue

    def close(self) -> None:
        """Close this end; `on_closed` is not called."""
        if self._open:
            self._open = False
            self._selector.unregister(self._socket)
            self._socket.close()

    def _ready(self, mask: int) -> None:
        if mask & selectors.EVENT_WRITE:
            self._write()
        if mask & selectors.EVENT_READ:
            self._read()

    def _write(self) -> None:
        try:
            with contextlib.suppress(BlockingIOError):
                while self._unsent:
                    sent = self._socket.send(self._unsent[:_CHUNK])
                    del self._unsent[:sent]
        except OSError:
            # The read side will report the end, after what was sent before it.
            self._unsent.clear()
        self._watch()

    def _watch(self) -> None:
        if self._open:
            events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._unsent else 0)
            if self._selector.get_key(self._socket).events != events:
                self._selector.modify(self._socket, events, self._ready)

    def _read(self) -> bool:
        """Read once; False when there was nothing to read."""
        try:
            data = self._socket.recv(_CHUNK)
        except BlockingIOError:
            return False
        except OSError:
            data = b""
        try:
            for message in self._decoder.feed(data):
                self._on_message(self, message)
        except ProtocolError:
            data = b""
        if not data and self._open:
            self.close()
            self._on_closed(self)
        return bool(data)
