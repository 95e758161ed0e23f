"""The redirection of a Python program that a test started: its rules come from the environment.

Usually it asks nobody: the namespace was leased before the program was started. Where nobody knew the
suite's database then, the first connection asks the dispatcher. What is refused names the test from
pytest's own variable.
"""

from __future__ import annotations

import json
import os
import sys
from types import SimpleNamespace
from typing import Any

from . import environment, install
from .borrowing import Lender, Loan, borrow
from .routing import Rules
from .urls import Target


def start() -> None:
    """Install the redirection that DBSAFE_REDIRECT describes.

    Raises ValueError or KeyError when that variable was tampered with.
    """
    install(rules_from(json.loads(os.environ[environment.REDIRECT])))


def rules_from(facts: dict[str, Any]) -> Rules:
    """Rules that lead every source to the one endpoint, or that ask for it."""
    if facts.get("lender"):
        return _asking(Lender(*facts["lender"]), facts)
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


def _asking(lender: Lender, facts: dict[str, Any]) -> Rules:
    """Rules of a program that was started before anybody knew the suite's database."""
    loans: list[Loan] = []

    def loan(target: Target) -> Loan:
        if not loans:
            loans.append(borrow(lender, target))
        return loans[0]

    return Rules(
        sources=(),
        allow_hosts=tuple(facts["allow_hosts"]),
        resolve=lambda target: loan(target).endpoint,
        on_learned=lambda target: loan(target).source,
        on_refused=lambda _: os.environ.get("PYTEST_CURRENT_TEST", ""),
        on_connect=_nothing,
        on_warning=lambda message: print("dbsafe: " + message, file=sys.stderr),
        lender=lender,
    )


def _nothing(_: Target) -> None:
    """Nobody is told."""
