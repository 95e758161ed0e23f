"""Level: what a test does to the database, from nothing to what no namespace can hold."""

from __future__ import annotations

import enum


class Level(enum.IntEnum):
    """The six database dependency levels; higher needs stronger separation."""

    #: It opens no connection.
    NONE = 0
    #: It connects and changes nothing.
    READ_ONLY = 1
    #: It writes, and nothing it wrote remains when it has been torn down.
    ISOLATED_WRITES = 2
    #: Rows, sequences or large objects that it changed outlive it.
    SHARED_WRITES = 3
    #: It runs DDL that outlives it or would be seen by others.
    SCHEMA_CHANGES = 4
    #: It changes what no namespace can hold, or must run alone for another reason.
    SEQUENTIAL_ONLY = 5
