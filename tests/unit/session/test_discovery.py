"""Finding tests in the sources: the same tests, and the same fixtures, as pytest finds."""

from __future__ import annotations

import json
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from dbsafe_runner.config import RunRequest, load_config
from dbsafe_runner.session.discovery import discover

SUITE = {
    "pyproject.toml": """
        [tool.pytest.ini_options]
        testpaths = ["tests"]
        python_files = ["test_*.py", "check_*.py"]
    """,
    "tests/conftest.py": """
        import pytest
        from tests.support import *

        @pytest.fixture(scope="session")
        def engine(): return 1

        @pytest.fixture(autouse=True, name="clock")
        def frozen_clock(): yield

        @pytest.fixture
        def session(engine): return engine
    """,
    "tests/__init__.py": "",
    "tests/support.py": """
        import pytest

        @pytest.fixture
        def shared(session): return session
    """,
    "tests/test_orders.py": """
        import unittest
        import pytest

        pytestmark = pytest.mark.slow

        @pytest.fixture
        def session(session): return session

        def test_plain(session): pass

        @pytest.mark.xdist_group("till")
        def test_grouped(shared): pass

        def helper(): pass

        class TestOrders:
            @pytest.fixture
            def order(self): return 1

            def test_method(self, order): pass

            class TestInner:
                def test_inner(self, order): pass

        class NotTests:
            def test_no(self): pass

        class TestWithConstructor:
            def __init__(self): pass
            def test_never(self): pass

        class Cases(unittest.TestCase):
            def test_case(self): pass
    """,
    "tests/deep/check_more.py": """
        import pytest

        @pytest.mark.usefixtures("engine")
        async def test_async(): pass
    """,
    "tests/deep/test_syntax.py": "def test_broken(:\n",
    "tests/deep/test_binary.py": "\0\1\2",
    "tests/.hidden/test_hidden.py": "def test_hidden(): pass\n",
    "other/test_elsewhere.py": "def test_elsewhere(): pass\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in SUITE.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
    return tmp_path


def found(root: Path, *arguments: str):
    config = load_config(root, environment={})
    return discover(config, RunRequest(root, arguments))


PROBE = """
import json, sys
import pytest

class Probe:
    def pytest_collection_finish(self, session):
        known = lambda item: set(item._fixtureinfo.name2fixturedefs) & set(item.fixturenames)
        rows = [[item.nodeid, item.location[1] + 1, sorted(known(item) - {"request"})]
                for item in session.items]
        print("ROWS" + json.dumps(rows))

pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", "--continue-on-collection-errors",
             "-W", "ignore", *sys.argv[1:]], plugins=[Probe()])
"""


def as_pytest_finds_them(root: Path, *arguments: str) -> list[list[object]]:
    command = [sys.executable, "-c", PROBE, *arguments]
    done = subprocess.run(
        command,
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONPATH": str(root)},
    )
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("ROWS")]
    return json.loads(line.removeprefix("ROWS"))


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("tests/test_orders.py",),
        ("tests/test_orders.py::TestOrders",),
        ("tests/test_orders.py::test_plain", "other"),
        ("other/test_elsewhere.py",),
    ],
)
def test_the_same_tests_and_fixtures_as_pytest_finds(root, arguments):
    suite, _ = found(root, *arguments)
    ours = [[t.nodeid, t.line, sorted({f.name for f in t.fixtures})] for t in suite.tests]
    # What unittest makes itself is no fixture of the project.
    theirs = [
        [nodeid, line, [name for name in names if not name.startswith("_unittest")]]
        for nodeid, line, names in as_pytest_finds_them(root, *arguments)
    ]
    assert sorted(ours) == sorted(theirs)


def test_fixtures_come_with_scope_and_place(root):
    suite, _ = found(root, "tests/test_orders.py::test_plain")
    (test,) = suite.tests
    fixtures = {(one.name, one.scope, Path(one.file).name, one.function) for one in test.fixtures}
    assert fixtures == {
        ("engine", "session", "conftest.py", "engine"),
        ("clock", "function", "conftest.py", "frozen_clock"),
        ("session", "function", "conftest.py", "session"),
        ("session", "function", "test_orders.py", "session"),
    }
    assert test.fixtures[0].scope == "session"


def test_marks_and_groups(root):
    suite, _ = found(root)
    by_name = {test.function: test for test in suite.tests}
    assert [mark.name for mark in by_name["test_plain"].marks] == ["slow"]
    assert by_name["test_grouped"].xdist_group == "till"


def test_files_that_are_not_python_are_told(root):
    _, notes = found(root)
    assert {(note.code, note.file) for note in notes} == {
        ("test-file-unreadable", "tests/deep/test_syntax.py"),
        ("test-file-unreadable", "tests/deep/test_binary.py"),
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("x = 1\nexec('def test_made(): pass')\n", 2),
        ("for n in range(3):\n    globals()[f'test_{n}'] = print\n", 2),
        ("globals().update(test_made=print)\n", 1),
        ("import sys\nname = globals()['sys']\ndef test_it():\n    exec('x = 1')\n", 0),
    ],
)
def test_a_file_that_makes_its_tests_is_told(root, text, line):
    folder = root / "tests" / "made"
    folder.mkdir()
    (folder / "test_made.py").write_text(text)
    _, notes = found(root, "tests/made")
    assert [(note.code, note.line) for note in notes] == ([("tests-not-seen", line)] if line else [])


def test_the_reason_why_a_file_gives_no_tests_is_exact(root):
    folder = root / "tests" / "odd"
    folder.mkdir()
    (folder / "test_latin.py").write_bytes(b"x = '\xe9'\n")
    (folder / "test_null.py").write_bytes(b"\xff\0\0")
    (folder / "test_large.py").write_text("#" * 8_000_001)
    (folder / "test_link.py").symlink_to(folder / "nowhere.py")
    _, notes = found(root, "tests/odd")
    told = {Path(note.file).name: note for note in notes}
    why = {name: note.message.partition("in this plan: ")[2] for name, note in told.items()}
    assert why == {
        "test_latin.py": "it is not in the encoding that it declares, or UTF-8 if it declares none: "
        "invalid or missing encoding declaration",
        "test_null.py": "it holds binary data",
        "test_large.py": "it has 8,000,001 bytes, and dbsafe reads no source above 8,000,000",
        "test_link.py": "it is a link to a file that does not exist",
    }
    assert "pytest will fail" in told["test_latin.py"].hint
    assert "pytest will fail" not in told["test_large.py"].hint


def test_a_directory_that_may_not_be_opened_is_told(root, monkeypatch):
    closed = root / "tests" / "closed"
    closed.mkdir()

    def refusing(usual, least):
        def ask(path, *args, **options):
            if closed in (path, *path.parents)[least:]:
                raise PermissionError(13, "Permission denied", str(path))
            return usual(path, *args, **options)

        return ask

    monkeypatch.setattr(Path, "stat", refusing(Path.stat, least=1))
    monkeypatch.setattr(Path, "iterdir", refusing(Path.iterdir, least=0))
    suite, notes = found(root)
    assert suite.tests
    assert ("test-file-unreadable", "tests/closed") in {(note.code, note.file) for note in notes}
    assert found(root, "tests/closed/test_it.py")[0].tests == suite.tests


def test_a_directory_linked_into_itself_ends(root):
    (root / "tests" / "loop").symlink_to(root / "tests")
    suite, _ = found(root)
    assert len({test.nodeid for test in suite.tests}) == len(suite.tests) == 6


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pytest.ini", "[pytest]\npython_files = prove_*.py\n"),
        ("tox.ini", "[pytest]\npython_files = prove_*.py\n"),
        ("setup.cfg", "[tool:pytest]\npython_files =\n    prove_*.py\n"),
        ("pyproject.toml", "[tool.pytest.ini_options]\npython_files = 'prove_*.py'\n"),
    ],
)
def test_ini_files(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    (tmp_path / "prove_it.py").write_text("def test_it(): pass\n")
    (tmp_path / "test_it.py").write_text("def test_other(): pass\n")
    suite, _ = found(tmp_path)
    assert [test.nodeid for test in suite.tests] == ["prove_it.py::test_it"]


def test_broken_ini_files_are_as_if_they_were_not_there(tmp_path):
    (tmp_path / "pytest.ini").write_text("no section\n")
    (tmp_path / "tox.ini").write_text("[pytest\n")
    (tmp_path / "test_it.py").write_text("def test_it(): pass\n")
    config = load_config(tmp_path, environment={})
    suite, _ = discover(config, RunRequest(tmp_path))
    assert [test.nodeid for test in suite.tests] == ["test_it.py::test_it"]
