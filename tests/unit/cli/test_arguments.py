from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.cli.arguments import OwnOptions, colour_wanted, split_arguments, verbosity_of

OWN = OwnOptions(
    frozenset({"--workers", "--timeout", "--pytest"}), frozenset({"--guard", "--no-guard", "-h"})
)


@pytest.mark.parametrize(
    ("line", "ours", "passed"),
    [
        ("tests -x", "", "tests -x"),
        ("--timeout 3 tests", "--timeout 3", "tests"),
        ("tests --timeout=3", "--timeout 3", "tests"),
        ("-k slow --workers 2", "--workers 2", "-k slow"),
        ("-k --workers 2", "", "-k --workers 2"),
        ("-k -x", "", "-k -x"),
        ("-pno:cacheprovider -p no:x", "", "-pno:cacheprovider -p no:x"),
        ("-m guard --no-guard", "--no-guard", "-m guard"),
        ("--maxfail 3 --lf --cov=shop --cov-report=", "", "--maxfail 3 --lf --cov=shop --cov-report="),
        ("-n 4", "--workers 4", ""),
        ("-n4 -nauto", "--workers 4 --workers auto", ""),
        ("--numprocesses=logical", "--workers auto", ""),
        ("--numprocesses 0 -n=2", "--workers 1 --workers 2", ""),
        ("-nope", "", "-nope"),
        ("-n", "--workers", ""),
        ("--timeout", "--timeout", ""),
        ("--timeout 2 -- --timeout=3 -h", "--timeout 2", "--timeout=3 -h"),
        ("a -- b -- c", "", "a b -- c"),
        ("--pytest -q", "--pytest -q", ""),
        ("-h", "-h", ""),
        ("-xvs -rA --tb=short", "", "-xvs -rA --tb=short"),
    ],
)
def test_ours_are_told_from_pytests(line: str, ours: str, passed: str) -> None:
    assert split_arguments(line.split(), OWN) == (ours.split(), passed.split())


WORDS = st.lists(
    st.sampled_from(["tests", "-x", "-k", "--lf", "--maxfail", "-vv", "-p", "a=b", "--", "-"])
)


@given(WORDS)
def test_what_is_not_ours_passes_untouched_and_in_order(words: list[str]) -> None:
    ours, passed = split_arguments(words, OWN)
    expected = list(words)
    cut = 0
    while cut < len(expected) and expected[cut] != "--":
        cut += 2 if expected[cut] in {"-k", "-p"} else 1
    if cut < len(expected):
        del expected[cut]
    assert (ours, passed) == ([], expected)


@pytest.mark.parametrize(
    ("line", "verbosity"),
    [
        ("", 0),
        ("-v", 1),
        ("-vv -q", 1),
        ("-xvs", 1),
        ("-qq", -2),
        ("--verbose --quiet --quiet", -1),
        ("--verbosity=2", 2),
        ("-k v -m q", 0),
        ("-kvery -pv", 0),
        ("-rv", 0),
        ("-p -v", 0),
        ("--vvv", 0),
    ],
)
def test_verbosity_is_counted_as_pytest_does(line: str, verbosity: int) -> None:
    assert verbosity_of(line.split()) == verbosity


@pytest.mark.parametrize(
    ("line", "environment", "terminal", "wanted"),
    [
        ("", {}, True, True),
        ("", {}, False, False),
        ("", {"NO_COLOR": "1"}, True, False),
        ("", {"NO_COLOR": ""}, True, True),
        ("", {"FORCE_COLOR": "1"}, False, True),
        ("", {"FORCE_COLOR": "1", "NO_COLOR": "1"}, True, False),
        ("", {"PY_COLORS": "1", "NO_COLOR": "1"}, False, True),
        ("", {"TERM": "dumb"}, True, False),
        ("--color=yes", {"NO_COLOR": "1"}, False, True),
        ("--color no", {"FORCE_COLOR": "1"}, True, False),
        ("--color=auto", {}, True, True),
    ],
)
def test_colour(line: str, environment: dict[str, str], terminal: bool, wanted: bool) -> None:
    assert colour_wanted(line.split(), environment, terminal=terminal) is wanted
