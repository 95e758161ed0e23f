"""PostgreSQL's own tools: how psql, pg_dump and the others on libpq are told a server and a database."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from .routing import name_in

if TYPE_CHECKING:
    from dbsafe_runner.domain.namespace import Endpoint

#: libpq's own tools, which take -h, -p and connection strings.
TOOLS = frozenset(
    [
        *("psql", "pgbench", "pg_isready", "pg_dump", "pg_dumpall", "pg_restore", "pg_basebackup"),
        *("createdb", "dropdb", "createuser", "dropuser", "vacuumdb", "reindexdb", "clusterdb"),
        *("vacuumlo", "pg_amcheck", "pg_receivewal", "pg_recvlogical"),
    ]
)
#: How these are told a server: option -> libpq's name for it.
SERVER_OPTIONS = {"-h": "host", "--host": "host", "-p": "port", "--port": "port"}
#: How these are told a database, and the maintenance database.
_DATABASE_OPTIONS = frozenset(("-d", "--dbname", "--maintenance-db"))
#: Options whose values are no databases, of all tools, of psql, and of those beside it.
_OTHER_VALUES = frozenset(
    [
        *("-U", "--username", "-O", "--owner", "-f", "--file", "-o", "--output", "--command"),
        *("--schema", "--table", "--role", "--set", "--variable"),
    ]
)
_OF_PSQL = frozenset(("-c", "-v"))
_NOT_OF_PSQL = frozenset(("-n", "-N", "-t"))


def option_of(arg: str) -> tuple[str, str]:
    """The option by which an argument names a server, as libpq calls it, and how it is spelled there.

    `-hlocalhost` and `--host=localhost` are spelled `-h` and `--host=`; both are "" for other arguments.
    """
    option, equals, _ = arg.partition("=")
    if equals and option in ("--host", "--port"):
        return SERVER_OPTIONS[option], option + "="
    if arg[:2] in ("-h", "-p") and len(arg) > 2:
        return SERVER_OPTIONS[arg[:2]], arg[:2]
    return "", ""


def with_names(args: Sequence[str], endpoint: Endpoint) -> list[str]:
    """Databases that are named by themselves, after -d or in their place, as they are named there.

    On a server of the worker's own all names are as the suite has them. `args` begin with the program.
    """
    named = list(args)
    others = _OTHER_VALUES | (_OF_PSQL if args[0].rpartition("/")[2] == "psql" else _NOT_OF_PSQL)
    for place in range(1, len(args)):
        arg, before = args[place], args[place - 1]
        option, equals, value = arg.partition("=")
        if equals and option in _DATABASE_OPTIONS:
            named[place] = f"{option}={name_in(endpoint, value)}"
        elif arg.startswith("-d") and len(arg) > 2:
            named[place] = "-d" + name_in(endpoint, arg[2:])
        elif not arg.startswith("-") and before not in others:
            # Behind an option that is not known it may be a database, and the suite's own is not to be
            # touched: what is led wrongly is no database there.
            named[place] = name_in(endpoint, arg)
    return named
