"""Namespaces of kind `mock`: a stand-in for each worker where there is no PostgreSQL at all.

`MockProvider` is what the dispatcher uses; see `dbsafe_runner.database.provider` for what its methods
promise. What tests see there means nothing, and they are reported as `mocked`.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
import threading
from pathlib import Path

from dbsafe_runner.database.provider import (
    Keepsake,
    ProviderClosedError,
    Report,
    TemplateInfo,
    not_kept,
)
from dbsafe_runner.database.stand_in import StandIn
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.namespace import Endpoint, Namespace


class MockProvider:
    """Stand-ins, as namespaces."""

    def __init__(self) -> None:
        self._home = Path(tempfile.mkdtemp(prefix="dbsafe-"))
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()
        self._over = False
        self._living: dict[str, StandIn] = {}

    @property
    def kind(self) -> NamespaceKind:
        """Stand-ins."""
        return NamespaceKind.MOCK

    def prepare(self, report: Report) -> TemplateInfo:
        """See `NamespaceProvider.prepare`."""
        report("database tests run against a stand-in: their outcomes count for nothing")
        return TemplateInfo("", "", 0.0, reused=True)

    def acquire(self, worker: str) -> Namespace:  # noqa: ARG002 - all are alike.
        """See `NamespaceProvider.acquire`."""
        with self._lock:
            if self._over:
                raise ProviderClosedError
            name = f"mock-{next(self._numbers)}"
            home = self._home / name
            home.mkdir()
            self._living[name] = StandIn(home)
        return Namespace(
            name=name,
            kind=self.kind,
            generation=1,
            endpoint=Endpoint(host=str(home), port=5432),
            admin_dsn="",
            database="",
            server_version=0,
        )

    def take_statements(self, namespace: Namespace, until: float) -> list[str]:
        """What was sent to a stand-in up to a time, since that of the last call, oldest first."""
        with self._lock:
            living = self._living.get(namespace.name)
        return living.take_statements(until) if living is not None else []

    def warm(self, count: int) -> None:
        """Nothing: they are made in no time."""

    def release(self, namespace: Namespace) -> None:
        """See `NamespaceProvider.release`."""
        with self._lock:
            living = self._living.pop(namespace.name, None)
        if living is not None:
            living.close()
            shutil.rmtree(living.home, ignore_errors=True)

    def keep(self, namespace: Namespace, nodeid: str) -> Keepsake:  # noqa: ARG002 - see below.
        """See `NamespaceProvider.keep`: there is nothing to keep."""
        self.release(namespace)
        raise not_kept("A stand-in for PostgreSQL holds no data.")

    def trouble(self, namespace: Namespace) -> str:
        """See `NamespaceProvider.trouble`."""
        return "" if namespace.name in self._living else "its stand-in was removed"

    def learn(self, role: str, database: str, namespace: Namespace) -> None:
        """Nothing: a stand-in takes every name."""

    def adopt(self, namespace: Namespace) -> None:
        """Nothing: a stand-in has no state."""

    def close(self) -> None:
        """See `NamespaceProvider.close`."""
        with self._lock:
            self._over = True
            living = list(self._living.values())
            self._living.clear()
        for one in living:
            one.close()
        shutil.rmtree(self._home, ignore_errors=True)
