"""What a killed run leaves on the user's server, and what is never touched."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pytest

from dbsafe_runner.database import own_leftovers
from dbsafe_runner.database.own_leftovers import TEMPLATE_AGE, list_found, remove_leftovers
from dbsafe_runner.database.ownership import Tag, seal, write_tag
from dbsafe_runner.database.sessions import Sessions
from dbsafe_runner.database.user_servers import Choice, inspect_server

PROGRAM = """
import json, sys
from pathlib import Path
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.database.user_servers import Choice, provider_for
provider = provider_for(Choice(sys.stdin.readline().strip()), TemplateRequest(root=Path("/")))
provider.prepare(lambda text: None)
provider.warm(2)
print(json.dumps([provider.acquire("gw0").name, provider.acquire("gw1").name]), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def sessions(user_server, monkeypatch):
    """Sessions of the role `maker`; the server counts as settled at once."""
    monkeypatch.setattr(own_leftovers, "SETTLED", 0.0)
    _, direct, _ = inspect_server(Choice(user_server.url(user="maker")))
    opened = Sessions(direct, 2)
    yield opened
    opened.close()


def start(url: str) -> tuple[subprocess.Popen[str], list[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    process.stdin.write(url + "\n")
    process.stdin.flush()
    return process, json.loads(process.stdout.readline())


def test_a_killed_run_is_cleaned_up_and_a_living_one_is_not(user_server, source, sessions):
    killed, lost = start(user_server.url(source, "maker"))
    living, kept = start(user_server.url(source, "maker"))
    assert remove_leftovers(sessions) == []
    killed.kill()
    killed.communicate()
    deadline = time.monotonic() + 10
    removed: list[str] = []
    # The server notices a moment later that the session is gone.
    while not removed and time.monotonic() < deadline:
        removed = remove_leftovers(sessions)
    assert set(lost) <= set(removed)
    assert set(kept) <= set(user_server.ours())
    states = {one.name: one.living for one in list_found(sessions)}
    assert all(states[name] for name in kept)
    living.communicate()
    remove_leftovers(sessions)
    assert not set(kept) & set(user_server.ours())


def test_after_a_restart_of_the_server_runs_get_time_to_claim_again(
    user_server, source, sessions, monkeypatch
):
    monkeypatch.setattr(own_leftovers, "SETTLED", 1e9)
    killed, lost = start(user_server.url(source, "maker"))
    killed.kill()
    killed.communicate()
    assert remove_leftovers(sessions) == []
    monkeypatch.setattr(own_leftovers, "SETTLED", 0.0)
    deadline = time.monotonic() + 10
    while set(lost) & set(user_server.ours()) and time.monotonic() < deadline:
        remove_leftovers(sessions)
    assert not set(lost) & set(user_server.ours())


def test_what_only_looks_like_ours_is_left_alone(user_server, sessions):
    names = ["dbsafe_production", "dbsafe_0123456789ab_1", "dbsafe_t_" + "0" * 24, "dbsafe_1"]
    user_server.do(*(f"create database {name} owner maker" for name in names))
    assert not set(remove_leftovers(sessions, templates=True)) & set(names)
    assert {one.name for one in list_found(sessions)} & set(names) == set()
    user_server.do(*(f"drop database {name}" for name in names))


def test_a_database_that_was_not_tagged_yet_is_known_by_its_name(user_server, sessions):
    name = f"dbsafe_{seal('deadbeef')}_12_2"
    user_server.do(f"create database {name} owner maker")
    assert remove_leftovers(sessions) == [name]


def test_templates_go_when_nobody_used_them_for_long(user_server, sessions):
    now = time.time()
    names = [f"dbsafe_t_{digit * 24}" for digit in "ab"]
    for name, used in zip(names, (now, now - TEMPLATE_AGE - 60), strict=True):
        comment = write_tag(Tag(run=seal("00000000"), used=used))
        user_server.do(
            f"create database {name} owner maker is_template true",
            f"comment on database {name} is '{comment}'",
        )
    assert remove_leftovers(sessions) == [names[1]]
    assert names[0] in remove_leftovers(sessions, templates=True)


def test_schemas_are_found_in_the_database_of_the_url(user_server, monkeypatch):
    monkeypatch.setattr(own_leftovers, "SETTLED", 0.0)
    name = f"dbsafe_{seal('cafecafe')}_3"
    user_server.do(
        f"create schema {name}", "create schema dbsafe_mine", database="plain_db", user="plain"
    )
    _, direct, _ = inspect_server(Choice(user_server.url("plain_db", "plain")))
    opened = Sessions(direct, 2)
    assert remove_leftovers(opened) == [name]
    opened.close()
    user_server.do("drop schema dbsafe_mine", database="plain_db")
