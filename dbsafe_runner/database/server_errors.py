"""What can end a run on the user's server once it has begun, as errors that the user can act on."""

from __future__ import annotations

from typing import Final

import psycopg

from dbsafe_runner.database.making import Workplace
from dbsafe_runner.errors import ExitCode, UserError

_REFUSES: Final = "The server that namespaces are made on does not do what it is asked to."


def server_error(error: psycopg.Error, message: str) -> UserError:
    """The error for what PostgreSQL, or the way to it, answered to a statement of ours."""
    if isinstance(error, psycopg.OperationalError):
        return server_lost(message.strip())
    return UserError(
        "namespace-refused",
        _REFUSES,
        cause=message.strip(),
        hint="`dbsafe db status` shows whether it can be reached and what is there.",
        exit_code=ExitCode.SERVER,
    )


def server_lost(cause: str) -> UserError:
    """The error for a server that was there when the run started."""
    return UserError(
        "server-lost",
        _REFUSES,
        cause=cause,
        hint="`dbsafe db status` shows whether it can be reached. Nothing stands in for it in the "
        "middle of a run: [database] fallback holds for the start alone, as servers are not mixed.",
        exit_code=ExitCode.SERVER,
    )


def connections_short(place: Workplace, free: int, promised: int) -> UserError:
    """The error for a worker that waited for connections and got none."""
    facts = place.facts
    return UserError(
        "connections-short",
        "The server has too few connections left for one more worker.",
        cause=f"max_connections is {facts.max_connections}; of what the role {facts.role} may have, "
        f"{max(free, 0)} are not used by others, and {promised} are promised to workers of this run.",
        hint="Use fewer workers (-n), end what else uses the server, or raise max_connections.",
        exit_code=ExitCode.SERVER,
    )
