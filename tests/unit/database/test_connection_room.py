"""Whose the sessions on a server are, and how many are left for a run."""

from __future__ import annotations

from dbsafe_runner.database.connection_room import OWN_SESSIONS, ConnectionRoom

#: What is free of 97 connections where nobody has any.
ALL = 97 - OWN_SESSIONS


def test_sessions_of_others_and_of_other_runs_are_not_free() -> None:
    room = ConnectionRoom(97)
    assert room.beside(0, 0, OWN_SESSIONS, namespaces=0, promised=0) == ALL
    assert room.beside(7, 0, OWN_SESSIONS + 3, namespaces=0, promised=0) == ALL - 10
    assert room.beside(7, 0, OWN_SESSIONS + 4 + 3, namespaces=4, promised=40) == ALL - 10


def test_sessions_of_our_workers_in_a_shared_database_are_not_those_of_others() -> None:
    room = ConnectionRoom(97, "shop")
    assert room.beside(0, 0, 1, namespaces=0, promised=0) == ALL
    assert room.beside(0, 30, OWN_SESSIONS + 16, namespaces=8, promised=72) == ALL


def test_sessions_that_were_there_before_stay_those_of_others_while_there_are_as_many() -> None:
    room = ConnectionRoom(97, "shop")
    assert room.beside(0, 5, 1, namespaces=0, promised=0) == ALL - 5
    assert room.beside(0, 30, 1, namespaces=8, promised=72) == ALL - 5
    assert room.beside(0, 3, 1, namespaces=8, promised=72) == ALL - 3


def test_more_sessions_than_our_workers_were_promised_are_those_of_others() -> None:
    room = ConnectionRoom(97, "shop")
    assert room.beside(0, 0, 1, namespaces=0, promised=0) == ALL
    assert room.beside(0, 30, 1, namespaces=2, promised=20) == ALL - 10
