from __future__ import annotations

from pathlib import Path

import pytest

from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.test import FixtureDef, Test
from dbsafe_runner.history.records import Code
from dbsafe_runner.session.code_state import code_of
from dbsafe_runner.session.sources import SourceFiles

SUITE = {
    "tests/test_orders.py": "from shop import orders\nfrom shop.prices import (\n  total,\n  tax,\n)\n",
    "tests/test_names.py": "def test_names(): pass\n",
    "tests/conftest.py": "import support\n",
    "conftest.py": "\n",
    "support.py": "import circle\n",
    "circle.py": "import support\n",
    "shop/__init__.py": "",
    "shop/orders.py": "from . import audit\n",
    "shop/audit.py": "",
    "shop/prices.py": "import decimal\n",
    "shop/unused.py": "",
}


def state(root: Path, *tests: Test) -> dict[str, Code]:
    return code_of(tests, SourceFiles(root))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in SUITE.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


ORDERS = Test(0, "tests/test_orders.py::test_a", "tests/test_orders.py", 1, "", "test_a")
NAMES = Test(1, "tests/test_names.py::test_names", "tests/test_names.py", 1, "", "test_names")


@pytest.mark.parametrize(
    ("changed", "own", "everything"),
    [
        ("tests/test_orders.py", True, True),
        ("tests/conftest.py", True, True),
        ("conftest.py", True, True),
        ("shop/orders.py", False, True),
        ("shop/audit.py", False, True),
        ("shop/prices.py", False, True),
        ("shop/__init__.py", False, True),
        ("circle.py", False, True),
        ("shop/unused.py", False, False),
        ("tests/test_names.py", False, False),
    ],
)
def test_what_a_change_touches(root, changed, own, everything):
    before = state(root, ORDERS, NAMES)[ORDERS.nodeid]
    (root / changed).write_text(SUITE[changed] + "# changed\n")
    after = state(root, ORDERS, NAMES)[ORDERS.nodeid]
    assert (before.own != after.own, before.all != after.all) == (own, everything)


def test_the_files_of_fixtures_are_a_tests_own_code(root):
    fixture = FixtureDef("till", "function", str(root / "shop" / "unused.py"), 1, "till")
    test = Test(0, "tests/test_names.py::t", "tests/test_names.py", 1, "", "t", (fixture,))
    before = state(root, test)[test.nodeid]
    (root / "shop" / "unused.py").write_text("# changed\n")
    assert state(root, test)[test.nodeid].own != before.own


def test_hashes_do_not_depend_on_which_other_tests_there_are(root):
    assert state(root, ORDERS)[ORDERS.nodeid] == state(root, NAMES, ORDERS)[ORDERS.nodeid]


def test_a_file_that_is_gone_has_a_state_too(tmp_path):
    missing = Test(0, "gone.py::t", "gone.py", 1, "", "t")
    assert state(tmp_path, missing)["gone.py::t"].own


def test_the_sql_that_is_read_is_part_of_the_code(root):
    reads = root / "tests" / "seed.sql"
    called = root / "shop" / "report.sql"
    said = {
        ORDERS.nodeid: Footprint(
            own_files=frozenset({str(reads)}), called_files=frozenset({str(called)})
        )
    }

    def now() -> dict[str, Code]:
        return code_of([ORDERS, NAMES], SourceFiles(root), said)

    before = now()
    called.write_text("select 1")
    one = now()
    assert one[ORDERS.nodeid].own == before[ORDERS.nodeid].own
    assert one[ORDERS.nodeid].all != before[ORDERS.nodeid].all
    reads.write_text("insert into audit values (1)")
    two = now()
    assert two[ORDERS.nodeid].own != one[ORDERS.nodeid].own
    assert two[ORDERS.nodeid].all != one[ORDERS.nodeid].all
    assert two[NAMES.nodeid] == before[NAMES.nodeid]
