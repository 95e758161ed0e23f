"""Snapshots give back what they were given, from memory or from a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from dbsafe_runner.database.snapshot import Snapshot


def _fill(snapshot: Snapshot, rows: list[bytes]) -> None:
    for row in rows:
        snapshot.add(row)
    snapshot.add(b"")


@pytest.mark.parametrize("count", [0, 1, 1000])
def test_small_tables_stay_in_memory(tmp_path: Path, count: int) -> None:
    rows = [b"%d\tx\n" % number for number in range(count)]
    snapshot = Snapshot(str(tmp_path))
    _fill(snapshot, rows)
    assert snapshot.rows == count
    assert b"".join(snapshot.chunks()) == b"".join(rows)
    assert list(tmp_path.iterdir()) == []


def test_large_tables_go_to_a_file_and_can_be_read_again(tmp_path: Path) -> None:
    rows = [b"%d\t%s\n" % (number, b"x" * 1000) for number in range(5000)]
    snapshot = Snapshot(str(tmp_path))
    _fill(snapshot, rows)
    assert snapshot.rows == 5000
    assert len(list(tmp_path.iterdir())) == 1
    for _ in range(2):
        assert b"".join(snapshot.chunks()) == b"".join(rows)
    snapshot.discard()
    assert list(tmp_path.iterdir()) == []


def test_two_large_tables_do_not_share_a_file(tmp_path: Path) -> None:
    first, second = Snapshot(str(tmp_path)), Snapshot(str(tmp_path))
    _fill(first, [b"a" * 2_000_000 + b"\n"])
    _fill(second, [b"b" * 2_000_000 + b"\n"])
    assert set(b"".join(first.chunks())) == set(b"a\n")
    assert set(b"".join(second.chunks())) == set(b"b\n")


def test_without_a_scratch_directory_everything_is_kept_in_memory() -> None:
    snapshot = Snapshot("")
    _fill(snapshot, [b"a" * 3_000_000 + b"\n"])
    assert len(b"".join(snapshot.chunks())) == 3_000_001
