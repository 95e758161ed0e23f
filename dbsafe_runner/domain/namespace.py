"""Namespace: a private place in PostgreSQL that one worker owns, and how to reach it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from dbsafe_runner.domain.isolation import NamespaceKind


@dataclasses.dataclass(frozen=True, slots=True)
class Endpoint:
    """How the redirection reaches a namespace.

    `host` is a directory with a Unix socket or a host name. Names of databases that are in neither
    `databases` nor `closed`, and of users when `user` is "", pass through as the suite wrote them.
    """

    host: str
    port: int
    #: Database name as the suite writes it -> its name on this server. Empty for kind server.
    databases: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: First on search_path; "" for kinds server and database.
    schema: str = ""
    #: User and password to connect with instead of the suite's; "" keeps the suite's.
    user: str = ""
    password: str = dataclasses.field(default="", repr=False)
    #: Further libpq parameters, e.g. sslmode, sslrootcert, as the user's URL had them.
    options: Mapping[str, str] = dataclasses.field(default_factory=dict)
    #: Databases of the user's server that are none of the suite's: connections to them are refused.
    closed: Sequence[str] = ()
    #: The whole search_path where the suite sets none; "" for the schema before PostgreSQL's default.
    search_path: str = ""
    #: Names that `schema` stands for in a search_path that the suite sets.
    replaced: Sequence[str] = ()
    #: Names that are behind `schema` in any search_path.
    shared: Sequence[str] = ()
    #: Roles of the suite that log in by themselves although `user` is set.
    logins: Sequence[str] = ()
    #: Ends the names of databases that frameworks make for tests, on a server where other workers and
    #: other runs make theirs; "" where the worker is alone on its server.
    suffix: str = ""


@dataclasses.dataclass(frozen=True, slots=True)
class Namespace:
    """A namespace as the worker that leases it sees it."""

    name: str
    kind: NamespaceKind
    generation: int
    endpoint: Endpoint
    #: libpq connection string of our own session for observation and reset.
    admin_dsn: str = dataclasses.field(repr=False)
    #: The database, as named on the server, in which the suite's own tables are; first of several.
    database: str
    #: PostgreSQL's server_version_num, e.g. 180000.
    server_version: int
    #: A directory that the worker may put large snapshots in.
    scratch: str = ""
