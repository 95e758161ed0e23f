"""Isolation: how a batch is kept apart from the others, and when its namespace is reset."""

from __future__ import annotations

import enum


class Isolation(enum.Enum):
    """How a batch is kept apart, weakest first."""

    NONE = "none"
    PROCESS = "process"
    TRANSACTION = "transaction"
    SCHEMA = "schema"
    DATABASE = "database"
    SERVER = "server"


class NamespaceKind(enum.Enum):
    """What a namespace is made of, strongest first."""

    SERVER = "server"
    DATABASE = "database"
    SCHEMA = "schema"
    #: No PostgreSQL at all: a stand-in that answers with no rows.
    MOCK = "mock"


class ResetPolicy(enum.Enum):
    """When a namespace returns to its baseline."""

    #: After every test: the batch's tests are known not to need each other.
    EACH_TEST = "each-test"
    #: After the last test of the batch: its tests may build on each other.
    AFTER_BATCH = "after-batch"
