"""The end of a channel whose other process is gone, where something else holds it open."""

from __future__ import annotations

import selectors
import socket

from dbsafe_runner.workers.peer import Peer
from dbsafe_runner.workers.protocol import encode


def test_all_that_has_come_is_read_without_an_end_of_the_connection() -> None:
    ours, theirs = socket.socketpair()
    heard: list[str] = []
    closed: list[Peer] = []
    with selectors.DefaultSelector() as selector, theirs:
        peer = Peer(ours, selector, lambda _, message: heard.append(message.kind), closed.append)
        theirs.sendall(
            encode("ok", {"test": 1, "connections": 0, "seconds": [], "started": 0.0, "ended": 0.0})
        )
        theirs.sendall(encode("bye", {}) + b"dbsf")
        peer.exhaust()
        assert heard == ["ok", "bye"]
        assert closed == []
        theirs.shutdown(socket.SHUT_WR)
        peer.exhaust()
        assert closed == [peer]
        peer.exhaust()
