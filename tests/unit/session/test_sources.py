from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from dbsafe_runner.session.sources import LARGEST_FILE, SourceFiles, is_installed


@pytest.fixture
def files(tmp_path: Path) -> SourceFiles:
    for name in (
        *("shop/__init__.py", "shop/orders.py", "shop/api/__init__.py", "shop/api/routes.py"),
        *("plain/tools.py", "tests/conftest.py", "lib/extra.py", "single.py"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"# {name}\n")
    return SourceFiles(tmp_path, ["lib", "", str(Path(sys.prefix) / "lib" / "site-packages")])


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        ("shop", "shop/__init__.py"),
        ("shop.orders", "shop/orders.py"),
        ("shop.api", "shop/api/__init__.py"),
        ("shop.api.routes", "shop/api/routes.py"),
        ("plain.tools", "plain/tools.py"),
        ("single", "single.py"),
        ("extra", "lib/extra.py"),
        ("plain", None),
        ("shop.nothing", None),
        ("nothing.at.all", None),
        ("json", None),
        ("pytest", None),
        ("sys", None),
        ("not a module", None),
    ],
)
def test_modules_of_the_project_are_found(files, tmp_path, module, expected):
    found = files.resolve(module, str(tmp_path / "tests" / "conftest.py"))
    assert found == (expected and str(tmp_path / expected))


@pytest.mark.parametrize(
    ("module", "expected"),
    [
        (".", "shop/api/__init__.py"),
        (".routes", "shop/api/routes.py"),
        ("..orders", "shop/orders.py"),
        ("..", "shop/__init__.py"),
        (".nothing", None),
    ],
)
def test_relative_imports(files, tmp_path, module, expected):
    found = files.resolve(module, str(tmp_path / "shop" / "api" / "routes.py"))
    assert found == (expected and str(tmp_path / expected))


def test_directories_of_installed_packages_are_no_source_roots(files, tmp_path):
    assert list(files._roots) == [str(tmp_path), str(tmp_path / "lib")]
    assert is_installed(os.__file__)
    assert not is_installed(str(tmp_path))


def test_an_editable_package_is_part_of_the_project(tmp_path):
    # dbsafe itself is installed that way, where these tests run.
    found = SourceFiles(tmp_path).resolve("dbsafe_runner.errors", str(tmp_path / "t.py"))
    assert found is None or found.endswith("/dbsafe_runner/errors.py")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"x = 1\r\n", "x = 1\n"),
        (b"\xef\xbb\xbfx = 1\n", "x = 1\n"),
        (
            "# -*- coding: latin-1 -*-\nx = 'é'\n".encode("latin-1"),
            "# -*- coding: latin-1 -*-\nx = 'é'\n",
        ),
        (b"# -*- coding: klingon -*-\n", None),
        (b"\xff\xfe\x00\x01", None),
        (b"x" * (LARGEST_FILE + 1), None),
    ],
    ids=["line-ends", "mark", "latin-1", "unknown-encoding", "binary", "huge"],
)
def test_texts_are_decoded_as_python_does(tmp_path, data, expected):
    path = tmp_path / "module.py"
    path.write_bytes(data)
    assert SourceFiles(tmp_path).read(str(path)) == expected


def test_what_is_no_file_is_no_text(tmp_path):
    os.mkfifo(tmp_path / "test_pipe.py")
    files = SourceFiles(tmp_path)
    for name in ("test_pipe.py", "missing.py", "", "nul\0byte.py"):
        assert files.read(f"{tmp_path}/{name}") is None
