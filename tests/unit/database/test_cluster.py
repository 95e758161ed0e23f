"""Settings of servers by major version."""

from __future__ import annotations

from pathlib import Path

from dbsafe_runner.database.account import Account
from dbsafe_runner.database.binaries import Binaries
from dbsafe_runner.database.cluster import settings_for, shorten_wal
from dbsafe_runner.database.server import Installation


def test_only_versions_that_know_a_setting_get_it() -> None:
    assert "io_method" not in settings_for(17)
    assert settings_for(18)["io_method"] == "sync"
    assert settings_for(19)["io_method"] == "sync"


def test_what_a_test_could_notice_keeps_its_default() -> None:
    noticeable = {
        "max_connections",
        "timezone",
        "default_transaction_isolation",
        "wal_level",
        "work_mem",
    }
    assert not noticeable & settings_for(18).keys()


def test_an_installation_without_pg_resetwal_will_do(tmp_path: Path) -> None:
    binaries = Binaries(tmp_path, "14.1", 140001, "14.1-abc")
    shorten_wal(Installation(binaries, Account("someone", 0, 0, switch=False)), tmp_path)
