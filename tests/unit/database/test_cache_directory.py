"""Where the cache is, by account and environment."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from dbsafe_runner.database.account import Account
from dbsafe_runner.database.cache import cache_directory, candidate_directories
from dbsafe_runner.errors import UserError

FALLBACK = Path(f"/tmp/dbsafe-cache-{os.geteuid()}")


@pytest.mark.parametrize(
    ("root", "environment", "directories"),
    [
        (False, {"HOME": "/home/me"}, [Path("/home/me/.cache/dbsafe"), FALLBACK]),
        (False, {"HOME": "/home/me", "XDG_CACHE_HOME": "/c"}, [Path("/c/dbsafe"), FALLBACK]),
        (False, {}, [FALLBACK]),
        (True, {"HOME": "/root", "XDG_CACHE_HOME": "/root/c"}, [Path("/var/cache/dbsafe"), FALLBACK]),
        (True, {"DBSAFE_CACHE_DIR": "/fast"}, [Path("/fast")]),
        (False, {"DBSAFE_CACHE_DIR": "/fast", "HOME": "/home/me"}, [Path("/fast")]),
    ],
)
def test_candidates(root: bool, environment: dict[str, str], directories: list[Path]) -> None:
    assert candidate_directories(root, environment, "/tmp") == directories


def test_an_unusable_directory_is_an_error_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    account = Account(name="me", uid=os.geteuid(), gid=os.getegid(), switch=False)
    with pytest.raises(UserError) as caught:
        cache_directory(account, {"DBSAFE_CACHE_DIR": str(tmp_path / "file" / "cache")})
    assert caught.value.code == "cache-unusable"
    assert str(tmp_path / "file" / "cache") in caught.value.cause
    assert "DBSAFE_CACHE_DIR" in caught.value.hint
