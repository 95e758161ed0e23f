"""Databases that frameworks make for tests on a user's server: kept apart, reset and removed."""

from __future__ import annotations

import subprocess

import psycopg
import pytest
from fakes.own_server import DBSAFE, ONE_VERSION, connect, environment

from dbsafe_runner.database import own_leftovers
from dbsafe_runner.database.own_leftovers import remove_leftovers
from dbsafe_runner.database.ownership import seal
from dbsafe_runner.database.reset import Keeper
from dbsafe_runner.database.sessions import Sessions
from dbsafe_runner.database.user_servers import Choice, inspect_server

SETTINGS = """
import os
from urllib.parse import unquote, urlsplit
url = urlsplit(os.environ["DATABASE_URL"])
SECRET_KEY = "x"
INSTALLED_APPS = ["shop"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": url.path[1:],
        "USER": url.username,
        "PASSWORD": unquote(url.password),
        "HOST": url.hostname,
        "PORT": url.port,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MODELS = """
from django.db import models

class Order(models.Model):
    name = models.CharField(max_length=40)
"""
TESTS = """
import time
import pytest
from shop.models import Order

@pytest.mark.django_db
@pytest.mark.parametrize("number", range(3))
def test_rolled_back(number):
    assert Order.objects.count() == 0
    Order.objects.create(name="one")
    time.sleep(0.1)
"""
PYPROJECT = '[tool.pytest.ini_options]\nDJANGO_SETTINGS_MODULE = "settings"\npythonpath = "."\n'


def databases(user_server) -> list[str]:
    return [name for (name,) in user_server.ask("select datname from pg_database order by 1")]


@pytest.fixture
def project(tmp_path):
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop/__init__.py").write_text("")
    (tmp_path / "shop/models.py").write_text(MODELS)
    (tmp_path / "settings.py").write_text(SETTINGS)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    for name in "ab":
        (tmp_path / f"test_{name}.py").write_text(TESTS)
    return tmp_path


@ONE_VERSION
def test_two_runs_of_a_django_suite_do_not_meet_and_leave_nothing(user_server, source, project):
    url, before = user_server.url(source, "maker"), databases(user_server)
    runs = [
        subprocess.Popen(
            [DBSAFE, "run", "-n", "2", "--no-confirm", "--output", name, "--history", f"{name}.db"],
            cwd=project,
            env=environment(project, url),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("one", "two")
    ]
    for run in runs:
        out, _ = run.communicate(timeout=300)
        assert run.returncode == 0, out
        assert "connection-refused-by-guard" not in out
        assert "Error when trying to teardown" not in out
    assert databases(user_server) == before


@pytest.mark.parametrize("user", ["postgres", "maker"])
def test_they_are_watched_and_reset_like_the_namespace(user_server, source, provide, user):
    provider = provide(user_server.url(source, user))
    provider.prepare(print)
    namespace = provider.acquire("gw0")
    name = f"test_shop_{namespace.endpoint.suffix}"
    keeper = Keeper(namespace)
    with connect(namespace, source) as connection:
        connection.execute(f"create database {name}")
    with psycopg.connect(user_server.url(name, user), autocommit=True) as connection:
        connection.execute("create table orders (n int); insert into orders values (1)")
        keeper.look()
        keeper.rebase()
        connection.execute("truncate orders")
        assert f"{name}/public.orders" in keeper.look().remaining
        assert not keeper.reset().retire
        assert connection.execute("select n from orders").fetchall() == [(1,)]
    with connect(namespace, source) as connection:
        connection.execute(f"drop database {name} with (force)")
    keeper.look()
    assert not keeper.reset().retire
    keeper.close()


@ONE_VERSION
def test_they_go_with_their_namespace(user_server, source, provide):
    provider = provide(user_server.url(source, "maker"))
    provider.prepare(print)
    spent, kept = provider.acquire("gw0"), provider.acquire("gw1")
    names = [f"test_shop_{one.endpoint.suffix}" for one in (spent, kept)]
    for name in names:
        user_server.do(f"create database {name} owner maker")
    provider.release(spent)
    assert [name for name in names if name in databases(user_server)] == names[1:]
    provider.close()
    assert names[1] not in databases(user_server)


@ONE_VERSION
def test_the_next_run_removes_what_a_killed_one_left_and_no_copy_of_the_users(
    user_server, source, monkeypatch
):
    monkeypatch.setattr(own_leftovers, "SETTLED", 0.0)
    run = seal("00000000")
    left, users = f"test_shop_dbsafe_{run}_d4", f"copy_dbsafe_{run}_4"
    for name in (left, users):
        user_server.do(f"create database {name} owner maker")
    _, direct, _ = inspect_server(Choice(user_server.url(user="maker")))
    sessions = Sessions(direct, 1)
    try:
        assert left in remove_leftovers(sessions)
        assert users in databases(user_server)
    finally:
        sessions.close()
        user_server.do(f"drop database {users}")
