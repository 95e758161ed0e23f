"""Programs that a test starts: Python ones, psql, and those that read DATABASE_URL."""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg
import pytest

from dbsafe_runner.domain.namespace import Endpoint
from dbsafe_runner.workers import redirect
from dbsafe_runner.workers.redirect import Target, serial_environment

if TYPE_CHECKING:
    from tests.integration.redirect.conftest import Recorder, Server

needs_psql = pytest.mark.skipif(shutil.which("psql") is None, reason="there is no psql on this machine")
ASK = "SELECT name FROM whoami"
PROGRAM = """
    import sys, psycopg
    with psycopg.connect(sys.argv[1]) as conn:
        print(conn.execute("SELECT name FROM whoami").fetchone()[0])
"""


def run(*args: str, **kwargs: Any) -> str:
    done = subprocess.run(args, capture_output=True, text=True, timeout=60, check=False, **kwargs)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout.strip()


def run_python(code: str, *args: str, **kwargs: Any) -> str:
    return run(sys.executable, "-c", textwrap.dedent(code), *args, **kwargs)


def child(url: str, queue: Any) -> None:
    with psycopg.connect(url) as conn:
        queue.put(conn.execute(ASK).fetchone()[0])


class TestPython:
    def test_a_program_with_a_url_of_its_own(self, redirected: Recorder, url: str) -> None:
        assert run_python(PROGRAM, url) == "first"
        assert run_python(PROGRAM, url, env={"PATH": os.environ["PATH"]}) == "first"
        assert len(redirected.programs) == 2
        assert redirected.programs[0][0] == sys.executable

    def test_every_driver(self, redirected: Recorder, url: str, port: int) -> None:
        code = """
            import asyncio, sys, asyncpg, psycopg2, pg8000.dbapi
            url, port = sys.argv[1:]
            async def ask():
                conn = await asyncpg.connect(url)
                print(await conn.fetchval("SELECT name FROM whoami"))
            asyncio.run(ask())
            for conn in (psycopg2.connect(url), pg8000.dbapi.connect("app", port=int(port))):
                cursor = conn.cursor()
                cursor.execute("SELECT name FROM whoami")
                print(cursor.fetchone()[0])
        """
        assert run_python(code, url, str(port)).split() == ["first"] * 3

    def test_it_sees_the_suites_own_environment(
        self, redirected: Recorder, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("DATABASE_URL", url)
        monkeypatch.setenv("PGPASSWORD", "secret")
        code = """
            import os, sys
            print(os.environ["DATABASE_URL"], os.environ["PGPASSWORD"], os.environ.get("PGHOST"))
            assert not [p for p in sys.path if p.endswith("inherit")], sys.path
            assert not [name for name in sys.modules if "dbsafe" in name]
        """
        assert run_python(code).split() == [url, "secret", "None"]
        assert os.environ["DATABASE_URL"] == url

    def test_programs_of_programs(self, redirected: Recorder, url: str, server: Server) -> None:
        code = """
            import subprocess, sys, os
            subprocess.run([sys.executable, "-c", sys.argv[1], sys.argv[2]], check=True)
            sys.stdout.flush()
            os.system("echo $PGHOST")
        """
        printed = run_python(code, textwrap.dedent(PROGRAM), url).split()
        assert printed == ["first", server.directory]

    def test_a_refused_host(self, redirected: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        code = """
            import sys, psycopg
            try:
                psycopg.connect("postgresql://app@production.invalid/app")
            except psycopg.OperationalError as error:
                print(error.code, "test_shop.py" in str(error))
        """
        monkeypatch.setenv("PYTEST_CURRENT_TEST", "test_shop.py::test_order (call)")
        assert run_python(code) == "connection-refused-by-guard True"

    def test_another_sitecustomize_runs_as_well(
        self, redirected: Recorder, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.found = __file__\n")
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        code = "import sitecustomize, builtins; print(builtins.found == sitecustomize.__file__)"
        assert run_python(code) == "True"
        assert run_python(PROGRAM, url) == "first"

    def test_multiprocessing(self, redirected: Recorder, url: str) -> None:
        for method in ("spawn", "fork"):
            context = multiprocessing.get_context(method)
            queue = context.SimpleQueue()
            process = context.Process(target=child, args=(url, queue))
            process.start()
            assert queue.get() == "first"
            process.join()
            queue.close()

    def test_started_by_asyncio(self, redirected: Recorder, url: str) -> None:
        async def ask() -> bytes:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-c", textwrap.dedent(PROGRAM), url, stdout=subprocess.PIPE
            )
            return (await process.communicate())[0]

        assert asyncio.run(ask()) == b"first\n"

    @pytest.mark.parametrize("version", ["2.7", "3.6", "3.8", "3.9", "3.10", "3.12", "3.13"])
    def test_other_interpreters_start_undisturbed(
        self, redirected: Recorder, server: Server, version: str
    ) -> None:
        python = shutil.which("python" + version)
        works = (
            python
            and subprocess.run([python, "-c", ""], capture_output=True, check=False).returncode == 0
        )
        if not works:
            pytest.skip(f"there is no Python {version} on this machine")
        # Those that are too old for the redirection keep what other programs get.
        expected = server.directory if version in {"2.7", "3.6"} else "None"
        assert run(python, "-c", "import subprocess, os; print(os.environ.get('PGHOST'))") == expected


class TestLibpqTools:
    pytestmark = needs_psql

    def psql(self, *args: str, **kwargs: Any) -> str:
        return run("psql", "-XAtc", ASK, *args, **kwargs)

    def test_the_environment_leads_it(
        self, redirected: Recorder, port: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        assert self.psql("-U", "app", "app") == "first"
        values = {"PGHOST": "localhost", "PGPORT": str(port), "PGUSER": "app", "PGSSLMODE": "require"}
        for name, value in values.items():
            monkeypatch.setenv(name, value)
        assert self.psql() == "first"
        assert os.environ["PGHOST"] == "localhost"

    def test_arguments_are_led(self, redirected: Recorder, port: int, url: str) -> None:
        assert self.psql("-h", "localhost", "-p", str(port), "-U", "app", "app") == "first"
        assert self.psql("--host=127.0.0.1", f"--port={port}", "-Uapp", "-d", "app") == "first"
        assert self.psql(f"-p{port}", "-U", "app", "app") == "first"
        assert self.psql(url) == "first"
        assert self.psql(f"--dbname={url}?sslmode=require") == "first"
        assert self.psql("-d", f"host=localhost port={port} user=app dbname=app") == "first"

    def test_a_shell_reads_the_url(
        self, redirected: Recorder, url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("TEST_DATABASE_URL", url)
        assert run("sh", "-c", f'psql "$TEST_DATABASE_URL" -XAtc "{ASK}"') == "first"

    def test_another_server_is_left_alone(self, redirected: Recorder, own_server: Server) -> None:
        port = str(own_server.tcp_port)
        assert self.psql("-h", "localhost", "-p", port, "-U", "app", "app") == "second"
        assert self.psql(f"postgresql://app@localhost:{port}/app") == "second"
        env = {**os.environ, "PGHOST": own_server.directory, "PGPORT": port}
        assert self.psql("-U", "app", "app", env=env) == "second"

    def test_a_dump(self, redirected: Recorder, url: str) -> None:
        tool = shutil.which("pg_dump")
        done = subprocess.run([tool, "--version"], capture_output=True, text=True, check=True)
        if "18." not in done.stdout:
            pytest.skip("pg_dump is older than the server")
        assert "CREATE TABLE public.whoami" in run("pg_dump", url)


class TestLearning:
    def test_nothing_hints_at_a_database(self, record: Callable[..., Recorder]) -> None:
        recorder = record(sources=())
        assert run_python("import os; print('DBSAFE_REDIRECT' in os.environ)") == "False"
        assert recorder.resolved == recorder.programs == []

    def test_a_url_in_the_environment_does(
        self, record: Callable[..., Recorder], url: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        recorder = record(sources=())
        monkeypatch.setenv("SHOP_DB", url)
        assert run_python(PROGRAM, url) == "first"
        assert [target.database for target in recorder.learned] == ["app"]

    def test_looking_around_takes_no_namespace(self, redirected: Recorder) -> None:
        run("uname")
        assert redirected.resolved == []


class TestSerial:
    def test_plain_pytest_without_a_plugin(self, server: Server, url: str, tmp_path: Path) -> None:
        (tmp_path / "test_shop.py").write_text(
            textwrap.dedent(f"""
            import os, subprocess, psycopg
            URL = os.environ["DATABASE_URL"]
            def test_url():
                assert URL == {url!r}
            def test_connect():
                with psycopg.connect(URL) as conn:
                    assert conn.execute("SELECT name FROM whoami").fetchone() == ("first",)
            def test_program():
                environment = subprocess.check_output(["env"], text=True)
                assert {("PGHOST=" + server.directory)!r} in environment.splitlines()
            """)
        )
        base = {**os.environ, "DATABASE_URL": url}
        environ = serial_environment(base, server.endpoint, [Target.parse(url)])
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
        done = subprocess.run(
            command, env=environ, cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def test_a_password_of_the_endpoint_is_in_no_argument(self, server: Server, url: str) -> None:
        endpoint = Endpoint(server.directory, server.port, user="postgres", password="hidden")
        environ = serial_environment({"DATABASE_URL": url}, endpoint, [Target.parse(url)])
        assert environ["PGPASSWORD"] == "hidden"
        assert environ["PGUSER"] == "postgres"
        assert json.loads(environ["DBSAFE_REDIRECT"])["endpoint"]["password"] == "hidden"


def test_popen_is_itself_again_after_uninstall(redirected: Recorder) -> None:
    assert hasattr(subprocess.Popen.__init__, "__dbsafe_original__")
    redirect.uninstall()
    assert not hasattr(subprocess.Popen.__init__, "__dbsafe_original__")
    assert not hasattr(os.system, "__dbsafe_original__")
