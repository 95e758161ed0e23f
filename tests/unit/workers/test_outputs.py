"""Pipes of several processes: whole characters, and what is held back until a worker lives."""

from __future__ import annotations

import os
import selectors
from collections.abc import Iterator

import pytest

from dbsafe_runner.workers.outputs import Outputs


class Printer:
    """The part of a process that `Outputs` looks at, with the end of the pipe to write to."""

    def __init__(self) -> None:
        self.output, self.writer = os.pipe()
        os.set_blocking(self.output, False)

    def print(self, data: bytes) -> None:
        os.write(self.writer, data)

    def end(self) -> None:
        os.close(self.writer)


@pytest.fixture
def shown() -> list[str]:
    return []


@pytest.fixture
def outputs(shown: list[str]) -> Iterator[Outputs]:
    with selectors.DefaultSelector() as selector:
        outputs = Outputs(selector, shown.append)
        yield outputs
        outputs.close()


def test_characters_in_pieces_are_put_together_for_each_process(
    outputs: Outputs, shown: list[str]
) -> None:
    one, two = Printer(), Printer()
    for printer in (one, two):
        outputs.watch(printer, hold=False)  # type: ignore[arg-type]
    euro = "€".encode()
    one.print(euro[:1])
    two.print(b"plain")
    outputs.drain()
    one.print(euro[1:])
    outputs.drain()
    assert sorted(shown) == ["plain", "€"]
    one.print(euro[:2])
    one.end()
    two.end()
    outputs.drain()
    assert shown[-1] == "\N{REPLACEMENT CHARACTER}"


def test_what_is_held_back_is_dropped_or_told(outputs: Outputs, shown: list[str]) -> None:
    lives, dies = Printer(), Printer()
    for printer in (lives, dies):
        outputs.watch(printer, hold=True)  # type: ignore[arg-type]
        printer.print(b"collecting\n")
    outputs.release(lives)  # type: ignore[arg-type]
    lives.print(b"running\n")
    lives.end()
    dies.end()
    assert outputs.held(dies) == "collecting"  # type: ignore[arg-type]
    outputs.drain()
    assert shown == ["running\n"]
