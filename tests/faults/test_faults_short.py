"""A few faults of every kind that ends no run, judged as `scripts/faults` judges hundreds of them."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))

from faulting.kinds import FAULTS
from faulting.own_server import own_server
from faulting.rounds import Rounds
from faulting.stage import stage

BY_NAME = {fault.name: fault for fault in FAULTS}


@pytest.fixture(scope="module")
def rounds() -> Iterator[Rounds]:
    with stage(files=("constraints", "schema_changes")) as place, own_server(place.root) as server:
        made = Rounds(place, server)
        made.learn()
        yield made


@pytest.mark.parametrize(
    "names",
    [
        ("worker-killed", "server-killed", "backend-terminated"),
        ("worker-segfault", "sockets-closed", "backend-killed"),
        ("server-restarted", "namespace-dropped"),
        ("backend-terminated", "dbsafe-killed"),
    ],
    ids="+".join,
)
def test_faults_cost_no_verdict(rounds: Rounds, names: tuple[str, ...]) -> None:
    played = rounds.play([BY_NAME[name] for name in names], random.Random(" ".join(names)))
    assert played.judgement.problems == [], played.output
