from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from dbsafe_runner.workers import django_databases

OWN = "dbsafe_0123456789ab_d3"


@pytest.fixture
def name_databases(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Names the test database of a project whose own is called so, as pytest-django does in gw0."""
    settings = SimpleNamespace(DATABASES={})
    fixtures, conf = ModuleType("pytest_django.fixtures"), ModuleType("django.conf")

    def set_suffix(suffix: str) -> None:
        for database in settings.DATABASES.values():
            database["TEST"] = {"NAME": f"test_{database['NAME']}_{suffix}"}

    fixtures._set_suffix_to_test_databases = set_suffix  # type: ignore[attr-defined]
    conf.settings = settings  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytest_django.fixtures", fixtures)
    monkeypatch.setitem(sys.modules, "django.conf", conf)

    def name(own: str, suffix: str = "gw0") -> str:
        settings.DATABASES["default"] = {"NAME": own}
        fixtures._set_suffix_to_test_databases(suffix)
        return str(settings.DATABASES["default"].get("TEST", {}).get("NAME", ""))

    return name


def test_names_stay_where_a_worker_is_alone_on_its_server(name_databases: Any) -> None:
    django_databases.keep_names("gw0")
    assert name_databases("shop") == ""


def test_names_carry_the_suffix_of_the_namespace_instead_of_the_workers(name_databases: Any) -> None:
    django_databases.tell_apart("gw0", lambda: OWN)
    assert name_databases("shop") == f"test_shop_{OWN}"
    assert name_databases("shop", suffix="py312") == "test_shop_py312"


def test_without_a_suffix_the_workers_name_stays(name_databases: Any) -> None:
    django_databases.tell_apart("gw0", lambda: "")
    assert name_databases("shop") == "test_shop_gw0"


def test_long_names_are_cut_before_the_suffix(name_databases: Any) -> None:
    django_databases.tell_apart("gw0", lambda: OWN)
    name = name_databases("s" * 50)
    assert len(name) == 63
    assert name.startswith("test_sss")
    assert name.endswith(f"s_{OWN}")
    assert len(name_databases("s" * 63, suffix="py312")) > 63
