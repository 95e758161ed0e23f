"""What test authors may use: a connection that rolls back, and row locks to test against.

Load it with `pytest_plugins = ["dbsafe_runner.testing"]` in the topmost conftest.py. Nothing in here is
needed to use dbsafe, and all of it works under plain pytest, too.
"""

from dbsafe_runner.testing.fixtures import LockRows, db, db_url, lock_rows

__all__ = ["LockRows", "db", "db_url", "lock_rows"]
