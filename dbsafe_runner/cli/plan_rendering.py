"""Plan rendering: a prospect as a table for people, and as JSON for programs. Decides nothing."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dbsafe_runner.analysis.overrides import Note
from dbsafe_runner.config import RunRequest
from dbsafe_runner.domain.batch import Batch
from dbsafe_runner.domain.level import Level
from dbsafe_runner.planning.explanation import LevelRow, level_rows
from dbsafe_runner.planning.grouping import strongest
from dbsafe_runner.reporting.formatting import counted, seconds_text
from dbsafe_runner.session.prospect import Prospect

JSON_VERSION: Final = 1
#: What puts a test on a level, in as few words as a narrow terminal has room for.
_WHY: Final = {
    Level.NONE: "no connection",
    Level.READ_ONLY: "changes nothing",
    Level.ISOLATED_WRITES: "leaves nothing behind",
    Level.SHARED_WRITES: "leaves rows, or unknown",
    Level.SCHEMA_CHANGES: "changes the schema",
    Level.SEQUENTIAL_ONLY: "cannot be kept apart",
}
#: Batches and notes that are shown without -v.
_BATCHES: Final = 6
_NOTES: Final = 6


def console_for(request: RunRequest) -> Console:
    """A console on standard output; what is piped is as wide as it needs to be."""
    terminal = sys.stdout.isatty()
    return Console(
        force_terminal=request.colour,
        no_color=not request.colour,
        width=None if terminal else 120,
        highlight=False,
        emoji=False,
        markup=False,
    )


def show(found: Prospect, request: RunRequest) -> None:
    """Print a prospect; with -v all batches, with -vv their tests."""
    console = console_for(request)
    console.print(_headline(found))
    if found.request.tests:
        rows = level_rows(found.plan, found.request)
        blocks = (_levels(rows), _prediction(found), _comparison(found), _processors(found))
        for block in (*blocks, *_batches(found, request.verbosity)):
            console.print()
            console.print(block)
    lines = [*_surprises(found.notes), *_notes(found.notes, request.verbosity)]
    if lines:
        console.print()
    for line in lines:
        console.print(line)


def _headline(found: Prospect) -> Text:
    files = len({test.file for test in found.request.tests})
    where = "found in the sources" if found.static else "collected"
    circumstances = found.circumstances
    text = Text()
    text.append(f"{counted(len(found.request.tests), 'test')} in {counted(files, 'file')}", style="bold")
    text.append(f" {where}; strategy {found.plan.strategy}, {counted(found.plan.workers, 'worker')},")
    text.append(f" a {circumstances.kind.value} for each")
    if found.static:
        text.append("\nParameters are not known without collecting: a parametrised test counts as one.")
    return text


def _table(*columns: tuple[str, str]) -> Table:
    """A table without lines between rows; columns are (title, "left" or "right")."""
    table = Table(
        box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, padding=(0, 1, 0, 0), header_style="bold"
    )
    for title, side in columns:
        table.add_column(title, justify="right" if side == "right" else "left")
    return table


def _levels(rows: Iterable[LevelRow]) -> Table:
    table = _table(
        ("level", "left"),
        ("tests", "right"),
        ("time", "right"),
        ("isolation", "left"),
        ("at once", "left"),
        ("why", "left"),
    )
    for column in (0, 1, 2, 3):
        table.columns[column].no_wrap = True
    for row in rows:
        table.add_row(
            f"{int(row.level)} {row.level.name}",
            f"{row.tests:,}",
            f"{row.share:.0%}",
            ",\n".join(row.isolation),
            row.concurrency,
            f"{_WHY[row.level]}\n{_sources(row.sources)}",
        )
    return table


def _sources(sources: Mapping[str, int]) -> str:
    """Where levels are known from: "observed", or 158 observed and 2 static."""
    if len(sources) == 1:
        return next(iter(sources))
    return ", ".join(f"{count:,} {source}" for source, count in by_count(sources))


def by_count(sources: Mapping[str, int]) -> list[tuple[str, int]]:
    """Sources with the number of tests that they speak for, the most first."""
    return sorted(sources.items(), key=lambda item: (-item[1], item[0]))


def _prediction(found: Prospect) -> Text:
    plan, known, total = found.plan, found.known_durations, len(found.request.tests)
    text = Text()
    text.append("predicted: ", style="bold")
    text.append(f"{seconds_text(plan.predicted_wall)}, at best {seconds_text(plan.lower_bound)};")
    text.append(f" limited by {plan.limited_by}\n")
    if not known:
        text.append("No duration is known yet: after one run, this is a prediction.", style="yellow")
    elif known < total:
        text.append(f"{known:,} of {total:,} durations are known from earlier runs; ", style="dim")
        text.append("the others are estimated from these.", style="dim")
    else:
        text.append("All durations are known from earlier runs.", style="dim")
    return text


def _comparison(found: Prospect) -> Table:
    table = _table(
        ("workers", "right"), ("predicted", "right"), ("at best", "right"), ("limited by", "left")
    )
    for one in found.comparisons:
        ours = one.workers == found.plan.workers
        table.add_row(
            f"{'> ' if ours else ''}{one.workers}",
            seconds_text(one.predicted),
            seconds_text(one.lower_bound),
            one.limited_by,
            style="bold" if ours else "",
        )
    return table


def _processors(found: Prospect) -> Text:
    """What the comparison cannot know: how tests slow each other down."""
    processors = counted(found.cores, "processor")
    text = f"Durations are taken as they were measured. Here are {processors}: tests that keep them busy"
    return Text(
        f"{text} take longer\nthe more workers there are, and gain nothing from more of them.", "dim"
    )


def _batches(found: Prospect, verbosity: int) -> list[Table | Text]:
    plan = found.plan
    ordered = sorted(plan.batches, key=lambda batch: (-_time(batch), batch.id))
    shown = ordered if verbosity > 0 else ordered[:_BATCHES]
    tests = {test.index: test for test in found.request.tests}
    table = _table(
        ("batch", "right"), ("time", "right"), ("tests", "right"), ("level", "left"), ("what", "left")
    )
    table.columns[1].no_wrap = table.columns[3].no_wrap = True
    for batch in shown:
        what = _what(batch, [tests[index].file for index in batch.tests])
        if verbosity > 1:
            what += "".join(f"\n  {tests[index].nodeid}" for index in batch.tests)
        table.add_row(
            str(batch.id),
            seconds_text(_time(batch)),
            f"{len(batch.tests):,}",
            batch.level.name,
            what,
        )
    title = f"{counted(len(plan.batches), 'batch', 'batches')}, the longest first"
    if len(shown) < len(ordered):
        title += f" ({len(shown)} of them; -v shows all)"
    return [Text(title, style="bold"), table]


def _time(batch: Batch) -> float:
    """Seconds of a batch with the fixtures that it builds."""
    return batch.total_seconds + batch.setup_seconds


def _what(batch: Batch, files: Sequence[str]) -> str:
    """Which tests a batch has, and why they are together, on few lines."""
    names = list(dict.fromkeys(files))
    what = names[0] + (f" and {counted(len(names) - 1, 'other file')}" if len(names) > 1 else "")
    # What the name of the file says already is not said again.
    why = batch.why.replace(f"together: file {names[0]}", "together")
    why = why.replace("its tests are known not to need each other", "independent tests")
    extras = [
        word for word, holds in (("alone", batch.exclusive), ("fresh process", batch.fresh)) if holds
    ]
    return "; ".join([what, *([why] if len(batch.tests) > 1 else []), *extras])


def _surprises(notes: Sequence[Note]) -> list[Text]:
    """How often static analysis was corrected, in one line: `explain` has each case."""
    low = [note for note in notes if note.code == "level-too-low" and note.message.startswith("static")]
    high = [
        note for note in notes if note.code == "level-too-high" and note.message.startswith("static")
    ]
    if not low and not high:
        return []
    text = f"observed otherwise than static analysis says: {counted(len(low) + len(high), 'test')}"
    return [Text(f"{text} ({len(low):,} higher, {len(high):,} lower)", style="dim")]


def _notes(notes: Sequence[Note], verbosity: int) -> list[Text]:
    """Notes, those of one kind after each other, each kind cut short unless -v is given."""
    by_code: dict[str, list[Note]] = {}
    for note in notes:
        if note.code.startswith("level-too-") and note.message.startswith("static"):
            continue
        by_code.setdefault(note.code, []).append(note)
    lines: list[Text] = []
    for group in by_code.values():
        shown = group if verbosity > 0 else group[:_NOTES]
        lines.extend(_with_hints(shown))
        if len(group) > len(shown):
            lines.append(
                Text(f"  and {len(group) - len(shown):,} more of these; -v shows all", style="dim")
            )
    return lines


def _with_hints(notes: Sequence[Note]) -> Iterator[Text]:
    """Notes of one kind, those that have a hint in common before that hint."""
    by_hint: dict[str, list[Note]] = {}
    for note in notes:
        by_hint.setdefault(note.hint, []).append(note)
    for hint, group in by_hint.items():
        for note in group:
            name = f" ({note.nodeid})" if note.nodeid and note.nodeid not in note.message else ""
            yield Text.assemble((f"{note.code}: ", "yellow"), f"{note.message}{name}")
        if hint:
            yield Text(f"  hint: {hint}", style="dim")


def as_json(found: Prospect) -> str:
    """The prospect as JSON. Times are seconds; tests and batches are in order."""
    plan = found.plan
    batch_of = {index: batch.id for batch in plan.batches for index in batch.tests}
    names = {test.index: test.nodeid for test in found.request.tests}
    values: dict[str, Any] = {
        "schema_version": JSON_VERSION,
        "strategy": plan.strategy,
        "workers": plan.workers,
        "namespace_kind": found.circumstances.kind.value,
        "grouping": found.circumstances.grouping.value,
        "static": found.static,
        "predicted": _milliseconds(plan.predicted_wall),
        "lower_bound": _milliseconds(plan.lower_bound),
        "limited_by": plan.limited_by,
        "known_durations": found.known_durations,
        "processors": found.cores,
        "alternatives": [
            {
                "workers": one.workers,
                "predicted": _milliseconds(one.predicted),
                "lower_bound": _milliseconds(one.lower_bound),
                "limited_by": one.limited_by,
            }
            for one in found.comparisons
        ],
        "levels": [_level(row) for row in level_rows(plan, found.request)],
        "batches": [_batch(batch, names) for batch in plan.batches],
        "tests": [_test(found, test.nodeid, batch_of[test.index]) for test in found.request.tests],
        "notes": [
            {"code": note.code, "message": note.message, "hint": note.hint, "nodeid": note.nodeid}
            for note in found.notes
        ],
    }
    return json.dumps(values, indent=1) + "\n"


def _milliseconds(seconds: float) -> float:
    """Seconds to the millisecond: sums have further digits that mean nothing."""
    return round(seconds, 3)


def _level(row: LevelRow) -> dict[str, Any]:
    return {
        "level": int(row.level),
        "name": row.level.name,
        "tests": row.tests,
        "batches": row.batches,
        "seconds": _milliseconds(row.seconds),
        "share": round(row.share, 4),
        "isolation": list(row.isolation),
        "at_once": row.concurrency,
        "why": row.why,
        "sources": dict(row.sources),
    }


def _batch(batch: Batch, names: Mapping[int, str]) -> dict[str, Any]:
    return {
        "id": batch.id,
        "tests": [names[index] for index in batch.tests],
        "seconds": _milliseconds(batch.total_seconds),
        "setup_seconds": _milliseconds(batch.setup_seconds),
        "level": int(batch.level),
        "isolation": batch.isolation.value,
        "reset": batch.reset.value,
        "exclusive": batch.exclusive,
        "fresh": batch.fresh,
        "splittable": batch.splittable,
        "after": list(batch.after),
        "why": batch.why,
    }


def _test(found: Prospect, nodeid: str, batch: int) -> dict[str, Any]:
    kind = found.knowledge.classifications[nodeid]
    forecast = found.request.forecasts[nodeid]
    seen = found.knowledge.observed_level(nodeid, found.circumstances)
    return {
        "nodeid": nodeid,
        "level": int(kind.level),
        "source": strongest(kind).value,
        "static_level": int(found.knowledge.static_level(nodeid, found.circumstances)),
        "observed_level": None if seen is None else int(seen),
        "confidence": kind.footprint.confidence,
        "seconds": _milliseconds(forecast.seconds),
        "seconds_known": forecast.known,
        "cost": {
            "connections": kind.footprint.connections,
            "processes": kind.footprint.processes,
            "processor": kind.footprint.cpu.name.lower(),
            "memory": kind.footprint.memory.name.lower(),
        },
        "batch": batch,
    }
