"""Fixtures, items and temporary directories: in the order and with the lives of a serial run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from fakes.projects import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)


#: Writes down what happens, a file for each process, in the order in which it happens there.
DIARY = """
    import os, pathlib
    def note(what):
        with open(pathlib.Path(__file__).parent / f"diary.{os.getpid()}", "a") as diary:
            print(what, file=diary)
"""
SCOPES = """
    import pytest
    from diary import note

    def make(scope):
        @pytest.fixture(scope=scope, autouse=True)
        def fixture(request):
            note(f"{scope} up {request.node.name}")
            yield
            note(f"{scope} down {request.node.name}")
        return fixture

    module, cls, function = make("module"), make("class"), make("function")

    @pytest.fixture(scope="module", params=["x", "y"])
    def variant(request):
        note(f"variant up {request.param}")
        yield request.param
        note(f"variant down {request.param}")

    def setup_module(): note("setup_module")
    def teardown_module(): note("teardown_module")

    class TestFirst:
        @classmethod
        def setup_class(cls): note("setup_class")
        @classmethod
        def teardown_class(cls): note("teardown_class")
        def setup_method(self): note("setup_method")
        def teardown_method(self): note("teardown_method")
        def test_1(self): note("test 1")
        def test_2(self): note("test 2")

    class TestSecond:
        def test_3(self): note("test 3")

    def test_4(variant): note(f"test 4 {variant}")
    def test_5(variant): note(f"test 5 {variant}")
    def test_6(): note("test 6")
"""


def diaries(project: Project) -> list[list[str]]:
    found = []
    for path in sorted(project.root.glob("diary.*")):
        if path.suffix != ".py":
            found.append(path.read_text().splitlines())
            path.unlink()
    return found


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
def test_wide_fixtures_live_as_in_a_serial_run(project: Project, start: str) -> None:
    project.write(diary=DIARY, test_one=SCOPES)
    project.pytest()
    (serial,) = diaries(project)
    project.dbsafe("--start", start, "--grouping", "file")
    (parallel,) = diaries(project)
    assert parallel == serial


def test_every_file_is_as_in_a_serial_run_on_several_workers(project: Project) -> None:
    project.write(diary=DIARY, **{f"test_{n}": SCOPES for n in range(4)})
    project.pytest()
    (serial,) = diaries(project)
    of_one_file = len(serial) // 4
    project.dbsafe("--grouping", "file", workers=3)
    parallel = [line for diary in diaries(project) for line in diary]
    assert len(parallel) == len(serial)
    expected = [re.sub(r"test_\d\.py", "test_N.py", line) for line in serial[:of_one_file]]
    for start in range(0, len(parallel), of_one_file):
        found = parallel[start : start + of_one_file]
        assert [re.sub(r"test_\d\.py", "test_N.py", line) for line in found] == expected


def test_session_and_package_fixtures(project: Project) -> None:
    scoped = """
        import pytest
        from diary import note
        @pytest.fixture(scope="session")
        def whole(): note("session up"); yield 7; note("session down")
        @pytest.fixture(scope="package", autouse=True)
        def package(): note("package up"); yield; note("package down")
    """
    tests = "def test_a(whole): assert whole == 7\ndef test_b(whole): pass"
    project.write(diary=DIARY)
    for folder, files in (("one", ("x", "y")), ("two", ("z",))):
        project.file(f"{folder}/__init__.py", "").file(f"{folder}/conftest.py", scoped)
        for name in files:
            project.file(f"{folder}/test_{name}.py", tests)
    serial, _ = project.same(workers=2)
    assert len(serial.outcomes) == 6
    for diary in diaries(project):
        assert diary.count("session up") == diary.count("session down") <= 2
        assert diary.count("package up") == diary.count("package down")


def test_parametrised_session_fixtures(project: Project) -> None:
    project.write(
        diary=DIARY,
        conftest="""
            import pytest
            from diary import note
            @pytest.fixture(scope="session", params=["a", "b"])
            def flavour(request):
                note(f"up {request.param}")
                yield request.param
                note(f"down {request.param}")
        """,
        test_one="def test_1(flavour): pass\ndef test_2(flavour): pass",
        test_two="def test_3(flavour): pass\ndef test_4(flavour): assert flavour == 'a'",
    )
    project.same()


def test_an_error_in_the_teardown_of_a_session_fixture_is_counted_once(project: Project) -> None:
    project.write(
        conftest="""
            import pytest
            @pytest.fixture(scope="session", autouse=True)
            def breaks(): yield; raise RuntimeError("session teardown failed")
        """,
        **{f"test_{n}": "import time\ndef test_one(): time.sleep(0.1)" for n in range(6)},
    )
    serial, parallel = project.same("-rE", workers=3)
    assert serial.outcomes["test_5.py::test_one"] == "error"
    assert "6 passed, 1 error" in parallel.out
    assert parallel.out.count("ERROR at teardown of test_one") == 1


def test_items_of_all_kinds(project: Project) -> None:
    project.write(
        test_unit="""
            import unittest
            class Case(unittest.TestCase):
                @classmethod
                def setUpClass(cls): cls.n = 1
                def setUp(self): self.n = 2
                def test_ok(self): self.assertEqual(self.n, 2)
                def test_bad(self): self.assertEqual(1, 2)
                @unittest.skip("not now")
                def test_skip(self): pass
                @unittest.expectedFailure
                def test_expected(self): self.fail()
                def test_parts(self):
                    for n in range(3):
                        with self.subTest(n=n): self.assertNotEqual(n, 1)
            class Broken(unittest.TestCase):
                @classmethod
                def setUpClass(cls): raise RuntimeError("no")
                def test_never(self): pass
        """,
        test_sub="""
            import pytest
            def test_parts(subtests):
                for n in range(3):
                    with subtests.test(n=n): assert n != 1
            def test_good_parts(subtests):
                with subtests.test("one"): pass
            @pytest.mark.xfail(raises=ValueError)
            def test_other_error(): raise KeyError
            @pytest.mark.usefixtures("absent")
            def test_absent(): pass
            @pytest.mark.parametrize("x", ["\\u00e9", "a b", "[", "\\ud800", b"\\xff", None, 1.5])
            def test_ids(x): pass
            @pytest.mark.parametrize("x", [])
            def test_empty(x): pass
        """,
        lib='def f():\n    """\n    >>> f()\n    1\n    """\n    return 1\n'
        'def g():\n    """\n    >>> g()\n    1\n    """\n    return 2\n',
    )
    (project.root / "test_text.txt").write_text(">>> 1 + 1\n2\n")
    serial, parallel = project.same("--doctest-modules")
    assert len(serial.outcomes) > 15
    assert parallel.results["run"]["exit_code"] == 1
    # Subtests count in pytest's own summary, too.
    assert summary(parallel.out) == summary(serial.out)
    assert parallel.out.count("SUBFAILED") == serial.out.count("SUBFAILED") > 0
    assert ("contains 1 failed subtest" in parallel.out) == ("contains 1 failed subtest" in serial.out)


def summary(out: str) -> str:
    """The counts of pytest's last line."""
    return re.findall(r"=+ (\d.*) in [\d.]+s", out)[-1]


def test_temporary_directories(project: Project) -> None:
    body = """
        import os, pathlib
        def test_one(tmp_path, tmp_path_factory, worker_id):
            base = tmp_path_factory.getbasetemp()
            assert base.name == f"popen-{worker_id}" and tmp_path.parent == base
            (base.parent / f"shared-{worker_id}").touch()
            assert not list(tmp_path.iterdir()) and os.access(tmp_path, os.W_OK)
            assert tmp_path_factory.mktemp("data").parent == base
    """
    project.write(**{f"test_{n}": body for n in range(4)})
    run = project.dbsafe("-p", "no:xdist")
    assert set(run.outcomes.values()) == {"passed"}, run.out
    assert project.dbsafe("--basetemp=own").code == 0
    shared = {path.name for path in (project.root / "own").iterdir()}
    assert shared >= {"popen-gw0", "shared-gw0"}


def test_temporary_directories_of_passed_tests_can_be_removed(project: Project) -> None:
    project.write(
        test_one="def test_ok(tmp_path): (tmp_path / 'f').touch()\ndef test_bad(tmp_path): 1/0"
    )
    run = project.dbsafe("--basetemp=own", "-o", "tmp_path_retention_policy=failed", "--no-confirm")
    assert run.code == 1
    assert [path.name for path in (project.root / "own").rglob("test_*0")] == ["test_bad0"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("import pytest\ndef test_one(): pytest.exit('enough', 3)", 3),
        pytest.param("import pytest\ndef test_one(): pytest.exit('enough')", 2, marks=pytest.mark.long),
        ("def test_one(request): request.session.shouldstop = 'a plugin wants it'", 2),
        pytest.param(
            "def test_one(request): request.session.shouldfail = 'a plugin wants it'",
            1,
            marks=pytest.mark.long,
        ),
        pytest.param("def test_one(): raise KeyboardInterrupt", 2, marks=pytest.mark.long),
        pytest.param("def test_one(): raise SystemExit(0)", 1, marks=pytest.mark.long),
        pytest.param("def test_one(): raise BaseException('odd')", None, marks=pytest.mark.long),
    ],
)
def test_a_test_that_ends_the_session(project: Project, body: str, code: int | None) -> None:
    project.write(test_one=body, test_two="def test_1(): pass")
    serial = project.pytest()
    assert code is None or serial.code == code
    parallel = project.dbsafe("--no-confirm")
    assert parallel.code == serial.code, parallel.out
    assert parallel.results["run"]["wall"] < 15
    for line in serial.out.splitlines():
        if line.startswith("!!"):
            assert line.strip("! ") in parallel.out


def test_no_hook_or_fixture_sees_another_python_path(project: Project) -> None:
    project.write(
        helper_here="VALUE = 7",
        tests__test_one="""
            import os, sys, helper_here
            def test_one():
                assert helper_here.VALUE == 7
                assert sys.argv[0].endswith(("pytest", "__main__.py")) or "pytest" in sys.argv[0]
                assert os.getcwd() in sys.path or "" in sys.path
        """,
    )
    project.same()


def test_random_numbers_differ_between_files_and_not_between_runs_with_a_seed(project: Project) -> None:
    text = """
        import random
        def test_one(): open(f"drawn-{__name__}", "w").write(str(random.random()))
    """
    project.write(**{f"test_{n}": text for n in range(3)})
    project.dbsafe(workers=3)
    drawn = {path.read_text() for path in project.root.glob("drawn-*")}
    assert len(drawn) == 3


NESTED = """
    import psycopg
    import pytest

    URL = "postgresql://shop@localhost/shop"

    @pytest.fixture
    def connection():
        with psycopg.connect(URL, autocommit=True) as connection:
            yield connection

    @pytest.fixture(scope="session")
    def cart():
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("INSERT INTO orders VALUES ('cart')")

    @pytest.fixture(scope="session", autouse=True)
    def orders(request):
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("CREATE TABLE orders (name text)")
            connection.execute("INSERT INTO orders VALUES ('first')")
            request.getfixturevalue("cart")
            connection.execute("INSERT INTO orders VALUES ('last')")
"""
NESTED_TESTS = """
    import pytest

    @pytest.mark.parametrize("number", range(3))
    def test_orders(connection, number):
        found = {name for name, in connection.execute("SELECT name FROM orders")}
        assert {"first", "cart", "last"} <= found
        connection.execute("INSERT INTO orders VALUES ('more')")
"""


def test_what_a_session_fixture_wrote_before_it_asked_for_another_stays(project):
    project.write(conftest=NESTED)
    for number in range(4):
        project.write(**{f"test_{number}": NESTED_TESTS})
    ran = project.dbsafe("--workers", "1")
    assert ran.code == 0, ran.out
    # Nothing that a test left could be mistaken for the fixtures': one namespace does.
    assert ran.results["resets"]["count"] >= 3
    assert len(ran.results["namespaces"]) == 1


COUNTING = """
    import psycopg
    import pytest

    URL = "postgresql://shop@localhost/shop"
    OTHERS = "SELECT count(*) FROM pg_stat_activity WHERE datname = 'shop' AND pid <> pg_backend_pid()"

    @pytest.mark.parametrize("number", range(20))
    def test_nobody_else_is_there(number):
        with psycopg.connect(URL, autocommit=True) as connection:
            connection.execute("CREATE TABLE IF NOT EXISTS orders (id int)")
            connection.execute("INSERT INTO orders VALUES (1)")
            assert connection.execute(OTHERS).fetchone() == (0,)
"""


def test_a_suite_that_counts_sessions_meets_none_of_ours(project):
    project.write(test_sessions=COUNTING)
    ran = project.dbsafe("--workers", "1")
    assert ran.code == 0, ran.out
