"""Settings of the server, the database and the session, and which of them wins."""

import time

import pytest
from psycopg import errors

from shop import db

PATIENCE = 10


@pytest.fixture
def admin():
    with db.connect(autocommit=True) as connection:
        yield connection


@pytest.fixture
def server_setting(admin):
    """Change a setting of the whole server; afterwards it has its old value again."""
    changed = []

    def change(name, value):
        changed.append(name)
        admin.execute(f"ALTER SYSTEM SET {name} = '{value}'")
        admin.execute("SELECT pg_reload_conf()")

    yield change
    for name in changed:
        admin.execute(f"ALTER SYSTEM RESET {name}")
    admin.execute("SELECT pg_reload_conf()")


@pytest.fixture
def database_setting(admin):
    """Change a setting of the shop's database; afterwards it is gone."""
    yield lambda name, value: admin.execute(f"ALTER DATABASE shop SET {name} = '{value}'")
    admin.execute("ALTER DATABASE shop RESET ALL")


def show(name):
    """The value that a new connection gets."""
    with db.connect() as connection:
        return connection.execute(f"SHOW {name}").fetchone()[name]


def wait_until_shown(name, value):
    """The server reads its settings again soon, not at once."""
    until = time.monotonic() + PATIENCE
    while show(name) != value:
        assert time.monotonic() < until, f"{name} is still {show(name)}"
        time.sleep(0.02)


@pytest.mark.parametrize(("name", "value"), [("work_mem", "7MB"), ("log_min_duration_statement", "123ms")])
def test_server_settings_reach_new_connections(server_setting, name, value):
    server_setting(name, value)
    wait_until_shown(name, value)


def test_reset_brings_the_old_value_back(admin, server_setting):
    before = show("work_mem")
    server_setting("work_mem", "9MB")
    wait_until_shown("work_mem", "9MB")
    admin.execute("ALTER SYSTEM RESET work_mem")
    admin.execute("SELECT pg_reload_conf()")
    wait_until_shown("work_mem", before)


def test_changed_settings_are_in_the_file(admin, server_setting):
    server_setting("work_mem", "9MB")
    rows = admin.execute("SELECT setting FROM pg_file_settings WHERE name = 'work_mem'").fetchall()
    assert rows[-1] == {"setting": "9MB"}


def test_some_settings_need_a_restart(admin, server_setting):
    server_setting("max_connections", "123")
    until = time.monotonic() + PATIENCE
    pending = "SELECT pending_restart FROM pg_settings WHERE name = 'max_connections'"
    while not admin.execute(pending).fetchone()["pending_restart"]:
        assert time.monotonic() < until
        time.sleep(0.02)
    assert show("max_connections") != "123"


def test_database_settings_reach_new_connections(database_setting):
    database_setting("work_mem", "11MB")
    assert show("work_mem") == "11MB"


def test_database_settings_do_not_reach_old_connections(admin, database_setting):
    before = admin.execute("SHOW work_mem").fetchone()["work_mem"]
    database_setting("work_mem", "11MB")
    assert admin.execute("SHOW work_mem").fetchone()["work_mem"] == before


def test_database_wins_over_server(server_setting, database_setting):
    server_setting("work_mem", "7MB")
    wait_until_shown("work_mem", "7MB")
    database_setting("work_mem", "11MB")
    assert show("work_mem") == "11MB"


def test_session_wins_over_database(connection, database_setting):
    database_setting("work_mem", "11MB")
    connection.execute("SET LOCAL work_mem = '13MB'")
    assert connection.execute("SHOW work_mem").fetchone()["work_mem"] == "13MB"


def test_no_database_settings_are_left(admin):
    rows = admin.execute(
        "SELECT setconfig FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase "
        "WHERE d.datname = current_database()"
    )
    assert rows.fetchall() == []


def test_nonsense_is_refused(admin):
    with pytest.raises(errors.InvalidParameterValue):
        admin.execute("ALTER SYSTEM SET work_mem = 'plenty'")
