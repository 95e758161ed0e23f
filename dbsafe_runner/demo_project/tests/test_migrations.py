"""The migrations, up and down, on the shop's own database. Each test leaves it at the newest revision."""

from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import inspect, text

from shop import db
from shop.models import Base

PROJECT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def script():
    return ScriptDirectory(str(PROJECT / "migrations"))


@pytest.fixture
def alembic(engine):
    """Run an Alembic command on the shop's database, and go back to the newest revision afterwards."""
    engine.dispose()

    def run(action, *arguments):
        with engine.begin() as connection:
            config = Config(PROJECT / "alembic.ini")
            config.attributes["connection"] = connection
            getattr(command, action)(config, *arguments)

    yield run
    run("upgrade", "head")
    engine.dispose()


def revision(engine):
    with engine.connect() as connection:
        return connection.scalar(text("SELECT version_num FROM alembic_version"))


def catalogue(engine):
    """Tables, columns, indexes and triggers, in a form that can be compared."""
    with engine.connect() as connection:
        columns = connection.execute(
            text(
                "SELECT table_name, column_name, data_type, is_nullable, column_default "
                "FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 2"
            )
        ).all()
        indexes = connection.execute(
            text("SELECT tablename, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1, 2")
        ).all()
        triggers = connection.execute(
            text(
                "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2"
            )
        ).all()
    return columns, indexes, triggers


def test_one_head(script):
    assert script.get_heads() == ["0012"]


def test_revisions_follow_each_other(script):
    numbers = [item.revision for item in script.walk_revisions()]
    assert numbers == sorted(numbers, reverse=True)


def test_every_revision_has_a_description(script):
    assert all(item.doc.strip() for item in script.walk_revisions())


def test_the_database_is_at_the_newest_revision(engine):
    assert revision(engine) == "0012"


def test_every_model_has_a_table(engine):
    assert set(Base.metadata.tables) <= set(inspect(engine).get_table_names())


@pytest.mark.parametrize("target", ["0011", "0010", "0009", "0008", "0007", "0006", "0005"])
def test_down_and_up_again_changes_nothing(engine, alembic, target):
    before = catalogue(engine)
    alembic("downgrade", target)
    assert revision(engine) == target
    assert catalogue(engine) != before
    alembic("upgrade", "head")
    assert catalogue(engine) == before


def test_all_the_way_down_leaves_nothing(engine, alembic):
    alembic("downgrade", "base")
    assert inspect(engine).get_table_names() == ["alembic_version"]
    with engine.connect() as connection:
        functions = text("SELECT count(*) FROM pg_proc WHERE pronamespace = 'public'::regnamespace")
        assert connection.scalar(functions) == 0


def test_all_the_way_down_and_up_brings_the_reference_data_back(engine, alembic):
    alembic("downgrade", "base")
    alembic("upgrade", "head")
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM products")) == 72
        assert connection.scalar(text("SELECT max(id) FROM products")) == 72
        assert connection.scalar(text("SELECT count(*) FROM sellers")) == 3


def test_old_orders_get_an_empty_delivery_note(engine, alembic):
    alembic("downgrade", "0011")
    with db.connect() as connection:
        connection.execute(
            "INSERT INTO customers (id, email, name, password_hash, country_code) "
            "VALUES (1, 'old@example.org', 'Old', 'x', 'DE')"
        )
        connection.execute("INSERT INTO orders (id, number, customer_id, total_cents) VALUES (1, 1, 1, 100)")
        connection.commit()
        alembic("upgrade", "head")
        row = connection.execute("SELECT delivery_note FROM orders WHERE id = 1").fetchone()
        assert row == {"delivery_note": ""}
        connection.execute("DELETE FROM orders")
        connection.execute("DELETE FROM customers")
        connection.execute("TRUNCATE audit_log RESTART IDENTITY")


def test_offline_sql_can_be_reviewed(alembic, capsys):
    command.upgrade(Config(PROJECT / "alembic.ini"), "0011:0012", sql=True)
    sql = capsys.readouterr().out
    assert "ALTER TABLE orders ADD COLUMN delivery_note TEXT" in sql
