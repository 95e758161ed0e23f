from __future__ import annotations

from pathlib import Path

import pytest

from dbsafe_runner.config import Config, load_config
from dbsafe_runner.domain.isolation import NamespaceKind
from dbsafe_runner.domain.level import Level
from dbsafe_runner.session.strategy import caps_for, chosen_strategy, live_range, worker_count

MINE = """
[run]
isolation = "mine"
[strategies.mine]
based_on = "balanced"
workers = [3, 5]
live = true
"""


def configured(folder: Path, text: str) -> Config:
    (folder / "runner.toml").write_text(text)
    return load_config(folder, environment={})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('[run]\nisolation = "adaptive"', (2, 8)),
        ('[run]\nisolation = "adaptive"\n[workers]\ncount = 4', None),
        ('[run]\nisolation = "balanced"', None),
        ("", None),
        (MINE, (3, 5)),
    ],
    ids=["adaptive", "asked-for", "balanced", "default", "own"],
)
def test_the_number_of_workers_is_live_only_where_it_was_left_to_the_load(
    tmp_path: Path, text: str, expected: tuple[int, int] | None
) -> None:
    config = configured(tmp_path, text)
    strategy = chosen_strategy(config)
    assert live_range(config, strategy) == expected
    if expected is not None:
        assert expected[0] <= worker_count(config, strategy) <= expected[1]


def test_caps_follow_the_number_of_workers(tmp_path: Path) -> None:
    strategy = chosen_strategy(configured(tmp_path, '[run]\nisolation = "conservative"'))
    caps = caps_for(strategy, NamespaceKind.SCHEMA, 8)
    assert sorted(caps) == list(range(1, 9))
    assert caps[8][Level.ISOLATED_WRITES] == 4
    assert caps[4][Level.ISOLATED_WRITES] == 2
