"""Frames survive any cutting of the stream; what is no frame is refused."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.workers.entries import pack_entry, unpack_entries
from dbsafe_runner.workers.grammar import flaw
from dbsafe_runner.workers.protocol import Channel, ChannelClosedError, Decoder, ProtocolError, encode

FIELDS = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name != "kind"), st.integers() | st.text() | st.none()
)


@given(st.lists(st.tuples(st.text("xyz\u00e9", min_size=1), FIELDS, st.binary()), max_size=5), st.data())
def test_a_stream_is_read_back_however_it_is_cut(messages, data) -> None:
    stream = b"".join(encode(kind, fields, blob) for kind, fields, blob in messages)
    decoder, found, position = Decoder(), [], 0
    while position < len(stream):
        size = data.draw(st.integers(1, len(stream) - position))
        found += decoder.feed(stream[position : position + size])
        position += size
    assert [(m.kind, m.fields, m.blob) for m in found] == messages


@pytest.mark.parametrize(
    "stream",
    [
        b"x",
        b"dbsf" + b"\xff" * 8,
        b"dbsf\0\0\0\2\0\0\0\0{]",
        b"dbsf\0\0\0\2\0\0\0\0{}",
        b"dbsf\0\0\0\2\0\0\0\0[]",
        encode("need", {}),
        encode("need", {"idle": 1}),
        encode("ok", {"test": True, "connections": 0, "seconds": [], "started": 0.0, "ended": 0.0}),
        encode("run", {"batch": 1, "tests": None, "reset": "each-test"}),
    ],
    ids=[
        "no-mark",
        "endless",
        "no-json",
        "no-kind",
        "no-object",
        "field-lacking",
        "wrong-type",
        "truth-for-number",
        "null",
    ],
)
def test_what_is_no_message_is_refused(stream: bytes) -> None:
    with pytest.raises(ProtocolError):
        list(Decoder().feed(stream))


def test_messages_of_other_kinds_wait_their_turn() -> None:
    ours, theirs = socket.socketpair()
    channel, other = Channel(ours), Channel(theirs)
    for kind in ("first", "second", "third"):
        other.send(kind)
    assert channel.receive("second").kind == "second"
    assert channel.poll("absent") is None
    assert [channel.receive().kind, channel.receive().kind] == ["first", "third"]
    other.close()
    with pytest.raises(ChannelClosedError):
        channel.receive()
    channel.close()


def test_a_forked_copy_is_silent() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    child = os.fork()
    if child == 0:
        channel.send("from the child")
        os._exit(3 if not channel.usable else 4)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
    channel.send("from the parent")
    assert [message.kind for message in Decoder().feed(theirs.recv(1000))] == ["from the parent"]
    channel.close()
    theirs.close()


@given(st.lists(st.tuples(st.text(), st.dictionaries(st.text(), st.integers()), st.binary())))
def test_entries_are_read_back(entries) -> None:
    assert list(unpack_entries(b"".join(pack_entry(*entry) for entry in entries))) == entries


@given(st.binary(max_size=60), st.integers(0, 40))
def test_whatever_comes_is_a_message_or_refused(garbage: bytes, cut: int) -> None:
    whole = encode("halt", {"why": "exit", "message": ""}, b"blob")
    for stream in (garbage, whole + garbage, whole[:cut] + garbage):
        decoder = Decoder()
        found = []
        try:
            for start in range(0, len(stream), 7):
                found += decoder.feed(stream[start : start + 7])
        except ProtocolError:
            continue
        assert all(message.kind for message in found)


@given(
    st.sampled_from(["need", "ok", "done", "hello", "lease", "reset", "collected", "run", "fork"]),
    st.dictionaries(
        st.sampled_from(["idle", "test", "seconds", "worker", "pid", "report", "tests", "settings"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
            max_leaves=4,
        ),
    ),
)
def test_a_message_that_is_let_in_has_what_its_kind_has_to_carry(kind: str, fields: dict) -> None:
    try:
        (message,) = Decoder().feed(encode(kind, fields))
    except ProtocolError:
        return
    assert flaw(message.kind, message.fields) == ""


def test_garbage_ends_a_channel_like_its_closing() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours)
    theirs.sendall(b"GET / HTTP/1.1\r\n\r\n")
    with pytest.raises(ChannelClosedError, match="not a frame"):
        channel.receive()
    channel.close()
    theirs.close()
