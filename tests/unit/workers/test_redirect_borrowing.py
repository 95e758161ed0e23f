"""Borrowing: what a process without a channel asks, and what it does with the answer."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dbsafe_runner.workers.protocol import Channel, Message
from dbsafe_runner.workers.redirect import Lender, NothingLentError, Rules, Target, borrow
from dbsafe_runner.workers.redirect.environment import ORIGINALS, REDIRECT, asking_environment
from dbsafe_runner.workers.redirect.inherited import rules_from
from dbsafe_runner.workers.redirect.programs import led_environment
from dbsafe_runner.workers.redirect.routing import Router

SHOP = Target("localhost", 5432, "app", "shop")
ENDPOINT = {"host": "/srv/w1", "port": 5432, "databases": {}, "closed": []}


class Dispatcher:
    """Answers one question."""

    def __init__(self, path: Path, answer: dict[str, Any] | None) -> None:
        self.lender = Lender(str(path), "gw0", 77)
        self.asked: list[Message] = []
        self._answer = answer
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                channel = Channel(self._listener.accept()[0])
                self.asked.append(channel.receive("borrow"))
                if self._answer is not None:
                    channel.send("lent", **self._answer)
                channel.close()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def dispatch(tmp_path: Path) -> Iterator[Any]:
    made: list[Dispatcher] = []

    def make(answer: dict[str, Any] | None) -> Dispatcher:
        made.append(Dispatcher(tmp_path / "dispatcher", answer))
        return made[0]

    yield make
    made[0].close()


def test_it_is_lent_a_namespace_and_told_the_source(dispatch: Any) -> None:
    other = ["localhost", 5432, "first", "first"]
    dispatcher = dispatch({"endpoint": ENDPOINT, "source": other})
    loan = borrow(dispatcher.lender, SHOP)
    assert (loan.endpoint.host, loan.source) == ("/srv/w1", Target(*other))
    (question,) = dispatcher.asked
    assert question.fields == {"worker": "gw0", "pid": 77, "target": list(SHOP)}


@pytest.mark.parametrize(
    ("answer", "why"), [({"error": "no disk is free"}, "no disk is free"), (None, "it has ended")]
)
def test_what_is_not_lent_is_refused(dispatch: Any, answer: dict[str, Any] | None, why: str) -> None:
    dispatcher = dispatch(answer)
    with pytest.raises(NothingLentError, match=r"--source\.$") as caught:
        borrow(dispatcher.lender, SHOP)
    assert why in str(caught.value)
    assert "localhost:5432" in str(caught.value)


def test_a_program_of_a_run_that_is_over_is_refused(tmp_path: Path) -> None:
    facts = {"sources": [], "allow_hosts": [], "lender": [str(tmp_path / "gone"), "gw0", 77]}
    with pytest.raises(NothingLentError, match="its run does not answer"):
        Router(rules_from(facts)).route([SHOP])


def test_a_program_asks_once(dispatch: Any) -> None:
    dispatcher = dispatch({"endpoint": ENDPOINT, "source": list(SHOP)})
    router = Router(rules_from({"sources": [], "allow_hosts": [], "lender": list(dispatcher.lender)}))
    for _ in range(2):
        route = router.route([SHOP])
        assert route is not None
        assert route.address == ("/srv/w1", 5432)
    assert router.sources == (SHOP,)
    assert len(dispatcher.asked) == 1


def rules(lender: Lender | None, learned: list[Target]) -> Rules:
    def learn(target: Target) -> Target:
        learned.append(target)
        return target

    def resolve(_target: Target) -> Any:
        return loan

    nothing = lambda *_: ""  # noqa: E731
    loan = rules_from({"sources": [], "allow_hosts": [], "endpoint": ENDPOINT}).resolve(SHOP)
    loan.__dict__.update(
        schema="", search_path="", replaced=[], shared=[], user="", password="", logins=[], options={}
    )
    return Rules((), ("db.lan",), resolve, learn, nothing, nothing, nothing, lender=lender)


def test_programs_are_told_whom_to_ask_and_nothing_else_changes() -> None:
    lender = Lender("/run/dispatcher", "gw3", 5)
    base = {"PYTHONPATH": "/lib", "HOME": "/root", ORIGINALS: "old"}
    made = asking_environment(base, rules(lender, []))
    facts = json.loads(made.pop(REDIRECT))
    assert facts == {"sources": [], "allow_hosts": ["db.lan"], "lender": list(lender)}
    inherit, _, others = made.pop("PYTHONPATH").partition(os.pathsep)
    assert (Path(inherit) / "sitecustomize.py").exists()
    assert (others, made) == ("/lib", {"HOME": "/root"})


def test_without_a_lender_programs_keep_their_environment() -> None:
    assert led_environment(Router(rules(None, [])), ["python"], {"HOME": "/root"}) is None


@pytest.mark.parametrize(
    "arguments",
    [
        ["psql", "postgresql://app@localhost:5432/shop"],
        ["pg_dump", "--dbname=postgresql://app@localhost:5432/shop"],
        ["/usr/bin/psql", "-dpostgresql://app@localhost:5432/shop"],
    ],
)
def test_a_url_that_a_tool_is_given_is_learned(arguments: list[str]) -> None:
    learned: list[Target] = []
    made = led_environment(Router(rules(None, learned)), arguments, {"HOME": "/root"})
    assert learned == [SHOP]
    assert made is not None
    assert made["PGHOST"] == "/srv/w1"


@pytest.mark.parametrize("arguments", [["psql", "postgresql://app@db.lan/shop"], ["psql", "-l"]])
def test_other_arguments_of_tools_teach_nothing(arguments: list[str]) -> None:
    learned: list[Target] = []
    assert led_environment(Router(rules(None, learned)), arguments, {}) is None
    assert learned == []
