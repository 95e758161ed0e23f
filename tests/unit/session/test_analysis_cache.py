from __future__ import annotations

from pathlib import Path

import pytest

from dbsafe_runner.session.analysis_cache import AnalysisCache


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "analysis"


def test_values_come_back(path):
    cache = AnalysisCache(path)
    cache["tests:a.py"] = b"\0\xff binary"
    cache["graph"] = b""
    cache.save()
    again = AnalysisCache(path)
    assert dict(again) == {"tests:a.py": b"\0\xff binary", "graph": b""}
    again["graph"] = b"new"
    del again["tests:a.py"]
    again.save()
    assert dict(AnalysisCache(path)) == {"graph": b"new"}
    assert [entry.name for entry in path.parent.iterdir()] == ["analysis"]


def test_a_value_that_is_not_there(path):
    cache = AnalysisCache(path)
    assert cache.get("graph") is None
    with pytest.raises(KeyError):
        del cache["graph"]


def test_nothing_new_is_not_written(path):
    AnalysisCache(path).save()
    assert not path.exists()


@pytest.mark.parametrize("cut", [0, 5, 24, 30, 40, 60])
def test_a_torn_file_is_as_if_it_were_not_there(path, cut):
    cache = AnalysisCache(path)
    cache["graph"] = b"value" * 10
    cache.save()
    whole = path.read_bytes()
    path.write_bytes(whole[:cut])
    assert len(AnalysisCache(path)) == 0


def test_what_another_analysis_found_is_as_if_it_were_not_there(path):
    cache = AnalysisCache(path, b"older")
    cache["graph"] = b"value"
    cache.save()
    assert len(AnalysisCache(path, b"older")) == 1
    assert len(AnalysisCache(path)) == 0


def test_what_is_no_cache_is_as_if_it_were_not_there(path):
    path.parent.mkdir()
    path.write_bytes(b"\xff" * 200)
    assert len(AnalysisCache(path)) == 0


def test_a_place_that_cannot_be_written_to_is_let_go(tmp_path):
    (tmp_path / "file").write_text("")
    cache = AnalysisCache(tmp_path / "file" / "analysis")
    cache["graph"] = b"value"
    cache.save()
    assert (tmp_path / "file").read_text() == ""
