"""How scripts/benchmark reads summaries, compares runs, and keeps the page of results."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[3] / "scripts"))

from benchmarking.__main__ import put_section
from benchmarking.confusion import Suite, matrix
from benchmarking.measuring import Measurement, outcomes
from benchmarking.tables import comparison


@pytest.mark.parametrize(
    ("output", "counts"),
    [
        ("..\n560 passed, 1 skipped, 1 xfailed in 26.6s\n", {"passed": 560, "skipped": 1, "xfailed": 1}),
        ("\x1b[31m2 failed\x1b[0m, 1 passed, 3 errors in 1s", {"failed": 2, "passed": 1, "error": 3}),
        ("1 failed, 1 error in 1s\n", {"failed": 1, "error": 1}),
        ("5,000 passed in 4.2 s on 4 workers\n  speed-up 2x\n", {"passed": 5000}),
        ("3 not run in 0.0 ms on 4 workers", {"not run": 3}),
        ("no tests ran in 0.01s", {}),
    ],
)
def test_outcomes(output, counts):
    assert outcomes(output) == counts


def measured(wall: float, cpu: float, mib: int = 0, **counts: int) -> Measurement:
    return Measurement(wall, cpu, mib * 1024 * 1024, 0, counts, timed_out=False)


def test_comparison_shows_medians_ratios_and_failures():
    timed = {
        "pytest": [measured(10, 8, passed=5), measured(12, 8, passed=5), measured(30, 8, passed=5)],
        "ours": [measured(3, 4, passed=5), measured(6, 4, passed=4, failed=1), measured(6, 4, passed=5)],
    }
    weighed = {"pytest": [measured(0, 0, 200)], "ours": [measured(0, 0, 50)]}
    *_, base, ours = comparison(timed, weighed, "pytest").splitlines()
    assert base == "| `pytest` | 12.00 (10.00-30.00) | 1.00 | 8.00 | 1.00 | 200 | 1.00 | 0 | 0 of 5 |"
    assert ours == "| `ours` | 6.00 (3.00-6.00) | 0.50 | 4.00 | 0.50 | 50 | 0.25 | 0 | 0-1 of 5 |"


def test_a_new_section_goes_to_the_end(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n## One\n\n1\n")
    put_section(page, "Two", "## Two\n\n2\n")
    assert page.read_text() == "# Title\n\n## One\n\n1\n\n## Two\n\n2\n"


def test_a_known_section_is_replaced_and_the_others_stay(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("# Title\n\n## One\n\nold\n\n## Two\n\n2\n")
    put_section(page, "One", "## One\n\nnew\n")
    put_section(page, "One", "## One\n\nnew\n")
    assert page.read_text() == "# Title\n\n## One\n\nnew\n\n## Two\n\n2\n"


def test_a_confusion_matrix_tells_exact_from_higher_and_lower():
    shown = matrix({(0, 0): 6, (3, 2): 3, (1, 3): 1}, unseen=2)
    assert shown.splitlines() == [
        "| static, below; observed, right | NONE | READ | ISOLATED | SHARED |",
        "|---|---|---|---|---|",
        "| NONE | 6 |  |  |  |",
        "| READ_ONLY |  |  |  | 1 |",
        "| ISOLATED_WRITES |  |  |  |  |",
        "| SHARED_WRITES |  |  | 3 |  |",
        "",
        (
            "10 tests observed, 2 not (skipped, failed): exact 6 (60.0 %), static higher 3 (30.0 %),"
            " static lower 1 (10.0 %)."
        ),
    ]


def test_a_suite_is_named_by_its_directory_and_has_a_python(tmp_path):
    assert Suite.parse("a/b", tmp_path) == Suite("b", tmp_path / "a/b", Path(sys.executable))
    assert Suite.parse("x=/s@/v/python", tmp_path) == Suite("x", Path("/s"), Path("/v/python"))
