"""Frames survive any cutting of the stream; what is no frame is refused."""

from __future__ import annotations

import os
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.workers.entries import pack_entry, unpack_entries
from dbsafe_runner.workers.protocol import Channel, ChannelClosedError, Decoder, ProtocolError, encode

FIELDS = st.dictionaries(
    st.text(max_size=8).filter(lambda name: name != "kind"), st.integers() | st.text() | st.none()
)


@given(st.lists(st.tuples(st.text(min_size=1), FIELDS, st.binary()), max_size=5), st.data())
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
    [b"\xff" * 8, b"\0\0\0\2\0\0\0\0{]", b"\0\0\0\2\0\0\0\0{}", b"\0\0\0\2\0\0\0\0[]"],
    ids=["endless", "no-json", "no-kind", "no-object"],
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
