"""Files that outlive a test, and those in directories of its own."""

from __future__ import annotations

import pytest

HEAD = """
import os
import pathlib
import shutil
import tempfile

import pytest
"""


@pytest.mark.parametrize(
    "write",
    [
        "pathlib.Path('left').write_text('x')",
        "LEFT.write_text('x')",
        "LEFT.write_bytes(b'x')",
        "(LEFT / 'more').touch()",
        "LEFT.mkdir(exist_ok=True)",
        "LEFT.unlink()",
        "LEFT.rename('right')",
        "open('left', 'w')",
        "open(LEFT, 'a')",
        "open(LEFT, mode='r+')",
        "LEFT.open('x')",
        "place().write_text('x')",
        "open(place(), 'w')",
        "os.makedirs('left')",
        "os.remove(LEFT)",
        "shutil.copy(tmp_path / 'x', LEFT)",
        "shutil.move(LEFT, tmp_path / 'x')",
        "shutil.rmtree(place())",
        "store(LEFT)",
        "pathlib.Path(__file__).with_name('x').write_text('x')",
        "pathlib.Path(tempfile.gettempdir(), 'x').write_text('x')",
    ],
)
def test_files_outside_of_a_temporary_directory_are_shared(suite, write: str) -> None:
    source = f"""
from elsewhere import place

LEFT = pathlib.Path("left")

def store(path):
    path.write_text("x")

def test_writes(tmp_path):
    {write}

def test_reads():
    pass
"""
    assert suite({"test_it.py": HEAD + source}).shares() == {"test_writes": True, "test_reads": True}


@pytest.mark.parametrize(
    "write",
    [
        "(tmp_path / 'x').write_text('x')",
        "(tmp_path / 'x' / 'y').parent.mkdir(parents=True, exist_ok=True)",
        "(tmp_path / 'x').with_suffix('.y').touch()",
        "open(tmp_path / 'x', 'w')",
        "open(f'{tmp_path}/x', 'w')",
        "open(os.path.join(str(tmp_path), 'x'), 'w')",
        "store(tmp_path / 'x')",
        "tmpdir.join('x').write('x')",
        "(tmp_path_factory.mktemp('x') / 'y').write_text('x')",
        "shutil.copy(LEFT, tmp_path)",
        "open(LEFT)",
        "LEFT.read_text()",
        "pathlib.Path(tempfile.mkdtemp(), 'x').write_text('x')",
        "with tempfile.TemporaryDirectory() as d:\n        open(os.path.join(d, 'x'), 'w')",
        "with tempfile.NamedTemporaryFile() as f:\n        f.write(b'x'); open(f.name, 'w')",
        "monkeypatch.chdir(tmp_path); LEFT.write_text('x')",
        "open('/dev/null', 'w')",
        "made.write_text('x')",
    ],
)
def test_files_in_a_temporary_directory_are_the_tests_own(suite, write: str) -> None:
    source = f"""

LEFT = pathlib.Path("left")

@pytest.fixture
def made(tmp_path):
    return tmp_path / "made"

def store(path):
    path.write_text("x")

def test_writes(tmp_path, tmpdir, tmp_path_factory, monkeypatch, made):
    {write}

def test_reads():
    pass
"""
    assert suite({"test_it.py": HEAD + source}).shares() == {"test_writes": False, "test_reads": False}
