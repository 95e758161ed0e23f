"""What is found of runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dbsafe_runner.database import janitor


def test_a_run_in_memory_and_on_disk_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    roots = tmp_path / "disk", tmp_path / "memory"
    for root, server in zip(roots, ("w1", "w2"), strict=True):
        (root / "588e2d" / server / "data").mkdir(parents=True)
        facts = {"pid": 7, "started": 1.0}
        (root / "588e2d" / "owner").write_text(json.dumps(facts), encoding="utf-8")
    monkeypatch.setattr(janitor, "disk_root", lambda: roots[0])
    monkeypatch.setattr(janitor, "memory_root", lambda: roots[1])
    (run,) = janitor.find_runs()
    assert (run.name, run.pid, run.servers, run.living) == ("588e2d", 7, 2, False)
    assert set(run.paths) == {root / "588e2d" for root in roots}
