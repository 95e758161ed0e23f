"""Django suites under pytest-django: the same outcomes and names, with databases made once for all."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.projects import Project

SETTINGS = """
    SECRET_KEY = "x"
    INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "shop"]
    DATABASES = {
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": "shop",
            "USER": "shop",
            "PASSWORD": "secret",
            "HOST": "localhost",
        }
    }
    DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
"""
MODELS = """
    from django.db import models

    class Order(models.Model):
        name = models.CharField(max_length=40)
"""
MIGRATION = """
    from django.db import migrations, models

    def seed(apps, schema_editor):
        with open("migrated", "a") as log:
            log.write("once\\n")
        apps.get_model("shop", "Order").objects.create(name="seeded")

    class Migration(migrations.Migration):
        initial = True
        operations = [
            migrations.CreateModel(
                "Order",
                [
                    ("id", models.BigAutoField(primary_key=True)),
                    ("name", models.CharField(max_length=40)),
                ],
            ),
            migrations.RunPython(seed),
        ]
"""
TESTS = """
    import pytest
    from django.db import connection
    from django.test import TestCase
    from shop.models import Order

    @pytest.mark.django_db
    @pytest.mark.parametrize("number", range(3))
    def test_rolled_back(number):
        assert Order.objects.count() == 1
        Order.objects.create(name="second")

    def test_name(db):
        assert connection.settings_dict["NAME"] == "test_shop"
        assert Order.objects.filter(name="seeded").exists()

    class TestOrders(TestCase):
        @classmethod
        def setUpTestData(cls):
            cls.order = Order.objects.create(name="of the class")

        def test_there(self):
            assert Order.objects.count() == 2

        def test_deleted(self):
            self.order.delete()
            assert Order.objects.count() == 1
"""
FLUSHING = """
    import pytest
    from shop.models import Order

    @pytest.mark.django_db(transaction=True)
    def test_committed():
        Order.objects.create(name="committed")

    @pytest.mark.django_db(transaction=True)
    def test_flushed():
        assert Order.objects.count() == 0
"""
TESTS_IN_ALL = 3 * 6 + 2


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Project(tmp_path, plugins=("pytest_django.plugin",))
    project.file("shop/__init__.py", "").file("shop/migrations/__init__.py", "")
    project.write(settings=SETTINGS, shop__models=MODELS, shop__migrations__0001_initial=MIGRATION)
    project.write(test_a=TESTS, test_b=TESTS, test_c=TESTS, test_d=FLUSHING)
    return project.file(
        "pyproject.toml",
        '[tool.pytest.ini_options]\nDJANGO_SETTINGS_MODULE = "settings"\npythonpath = "."\n',
    )


def migrations(project: Project) -> int:
    return len((project.root / "migrated").read_text().splitlines())


def assert_all_passed(project: Project, *arguments: str) -> None:
    ran = project.dbsafe("--workers", "3", *arguments)
    assert ran.code == 0, ran.out
    assert list(ran.outcomes.values()) == ["passed"] * TESTS_IN_ALL


def test_databases_are_migrated_once_for_all_workers(project):
    assert_all_passed(project)
    assert migrations(project) == 1


@pytest.mark.long
def test_spawned_workers_migrate_their_own_under_the_usual_name(project):
    assert_all_passed(project, "--start", "spawn")
    assert migrations(project) == 3


def test_what_the_suite_sets_up_first_comes_first(project):
    project.write(
        conftest="""
            import pytest

            @pytest.fixture(scope="session", autouse=True)
            def first(request):
                with open("migrated", "a") as log:
                    log.write("before\\n")
        """
    )
    assert_all_passed(project)
    lines = (project.root / "migrated").read_text().splitlines()
    assert lines[0] == "before"
    assert lines.count("before") == lines.count("once") > 1


def test_a_set_up_that_fails_is_every_tests_error(project):
    broken = MIGRATION.replace(
        "def seed(apps, schema_editor):", "def seed(apps, schema_editor):\n        1 / 0"
    )
    project.write(shop__migrations__0001_initial=broken)
    ran = project.dbsafe("--workers", "2", "--no-confirm")
    assert ran.code == 1
    assert ran.out.count("ZeroDivisionError") >= TESTS_IN_ALL
    assert set(ran.outcomes.values()) == {"error"}
