"""Rejoining: tests that may leave their file stay in it where a dear fixture would be built once more.

While a file with its fixtures fits into one worker's part of the run, taking tests out of it cannot make
the run shorter: whoever gets them has to build the fixture, too.
"""

from __future__ import annotations

from collections.abc import Iterable

from dbsafe_runner.planning.batching import DEAR_SECONDS, Builder, Draft, fixture_words, runs_alone
from dbsafe_runner.planning.request import Grouping


def rejoin(builder: Builder, drafts: list[Draft], apart: frozenset[int]) -> list[Draft]:
    """Put drafts of free tests back to the others of their file with which they share a dear fixture.

    Args:
        builder: knows the tests, and one worker's part of the run.
        drafts: in the order of their first tests; those that take in others are changed.
        apart: tests whose batches wait for others, or are waited for.
    """
    if builder.request.grouping is Grouping.TEST:
        return drafts
    tests, declared = builder.groups.tests, builder.groups.declared
    fixed = apart | declared.first | declared.last
    of_file: dict[str, list[Draft]] = {}
    for item in drafts:
        # What joins a batch that runs alone, or whose place is fixed, would share its lot.
        if fixed.isdisjoint(item.numbers) and not _any_alone(builder, item):
            for file in dict.fromkeys(tests[number].file for number in item.numbers):
                of_file.setdefault(file, []).append(item)
    gone: set[int] = set()
    for together in of_file.values():
        for item in [one for one in together if one.splittable]:
            if _take_in(builder, item, [one for one in together if id(one) not in gone]):
                gone.add(id(item))
    left = [item for item in drafts if id(item) not in gone]
    return sorted(left, key=lambda item: item.numbers[0])


def _any_alone(builder: Builder, item: Draft) -> bool:
    return any(runs_alone(builder.request, builder.groups.kinds[number]) for number in item.numbers)


def _take_in(builder: Builder, item: Draft, others: Iterable[Draft]) -> bool:
    """Move the tests of `item` to the draft where that saves most; False when it saves nowhere."""
    mine = builder.instances(item.numbers)
    found: list[tuple[float, Draft, list[str]]] = []
    for one in others:
        common = mine.keys() & builder.instances(one.numbers).keys()
        saved = sum(mine[name] for name in common)
        if one is item or saved < DEAR_SECONDS or builder.rule_of(one) != builder.rule_of(item):
            continue
        if builder.work([*item.numbers, *one.numbers]) <= builder.share:
            found.append((saved, one, sorted(common)))
    if not found:
        return False
    _, host, names = max(found, key=lambda one: one[0])
    host.numbers = sorted([*host.numbers, *item.numbers])
    host.reasons.append(f"building {fixture_words(names)} again costs more than it gains")
    return True
