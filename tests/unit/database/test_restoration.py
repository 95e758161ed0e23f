"""Moments: which rows may yet turn up behind a mark."""

from __future__ import annotations

import pytest

from dbsafe_runner.database.restoration import Moment


@pytest.mark.parametrize(
    ("snapshot", "own", "moment"),
    [
        ("100:100:", 0, Moment(100, 100)),
        ("100:105:100,103", 0, Moment(105, 100)),
        # Our own transaction is listed as open, and is not to be waited for.
        ("100:101:100", 100, Moment(101, 101)),
        ("98:101:98,100", 100, Moment(101, 98)),
        # It may also be the next one, when the snapshot was taken before it got its id.
        ("100:100:", 100, Moment(101, 101)),
    ],
)
def test_moments(snapshot: str, own: int, moment: Moment) -> None:
    assert Moment.of(snapshot, own) == moment
