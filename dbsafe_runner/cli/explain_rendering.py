"""Explain rendering: what is known of a test, with the lines of source that say so."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from typing import Final

from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbsafe_runner.cli.plan_rendering import by_count, console_for
from dbsafe_runner.config import RunRequest
from dbsafe_runner.domain.evidence import Evidence, Source
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.planning.explanation import Explanation, explain
from dbsafe_runner.reporting.formatting import counted, seconds_text
from dbsafe_runner.session.prospect import Prospect
from dbsafe_runner.session.sources import SourceFiles

#: Names shown of a set, and tests shown of a batch.
_SHOWN: Final = 6
_SOURCES: Final = {
    Source.MARKER: "magenta",
    Source.RULE: "magenta",
    Source.OBSERVED: "green",
    Source.STATIC: "cyan",
    Source.UNKNOWN: "yellow",
}


def show(found: Prospect, nodeids: Sequence[str], request: RunRequest) -> None:
    """Print the explanation of a test; of several with the same name, that of the first."""
    console = console_for(request)
    told = explain(nodeids[0], found.plan, found.request)
    assert told is not None
    console.print(Text(told.nodeid, style="bold"))
    if len(nodeids) > 1:
        console.print(Text(_alike(found, nodeids), style="dim"))
    console.print()
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for title, text in _facts(told):
        table.add_row(title, text)
    console.print(table)
    _show_evidence(console, told.chain, found)
    console.print()
    console.print(Text("what would change it", style="bold"))
    for advice in told.would_change:
        _show_item(console, "- ", advice)


def _alike(found: Prospect, nodeids: Sequence[str]) -> str:
    levels: dict[str, int] = {}
    for nodeid in nodeids:
        name = found.knowledge.classifications[nodeid].level.name
        levels[name] = levels.get(name, 0) + 1
    shared = ", ".join(f"{count} are {name}" for name, count in by_count(levels))
    return f"the first of {len(nodeids)} with different parameters; {shared}"


def _facts(told: Explanation) -> Iterator[tuple[str, str]]:
    yield "level", f"{int(told.level)} {told.level.name}: {told.meaning}"
    yield "footprint", "\n".join(footprint_lines(told.footprint))
    yield "cost", cost_line(told.footprint)
    resets = "after each test" if told.reset == "each-test" else "after its batch"
    extras = [
        word for word, holds in (("runs alone", told.exclusive), ("fresh process", told.fresh)) if holds
    ]
    yield "isolation", "; ".join([told.isolation, f"reset {resets}", *extras])
    yield "batch", _batch(told)
    if told.waits_for:
        yield "waits for", "\n".join(told.waits_for)
    source = "from earlier runs" if told.seconds_known else "an estimate; it has not run yet"
    yield "takes", f"{seconds_text(told.seconds)}, {source}"


def _batch(told: Explanation) -> str:
    others = len(told.together) - 1
    if not others:
        return f"number {told.batch}, by itself"
    apart = "may be split between workers" if told.may_be_split else "stays on one worker"
    why = told.why.removeprefix("together: ").removeprefix("may be split: ")
    return f"number {told.batch}, with {counted(others, 'other test')}; {apart}: {why}"


def footprint_lines(footprint: Footprint) -> list[str]:
    """A footprint in words."""
    lines = [*_database_lines(footprint)]
    if not lines:
        lines.append("connects, and writes nothing" if footprint.connects else "does not connect")
    if footprint.alone:
        lines.append("needs to run with nothing beside it")
    if footprint.shares:
        lines.append(f"shares state in the process: {_listed(footprint.shares)}")
    if footprint.confidence < 1:
        lines.append(f"certain to {footprint.confidence:.0%}")
    return lines


def cost_line(footprint: Footprint) -> str:
    """What a test is expected to need, in words."""
    opens = counted(footprint.connections, "connection")
    if not footprint.connections:
        opens = "connections not known" if footprint.connects else "no connection"
    if footprint.processes:
        opens += f", {counted(footprint.processes, 'process', 'processes')} that may connect"
    return f"processor {footprint.cpu.name.lower()}, memory {footprint.memory.name.lower()}, {opens}"


def _database_lines(footprint: Footprint) -> Iterator[str]:
    if footprint.reads:
        yield f"reads {_listed(footprint.reads)}"
    tables = footprint.writes - footprint.sequences
    if tables:
        after = "remains" if footprint.outlives else "is gone afterwards"
        yield f"writes {_listed(tables)}; what it writes {after}"
    if footprint.sequences:
        yield f"moves sequences on: {_listed(footprint.sequences)}"
    elif footprint.outlives and not tables:
        yield "may leave something behind"
    if footprint.schema_changes:
        yield "changes the schema"
    if footprint.cluster:
        undone = ", and takes it back" if footprint.cluster_undone else ""
        yield f"changes the whole server{undone}: {_listed(footprint.cluster)}"
    if footprint.signals:
        yield f"uses the database's {_listed(footprint.signals)}, as any session of it may"
    if footprint.batch_writes:
        yield f"its module's or class's fixtures write {_listed(footprint.batch_writes)}"


def _listed(names: frozenset[str]) -> str:
    ordered = sorted(names)
    more = len(ordered) - _SHOWN
    return ", ".join(ordered[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _show_evidence(console: Console, chain: Sequence[Evidence], found: Prospect) -> None:
    console.print()
    console.print(Text("evidence, strongest first", style="bold"))
    files = found.files
    for one in chain:
        label = Text(f"{one.source.value:<9}", style=_SOURCES[one.source])
        place = (
            f"  {one.file}:{one.line}" if one.file and one.line else f"  {one.file}" if one.file else ""
        )
        _show_item(console, label, one.what + place)
        source = _line_of(files, one)
        if source:
            console.print(
                Text(f"    {one.line:>5} | {source}", style="dim"), no_wrap=True, overflow="ellipsis"
            )


def _line_of(files: SourceFiles, evidence: Evidence) -> str:
    if not evidence.file or not evidence.line:
        return ""
    path = evidence.file if evidence.file.startswith("/") else f"{files.rootdir}/{evidence.file}"
    lines = (files.read(path) or "").split("\n")
    return lines[evidence.line - 1].strip() if evidence.line <= len(lines) else ""


def _show_item(console: Console, label: Text | str, text: str) -> None:
    """Text behind a label, its further lines below its first."""
    start = label if isinstance(label, Text) else Text(label)
    width = max(console.width - start.cell_len - 2, 20)
    lines = textwrap.wrap(text, width, break_long_words=False, break_on_hyphens=False) or [""]
    for number, line in enumerate(lines):
        head = start if number == 0 else Text(" " * start.cell_len)
        console.print(Text.assemble("  ", head, line), soft_wrap=True)
