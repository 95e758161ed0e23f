"""Runs without a configured source in which no worker, but a process of its making, connects first."""

from __future__ import annotations

import shutil

import pytest
from fakes.projects import Project

URL = "postgresql://alice:pw@localhost:5432/alicedb"

#: A fork is the first to connect, and its worker goes on with what it left.
FORKS = f"""
    import multiprocessing
    {{imports}}

    def work(_):
        import psycopg
        with psycopg.connect({URL!r}) as connection:
            connection.execute("select pg_advisory_xact_lock(1)")
            connection.execute("create table if not exists made (n int)")
            connection.execute("insert into made values (1)")
            return connection.execute("select current_database(), current_user").fetchone()

    def test_forks():
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map(work, [1, 2], chunksize=1) == [("alicedb", "alice")] * 2

    def test_after():
        import psycopg
        with psycopg.connect({URL!r}) as connection:
            assert connection.execute("select count(*) from made").fetchone() == (2,)
"""
#: Its file's batch comes second on the only worker, in the namespace that takes the spent one's place.
CLEAN = f"""
    def test_clean():
        import psycopg
        with psycopg.connect({URL!r}) as connection:
            assert connection.execute("select to_regclass('made')").fetchone() == (None,)
"""


@pytest.mark.parametrize("imports", ["import psycopg", pytest.param("", marks=pytest.mark.long)])
def test_a_fork_is_the_first_to_connect(tmp_path, imports):
    project = Project(tmp_path).write(test_a=FORKS.replace("{imports}", imports), test_b=CLEAN)
    ran = project.dbsafe("--workers", "1", "--grouping", "file")
    assert ran.code == 0, ran.out
    assert "source-learned" in ran.notices()
    assert "Traceback" not in ran.out


@pytest.mark.long
def test_a_fork_imports_the_only_driver_of_a_run_with_a_source(tmp_path):
    project = Project(tmp_path).write(test_a=FORKS.replace("{imports}", ""), test_b=CLEAN)
    project.file("runner.toml", f'[database]\nsource = "{URL}"\n')
    ran = project.dbsafe("--workers", "1", "--grouping", "file")
    assert ran.code == 0, ran.out


PROGRAM = f"""
    import subprocess, sys
    CODE = '''
    import psycopg
    with psycopg.connect({URL!r}) as connection:
        connection.execute("select pg_advisory_xact_lock(1)")
        connection.execute("create table if not exists made (n int)")
        connection.execute("insert into made values (1)")
        print(*connection.execute("select current_database(), current_user").fetchone())
    '''

    def start(): return subprocess.Popen([sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True)

    def test_programs():
        programs = [start(), start()]
        said = [program.communicate()[0].strip() for program in programs]
        assert said == ["alicedb alice"] * 2

    def test_after():
        import psycopg
        with psycopg.connect({URL!r}) as connection:
            assert connection.execute("select count(*) from made").fetchone() == (2,)
"""


def test_a_program_is_the_first_to_connect(tmp_path):
    project = Project(tmp_path).write(test_a=PROGRAM, test_b=CLEAN)
    ran = project.dbsafe("--workers", "1", "--grouping", "file")
    assert ran.code == 0, ran.out
    assert "source-learned" in ran.notices()


@pytest.mark.parametrize("start", ["fork", pytest.param("spawn", marks=pytest.mark.long)])
def test_a_program_connects_while_the_suite_is_imported(tmp_path, start):
    made = PROGRAM.partition("    def test_programs")[0] + "    start().communicate()\n"
    counts = f"""
    def test_counts():
        import psycopg
        with psycopg.connect({URL!r}) as connection:
            assert connection.execute("select count(*) from made").fetchone() == (1,)
    """
    project = Project(tmp_path).write(test_a=made + counts)
    ran = project.dbsafe("--workers", "1", "--start", start)
    assert ran.code == 0, ran.out


@pytest.mark.skipif(shutil.which("psql") is None, reason="there is no psql")
def test_psql_is_the_first_to_connect(tmp_path):
    project = Project(tmp_path).write(
        test_a=f"""
        import subprocess
        def test_psql():
            command = ["psql", "-Atc", "select current_database()", "{URL}"]
            assert subprocess.check_output(command, text=True).strip() == "alicedb"
        """
    )
    ran = project.dbsafe("--workers", "1")
    assert ran.code == 0, ran.out
