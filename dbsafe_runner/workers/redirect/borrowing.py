"""Borrowing: a process that is no worker asks the dispatcher for the namespace of its worker.

A worker's forks cannot use its channel, and a Python program that a test starts has none. Where such a
process is the first to connect, it asks over a connection of its own, and waits for the answer. One
question, one answer: frames as in `dbsafe_runner.workers.protocol`, which an interpreter without dbsafe
does not have.
"""

from __future__ import annotations

import json
import struct
from types import SimpleNamespace
from typing import Any, NamedTuple

from .urls import Target

_LENGTHS = struct.Struct(">4sII")
_MARK = b"dbsf"


class Lender(NamedTuple):
    """Whom to ask: the dispatcher's socket, and the worker whose namespace is meant."""

    socket: str
    worker: str
    pid: int


class Loan(NamedTuple):
    """What was lent: the namespace's endpoint, and what the run takes for its source."""

    endpoint: Any
    source: Target


class NothingLentError(Exception):
    """There is no namespace for this process. Nothing was sent to the server that it asked for."""

    def __init__(self, target: Target, why: str) -> None:
        super().__init__(
            f"dbsafe has no database for this process, the first that connects to {target.written}:"
            f"{target.port}: {why}. Nothing was sent to that server. Name the suite's database as "
            "source under [database] in runner.toml, or with --source."
        )


def borrow(lender: Lender, target: Target) -> Loan:
    """The namespace for a process of the lender's worker that wants to connect to `target`.

    Raises NothingLentError.
    """
    try:
        answer = _ask(lender, target)
    except (OSError, ValueError) as error:
        raise NothingLentError(target, f"its run does not answer ({error})") from error
    if answer.get("error"):
        raise NothingLentError(target, answer["error"])
    return Loan(SimpleNamespace(**answer["endpoint"]), Target(*answer["source"]))


def _ask(lender: Lender, target: Target) -> dict[str, Any]:
    # The module below `socket`: that one takes time to import, and tests replace what is in it.
    import _socket

    question = {"kind": "borrow", "worker": lender.worker, "pid": lender.pid, "target": list(target)}
    header = json.dumps(question).encode()
    connection = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        connection.connect(lender.socket)
        connection.sendall(_LENGTHS.pack(_MARK, len(header), 0) + header)
        _, length, _ = _LENGTHS.unpack(_read(connection, _LENGTHS.size))
        answer: dict[str, Any] = json.loads(_read(connection, length))
    finally:
        connection.close()
    return answer


def _read(connection: Any, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = connection.recv(size - len(data))
        if not more:
            raise OSError("it has ended")
        data += more
    return data
