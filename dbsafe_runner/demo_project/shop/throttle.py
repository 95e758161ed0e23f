"""Slow down those who guess passwords: so many failures within a window, then a pause."""

from dataclasses import dataclass

from psycopg import Connection


class TooManyAttemptsError(RuntimeError):
    """Too many failures lately; try again later."""


@dataclass(frozen=True)
class Throttle:
    """At most so many failures within so many seconds."""

    limit: int = 5
    window: float = 900

    def check(self, connection: Connection, email: str) -> None:
        """Raises TooManyAttemptsError."""
        if self.failures(connection, email) >= self.limit:
            raise TooManyAttemptsError(email)

    def failures(self, connection: Connection, email: str) -> int:
        """Failures of this address within the window."""
        row = connection.execute(
            "SELECT count(*) AS n FROM login_attempts "
            "WHERE email = lower(%s) AND at > clock_timestamp() - make_interval(secs => %s)",
            (email, self.window),
        ).fetchone()
        return row["n"]

    def record_failure(self, connection: Connection, email: str) -> None:
        """Remember a failure."""
        connection.execute("INSERT INTO login_attempts (email) VALUES (lower(%s))", (email,))

    def forget(self, connection: Connection, email: str) -> None:
        """After a successful login."""
        connection.execute("DELETE FROM login_attempts WHERE email = lower(%s)", (email,))

    def sweep(self, connection: Connection) -> int:
        """Delete what is older than the window; how many."""
        return connection.execute(
            "DELETE FROM login_attempts WHERE at <= clock_timestamp() - make_interval(secs => %s)",
            (self.window,),
        ).rowcount
