"""Marks: what a test's pytest marks say about order, company and Django's database handling."""

from __future__ import annotations

import ast

from dbsafe_runner.domain.test import Mark, Test

#: Marks by which suites say that a test runs with nothing beside it.
_SERIAL = frozenset(
    {"serial", "sequential", "no_parallel", "noparallel", "not_parallel", "isolated_serial", "run_alone"}
)
_ORDER = frozenset({"order", "run", "first", "last", "second", "second_to_last", "incremental_order"})


def literal(text: str) -> object:
    """Return the value of a `repr`; the text itself when it is not a literal."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text


def keyword(mark: Mark, name: str) -> object:
    """Return a keyword argument of a mark, or None."""
    return next((literal(text) for key, text in mark.kwargs if key == name), None)


def order(test: Test) -> str:
    """Return why a test must run alone because of its marks, in words; "" when none says so."""
    for mark in test.marks:
        if mark.name in _SERIAL:
            return f"is marked {mark.name}"
        if mark.name in _ORDER and (mark.name != "run" or keyword(mark, "order") is not None):
            arguments = [*mark.args, *(f"{key}={text}" for key, text in mark.kwargs)]
            return f"declares its place in the order: {mark.name}({', '.join(arguments)})"
    return ""


def group(test: Test) -> str:
    """Return the group of tests that must stay with this one because of its marks; "" for none."""
    if test.xdist_group:
        return test.xdist_group
    if any(mark.name in {"dependency", "incremental"} for mark in test.marks):
        return f"{test.file}::{test.cls}" if test.cls else test.file
    return ""


def django_mode(test: Test) -> str:
    """Return what pytest-django's mark asks for: "rolls-back", "flushes" or ""."""
    found = [mark for mark in test.marks if mark.name == "django_db"]
    if not found:
        return ""
    wanted = [*(literal(text) for text in found[0].args[:1]), keyword(found[0], "transaction")]
    resets = keyword(found[0], "reset_sequences")
    return "flushes" if True in wanted or resets is True else "rolls-back"
