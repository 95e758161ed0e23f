# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""The cache: what is stored holds exactly as long as everything that it rests on."""

from __future__ import annotations

import dataclasses

import pytest

from dbsafe_runner.analysis import storage
from dbsafe_runner.analysis.project import SourceTree
from dbsafe_runner.domain.footprint import Footprint

FILES = {
    "conftest.py": "import pytest\nfrom tools import connect\n@pytest.fixture\ndef c():\n    return connect()\n",
    "tools.py": "import psycopg\nimport extra\ndef connect():\n    return psycopg.connect('', autocommit=True)\n",
    "extra.py": "VALUE = 1\n",
    "test_a.py": "def test_it(c):\n    c.execute('INSERT INTO a VALUES (1)')\n",
    "test_b.py": "def test_it():\n    pass\n",
}


def warm(suite) -> tuple[dict[str, bytes], object]:
    cache: dict[str, bytes] = {}
    return cache, suite(FILES).footprints(cache)


def test_the_same_again_is_read_but_not_analysed(suite, monkeypatch) -> None:
    cache, first = warm(suite)
    monkeypatch.setattr("dbsafe_runner.analysis.project.SourceTree.tree", None)
    assert suite(FILES).footprints(cache) == first


def test_the_cache_says_the_same_as_no_cache(suite) -> None:
    cache, first = warm(suite)
    assert suite(FILES).footprints() == first == suite(FILES).footprints(cache)


def test_every_fact_of_a_footprint_is_kept() -> None:
    kept = {*storage._SETS, *storage._PLAIN, "evidence"}
    assert kept == {field.name for field in dataclasses.fields(Footprint)}


@pytest.mark.parametrize(
    ("path", "text", "outlives"),
    [
        ("test_a.py", "def test_it(c):\n    c.execute('SELECT 1')\n", False),
        ("tools.py", "import psycopg\ndef connect():\n    return psycopg.connect('')\n", False),
        (
            "conftest.py",
            "import psycopg, pytest\n@pytest.fixture\ndef c():\n    return psycopg.connect('')\n",
            False,
        ),
        ("extra.py", "VALUE = 2\n", True),
    ],
)
def test_a_changed_file_is_seen(suite, path: str, text: str, outlives: bool) -> None:
    cache, _ = warm(suite)
    found = suite({**FILES, path: text}).footprints(cache)
    assert found["test_a.py::test_it"].outlives is outlives


def test_a_file_that_appears_is_seen(suite) -> None:
    cache: dict[str, bytes] = {}
    source = {"test_a.py": "import late\ndef test_it():\n    late.go()\n"}
    assert not suite(source).footprints(cache)["test_a.py::test_it"].outlives
    late = {
        "late.py": "import psycopg\ndef go():\n    psycopg.connect(autocommit=True).execute('DELETE FROM a WHERE b')\n"
    }
    assert suite({**source, **late}).footprints(cache)["test_a.py::test_it"].outlives


def test_an_unrelated_change_leaves_the_others_alone(suite) -> None:
    cache, _ = warm(suite)
    before = cache["tests:test_a.py"]
    made = suite({**FILES, "test_b.py": "def test_it():\n    assert 1\n"})
    cache["tests:test_a.py"] = before
    made.footprints(cache)
    assert not [path for path in made.project.reads if path.endswith("test_a.py")][1:]


@pytest.mark.parametrize(
    "damage", [b"", b"\xff", b"[]", b'{"version": 0}', b'{"version": 99, "files": {}}']
)
def test_a_damaged_cache_is_made_anew(suite, damage: bytes) -> None:
    cache, first = warm(suite)
    for key in cache:
        cache[key] = damage
    assert suite(FILES).footprints(cache) == first
    assert suite(FILES).footprints(cache) == first


SHARED_MODULE = {
    "helper.py": "from x import fx\nfrom y import fy\ndef f(c):\n    fx(c)\ndef g(c):\n    fy(c)\n",
    "x.py": "def fx(c):\n    c.execute('SELECT 1 FROM t')\n",
    "y.py": "def fy(c):\n    c.execute('SELECT 1 FROM t')\n",
    "test_a.py": "import psycopg\nfrom helper import f\ndef test_a():\n    with psycopg.connect('') as c:\n        f(c)\n",
    "test_b.py": "import psycopg\nfrom helper import g\ndef test_b():\n    with psycopg.connect('') as c:\n        g(c)\n",
}
WRITES = "def fx(c):\n    c.execute('INSERT INTO t VALUES (1)')\n"


def test_what_one_file_rests_on_is_kept_when_another_is_analysed_anew(suite) -> None:
    cache: dict[str, bytes] = {}
    suite(SHARED_MODULE).footprints(cache)
    edited = {**SHARED_MODULE, "test_b.py": SHARED_MODULE["test_b.py"] + "\n# edited\n"}
    suite(edited).footprints(cache)
    assert suite({**edited, "x.py": WRITES}).footprints(cache)["test_a.py::test_a"].outlives


def test_a_file_that_was_left_out_is_not_taken_for_unchanged(suite) -> None:
    files = {
        **SHARED_MODULE,
        "test_b.py": "import psycopg\nfrom test_a import test_a\ndef test_b():\n    test_a()\n",
    }
    cache: dict[str, bytes] = {}
    suite(files).footprints(cache)
    changed = {
        **files,
        "test_a.py": SHARED_MODULE["test_a.py"].replace("f(c)", "c.execute('DELETE FROM t')"),
    }
    only_b = suite(changed)
    only_b.tests = [test for test in only_b.tests if test.file == "test_b.py"]
    only_b.footprints(cache)
    assert suite(changed).footprints(cache)["test_a.py::test_a"].outlives


READS = {
    "helper.py": "from pathlib import Path\ndef text(name):\n    return (Path(__file__).parent / name).read_text()\n",
    "queries.py": "from pathlib import Path\nimport helper\nALL = Path('all.sql').read_text()\nSOME = helper.text('some.sql')\n",
    "test_a.py": (
        "from pathlib import Path\nimport helper, psycopg, queries\n"
        "OWN = Path('own.sql').read_text()\n"
        "def run(name):\n    with psycopg.connect('') as c: c.execute(Path(name).read_text())\n"
        "def test_it():\n    run('here.sql')\n"
        "def test_again():\n    run('here.sql')\n"
        "def test_helped():\n    psycopg.connect('').execute(helper.text('there.sql'))\n"
        "def test_kept():\n    psycopg.connect('').execute(queries.ALL)\n"
    ),
    "here.sql": "select 1",
    "there.sql": "select 1",
}


def test_files_of_sql_that_are_read_are_named_also_where_nothing_is_followed_again(suite) -> None:
    cache: dict[str, bytes] = {}
    suite(READS).footprints(cache)
    found = suite(READS).footprints(cache)

    def names(test: str) -> tuple[set[str], set[str]]:
        footprint = found[f"test_a.py::{test}"]
        return tuple(
            {one.rpartition("/")[2] for one in files}
            for files in (footprint.own_files, footprint.called_files)
        )

    assert names("test_it") == names("test_again") == ({"own.sql", "here.sql"}, set())
    assert names("test_helped") == ({"own.sql"}, {"there.sql"})
    assert names("test_kept") == ({"own.sql"}, {"all.sql", "some.sql"})


def test_a_file_that_two_have_read_differently_is_taken_for_changed(suite) -> None:
    old, new = (
        suite({"test_a.py": "def test_it(): pass\n"}),
        suite({"test_a.py": "def test_it(): ...\n"}),
    )
    tree = SourceTree(new.project)
    tree.digest("/suite/test_a.py")
    other = SourceTree(old.project)
    other.digest("/suite/test_a.py")
    same = tree.rests()
    tree.learn(same)
    assert tree.rests() == same
    tree.learn(other.rests())
    assert tree.rests().digests == {"/suite/test_a.py": ""}
