"""The redirection of a Python program that a test started: its rules come from the environment.

It asks nobody: the namespace was leased before the program was started. What is refused names the test
from pytest's own variable.
"""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

from . import environment, install
from .routing import Rules
from .urls import Target


def start() -> None:
    """Install the redirection that DBSAFE_REDIRECT describes.

    Raises ValueError or KeyError when that variable was tampered with.
    """
    install(rules_from(json.loads(os.environ[environment.REDIRECT])))


def rules_from(facts: dict[str, Any]) -> Rules:
    """Rules that lead every source to the one endpoint."""
    endpoint: Any = SimpleNamespace(**facts["endpoint"])
    return Rules(
        sources=tuple(Target(*source) for source in facts["sources"]),
        allow_hosts=tuple(facts["allow_hosts"]),
        resolve=lambda _: endpoint,
        on_learned=lambda target: target,
        on_refused=lambda _: os.environ.get("PYTEST_CURRENT_TEST", ""),
        on_connect=_nothing,
        on_warning=lambda message: print("dbsafe: " + message, file=sys.stderr),
    )


def _nothing(_: Target) -> None:
    """Nobody is told."""
