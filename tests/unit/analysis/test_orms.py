# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""Django, peewee and tortoise."""

from __future__ import annotations

import pytest

from dbsafe_runner.domain.level import Level

NONE, READ, ISOLATED, SHARED, SCHEMA, ALONE = Level
MODELS = """
from django.db import models

class Author(models.Model):
    name = models.TextField()

class Book(models.Model):
    author = models.ForeignKey(Author, models.CASCADE)

    class Meta:
        db_table = "library_books"
"""
FILES = {"books/__init__.py": "", "books/models.py": MODELS}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Author.objects.count()", READ),
        ("list(Author.objects.filter(name='x'))", READ),
        ("Author.objects.create(name='x')", ISOLATED),
        ("Author(name='x').save()", ISOLATED),
        ("a = Author.objects.get(pk=1)\n    a.delete()", ISOLATED),
        ("Author.objects.filter(name='x').update(name='y')", ISOLATED),
        ("Author.objects.get(pk=1).book_set.add(1)", ISOLATED),
        ("client.get('/')", READ),
        ("client.post('/', {})", ISOLATED),
        ("call_command('migrate')", ISOLATED),
        ("connection.cursor().execute('DELETE FROM a WHERE b')", ISOLATED),
        ("ddf.G(Author)", ISOLATED),
        ("something_unknown().save()", ISOLATED),
    ],
)
def test_the_db_fixture_takes_everything_back(level, body: str, expected: Level) -> None:
    source = f"""
import ddf
from books.models import Author
from django.core.management import call_command
from django.db import connection

def test_it(db, client):
    {body}
"""
    assert level(source, FILES, "settings") is expected


@pytest.mark.parametrize("query", ["filter(name='x').first()", "last()", "order_by('name').first()"])
def test_a_row_that_is_looked_for_may_not_be_there(level, query: str) -> None:
    source = f"""
from books.models import Author

def test_it(db):
    if Author.objects.{query} is None:
        Author.objects.create(name='x')
"""
    assert level(source, FILES, "settings") is ISOLATED


@pytest.mark.parametrize(
    ("mark", "fixture", "expected"),
    [
        ("@pytest.mark.django_db", "", ISOLATED),
        ("@pytest.mark.django_db(transaction=True)", "", SHARED),
        ("", "db", ISOLATED),
        ("", "transactional_db", SHARED),
        ("", "db, transactional_db", SHARED),
    ],
)
def test_marks_and_fixtures_of_pytest_django(level, mark: str, fixture: str, expected: Level) -> None:
    source = f"import pytest\nfrom books.models import Author\n{mark}\ndef test_it({fixture}):\n    Author.objects.create()\n"
    assert level(source, FILES, "settings") is expected


@pytest.mark.parametrize(
    ("base", "expected"),
    [("TestCase", ISOLATED), ("TransactionTestCase", SHARED), ("SimpleTestCase", SHARED)],
)
def test_test_case_classes(level, base: str, expected: Level) -> None:
    source = f"""
from books.models import Author
from django.test import {base}

class TestIt({base}):
    def setUp(self):
        self.author = Author.objects.create()

    def test_it(self):
        self.assertEqual(self.author, 1)
"""
    assert level(source, FILES) is expected


def test_tables_are_named_as_django_names_them(footprint) -> None:
    source = """
from books.models import Author, Book

def test_it(db):
    Author.objects.create()
    Book.objects.create()
"""
    assert footprint(source, FILES).writes == {"books_author", "library_books"}


def test_a_test_that_may_not_reach_the_database_does_not(level) -> None:
    source = """
import pytest
from books.models import Author

@pytest.fixture(autouse=True)
def _django_db_marker():
    pass

def test_it():
    Author(name="x").save()
"""
    assert level(source, FILES, "settings") is NONE
    assert level(source, FILES, "") is SHARED


def test_a_manager_of_the_project(level) -> None:
    source = """
from django.db import models

class AuthorManager(models.Manager):
    def register(self, name):
        return super().create(name=name)

class Author(models.Model):
    objects = AuthorManager()

def test_it(db):
    Author.objects.register("x")
"""
    assert level(source) is ISOLATED


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("Person.select().where(Person.id == 1).get()", READ),
        ("Person.create(name='x')", SHARED),
        ("Person.insert(name='x').execute()", SHARED),
        ("Person.update(name='x').where(Person.id == 1).execute()", SHARED),
        ("Person.create_table()", SCHEMA),
        ("database.create_tables([Person])", SCHEMA),
        ("with database.atomic() as t:\n        Person.create()\n        t.rollback()", ISOLATED),
    ],
)
def test_peewee(level, body: str, expected: Level) -> None:
    source = f"""
from peewee import Model, PostgresqlDatabase

database = PostgresqlDatabase("shop")

class Person(Model):
    class Meta:
        table_name = "people"

def test_it():
    {body}
"""
    assert level(source) is expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("await Event.all()", READ),
        ("await Event.filter(id=1).delete()", SHARED),
        ("await Event.create(name='x')", SHARED),
        ("await Tortoise.generate_schemas()", SCHEMA),
    ],
)
def test_tortoise(level, body: str, expected: Level) -> None:
    source = f"""
from tortoise import Tortoise
from tortoise.models import Model

class Event(Model):
    pass

async def test_it():
    {body}
"""
    assert level(source) is expected


SIGNALLING = {
    **FILES,
    "settings.py": "INSTALLED_APPS = ['django.contrib.auth', 'books']",
    "books/apps.py": """
from django.apps import AppConfig
from django.db import connections
from django.db.models.signals import post_migrate

def install(using, **kwargs):
    with connections[using].cursor() as cursor:
        cursor.execute("CREATE TRIGGER stamp BEFORE INSERT ON books_author EXECUTE FUNCTION now()")

class BooksConfig(AppConfig):
    def ready(self):
        post_migrate.connect(install, sender=self)
""",
}
FLUSHED = "import pytest\n@pytest.mark.django_db(transaction=True)\ndef test_it():\n    pass\n"


@pytest.mark.parametrize("entry", ["books", "books.apps.BooksConfig"])
def test_a_flush_ends_with_what_the_apps_do_after_migrations(level, entry: str) -> None:
    files = {**SIGNALLING, "settings.py": f"INSTALLED_APPS = ['django.contrib.auth', '{entry}']"}
    assert level(FLUSHED, files, "settings") is SCHEMA
    assert level(FLUSHED.replace("transaction=True", ""), files, "settings") is READ


def test_what_the_migration_has_made_is_not_made_again(level) -> None:
    apps = SIGNALLING["books/apps.py"].replace(
        "CREATE TRIGGER", "CREATE TABLE IF NOT EXISTS log (id int) --"
    )
    assert level(FLUSHED, {**SIGNALLING, "books/apps.py": apps}, "settings") is SHARED


def test_settings_that_begin_with_other_settings(level) -> None:
    files = {**SIGNALLING, "base.py": SIGNALLING["settings.py"], "settings.py": "from base import *\n"}
    assert level(FLUSHED, files, "settings") is SCHEMA


@pytest.mark.parametrize(
    "settings",
    ["", "INSTALLED_APPS = ['elsewhere', 'missing.apps.Config', 3]", "INSTALLED_APPS = (", None],
)
def test_settings_that_install_nothing_of_the_project(level, settings: str | None) -> None:
    assert level(FLUSHED, {**SIGNALLING, "settings.py": settings}, "settings") is SHARED


def test_a_change_of_what_the_apps_do_after_migrations_is_seen(suite) -> None:
    cache: dict[str, bytes] = {}
    files = {**SIGNALLING, "test_it.py": FLUSHED}
    assert suite(files, "settings").footprints(cache)["test_it.py::test_it"].schema_changes
    files["books/apps.py"] = ""
    assert not suite(files, "settings").footprints(cache)["test_it.py::test_it"].schema_changes


def test_a_row_of_tortoise_that_is_updated_gives_itself(level) -> None:
    source = """
from tortoise.models import Model

class Item(Model):
    pass

async def test_it():
    item = await Item.first()
    await item.update_from_dict({"n": 2}).save()
"""
    assert level(source) is SHARED


@pytest.mark.parametrize("fixture", ["admin_user", "admin_client"])
def test_the_user_that_pytest_django_makes_is_rolled_back(footprint, fixture: str) -> None:
    found = footprint(f"def test_it({fixture}):\n    assert {fixture}\n")
    assert not found.outlives
    assert found.writes == {"auth_user"}
    assert [(one.file, one.line) for one in found.evidence] == [("test_it.py", 1)]


def test_the_user_that_pytest_django_makes_is_flushed_with_the_rest(level) -> None:
    assert level("def test_it(admin_user, transactional_db):\n    pass\n") is SHARED
