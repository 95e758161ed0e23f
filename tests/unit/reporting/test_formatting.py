from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dbsafe_runner.reporting.formatting import clock_text, counted, elided, seconds_text, shortened


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 ms"),
        (0.0021, "2.1 ms"),
        (0.85, "850 ms"),
        (0.9996, "1.0 s"),
        (59.96, "60.0 s"),
        (99.96, "1 min 40 s"),
        (3599.7, "1 h 00 min"),
        (7380, "2 h 03 min"),
    ],
)
def test_seconds(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


@pytest.mark.parametrize(("seconds", "text"), [(7.9, "0:07"), (760, "12:40"), (3723, "1:02:03")])
def test_clock(seconds: float, text: str) -> None:
    assert clock_text(seconds) == text


def test_counted() -> None:
    assert counted(1, "test") == "1 test"
    assert counted(1200, "batch", "batches") == "1,200 batches"


def test_the_beginning_of_a_long_reason_stays() -> None:
    assert shortened("AssertionError: x", 17) == "AssertionError: x"
    assert shortened("AssertionError: " + "x" * 1500, 20) == "AssertionError: xxx…"


def test_both_ends_of_a_long_name_stay() -> None:
    assert elided("tests/orders/test_checkout.py::test_total", 20) == "tests/…y::test_total"


@given(st.text(), st.integers(-3, 60), st.sampled_from(["…", "..."]))
def test_elided_text_fits_and_short_text_stays(text: str, width: int, ellipsis: str) -> None:
    result = elided(text, width, ellipsis)
    assert len(result) <= max(width, 0)
    if len(text) <= width:
        assert result == text
