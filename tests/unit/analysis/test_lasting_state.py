"""State that outlives a test in its process, wherever the code that changes it stands."""

from __future__ import annotations

import textwrap

import pytest

HELPERS = """
import collections
import functools
import itertools
import queue
from typing import ClassVar

import pydantic

counter = itertools.count()
REGISTRY = []
SETTINGS = {}
flag = False

class Sing:
    _one = None
    seen = 0

    @classmethod
    def get(cls):
        if cls._one is None:
            cls._one = cls()
        return cls._one

    def note(self):
        self.noted = True

single = Sing()

class Repository:
    stored = {}

    def save(self, name):
        self.stored[name] = name

    @classmethod
    def register(cls, name):
        cls.stored[name] = name

def handle(repository):
    repository().save("x")

class Shelf:
    rows = collections.defaultdict(list)
    numbers = itertools.count(1)
    waiting = collections.deque()
    tasks = queue.Queue()
    seen = collections.Counter()

    def __init__(self):
        self.own = collections.defaultdict(list)

    def place(self, name):
        self.rows[name].append(name)

    def number(self):
        return next(self.numbers)

    def wait(self, name):
        self.waiting.append(name)

    def later(self, name):
        self.tasks.put(name)

    def count(self, name):
        self.seen[name] += 1

    def fill(self, name):
        self.own[name].append(name)

shelf = Shelf()

class Basket(pydantic.BaseModel):
    goods: list[str] = []
    known: ClassVar[dict[str, int]] = {}

    def fill(self):
        self.goods.append("x")

    def learn(self):
        self.known["x"] = 1

class Base:
    rows = []

    @classmethod
    def setup_class(cls):
        cls.more = []

def raise_flag():
    global flag
    flag = True

def next_id():
    return next(counter)

@functools.lru_cache(maxsize=None)
def settings():
    return {"debug": False}

@functools.cache
def options():
    return Sing()

def fresh():
    return {"debug": False}

def remember(key):
    SETTINGS[key] = True
"""
HEAD = """
import importlib, logging, math, os, sys
from unittest import mock
import pytest
import helpers
from helpers import REGISTRY, Base, Sing, fresh, next_id, options, raise_flag, remember, settings, single
"""


def sharing(suite, source: str, helpers: str = HELPERS) -> dict[str, bool]:
    return suite({"helpers.py": helpers, "test_it.py": HEAD + textwrap.dedent(source)}).shares()


@pytest.mark.parametrize(
    "change",
    [
        "Sing.get()",
        "Sing.seen = 1",
        "Sing.seen += 1",
        "Sing.get().x = 1",
        "single.x = 1",
        "single.note()",
        "one = single; one.x = 1",
        "del single.x",
        "helpers.Repository().save('x')",
        "helpers.Repository.register('x')",
        "helpers.handle(helpers.Repository)",
        "class Fake(helpers.Repository): pass\n    helpers.handle(Fake)",
        "helpers.Basket().learn()",
        "helpers.Shelf().place('x')",
        "helpers.Shelf().number()",
        "helpers.Shelf().wait('x')",
        "helpers.Shelf().later('x')",
        "helpers.Shelf().count('x')",
        "helpers.shelf.fill('x')",
        "setattr(single, 'x', 1)",
        "delattr(single, 'x')",
        "setattr(helpers, 'x', 1)",
        "setattr(Sing, sys.argv[0], 1)",
        "helpers.x = 1",
        "helpers.flag = True",
        "math.zz = 1",
        "setattr(math, 'zz', 1)",
        "raise_flag()",
        "next_id()",
        "REGISTRY.append(1)",
        "rows = REGISTRY; rows.append(1)",
        "helpers.REGISTRY.append(1)",
        "helpers.SETTINGS['x'] = 1",
        "helpers.SETTINGS.update(x=1)",
        "del helpers.SETTINGS['x']",
        "remember('x')",
        "settings()['debug'] = True",
        "options().x = 1",
        "fresh.calls = 1",
        "os.environ['X'] = '1'",
        "os.environ.pop('X', None)",
        "os.environ.update(X='1')",
        "os.environ.setdefault('X', '1')",
        "del os.environ['X']",
        "os.putenv('X', '1')",
        "os.chdir('/')",
        "sys.modules['json']",
        "sys.modules.pop('json')",
        "sys.path.insert(0, '.')",
        "sys.path = []",
        "sys.path += ['.']",
        "importlib.reload(helpers)",
        "logging.disable()",
    ],
)
def test_a_change_of_what_outlives_the_test_is_shared_by_its_file(suite, change: str) -> None:
    found = sharing(suite, f"def test_changes():\n    {change}\n\ndef test_looks():\n    assert True\n")
    assert found == {"test_changes": True, "test_looks": True}


@pytest.mark.parametrize(
    "harmless",
    [
        "one = Sing(); one.x = 1; one.note()",
        "rows = []; rows.append(1)",
        "class Own(helpers.Repository):\n        stored = {}\n    Own().save('x'); helpers.handle(Own)",
        "helpers.Basket().fill()",
        "helpers.Shelf().fill('x')",
        "fresh()['debug'] = True",
        "values = fresh(); values.update(debug=True)",
        "class Own: pass\n    Own.x = 1",
        "mock.MagicMock().x = 1",
        "os.environ.get('X'); sys.path.index('.'); os.environ['X']",
        "with mock.patch.dict(os.environ, {'X': '1'}):\n        os.environ['Y'] = '1'",
        "with mock.patch.dict('os.environ'):\n        os.environ.pop('Y')",
        "'a,b'.split(',').append('c')",
    ],
)
def test_what_a_test_makes_itself_is_shared_by_nobody(suite, harmless: str) -> None:
    found = sharing(
        suite, f"def test_changes():\n    {harmless}\n\ndef test_looks():\n    assert True\n"
    )
    assert found == {"test_changes": False, "test_looks": False}


@pytest.mark.parametrize(
    ("fixture", "shared"),
    [
        ("os.environ['X'] = '1'\n    yield\n    del os.environ['X']", False),
        ("os.environ['X'] = '1'\n    yield\n    os.environ.pop('X')", False),
        ("if os.name: os.environ['X'] = '1'\n    yield\n    del os.environ['X']", False),
        ("if os.name: os.environ['X'] = '1'\n    yield\n    del os.environ['Y']", True),
        ("if os.name: os.environ['X'] = '1'\n    yield\n    if os.name: del os.environ['X']", True),
        ("os.environ['X'] = '1'\n    yield", False),
        ("if os.name: os.environ['X'] = '1'\n    yield", True),
        ("Sing.seen += 1\n    yield", True),
        ("with mock.patch.dict(os.environ):\n        yield", False),
        ("REGISTRY.clear()\n    yield", False),
        ("yield\n    REGISTRY.clear()", False),
    ],
)
def test_what_each_test_sets_first_or_sets_back_is_shared_by_nobody(
    suite, fixture: str, shared: bool
) -> None:
    body = "REGISTRY.append(1)" if "REGISTRY" in fixture else "os.environ['X']"
    if "patch.dict" in fixture:
        body = "os.environ['X'] = '1'"
    source = f"""
@pytest.fixture(autouse=True)
def around():
    {fixture}

def test_one():
    {body}

def test_two():
    pass
"""
    assert sharing(suite, source) == {"test_one": shared, "test_two": shared}


def test_a_patched_environment_guards_only_the_test_that_patches_it(suite) -> None:
    source = """
        @mock.patch.dict(os.environ, {"X": "1"})
        def test_guarded():
            os.environ["Y"] = "1"

        def test_also(mocker):
            mocker.patch.dict("os.environ")
            os.environ["Y"] = "1"
        """
    assert sharing(suite, source) == {"test_guarded": False, "test_also": False}
    more = "\n        def test_open():\n            os.environ['Y'] = '1'\n"
    assert all(sharing(suite, source + more).values())


def test_a_double_of_the_test_file_that_other_code_is_given_is_shared(suite) -> None:
    found = sharing(
        suite,
        """
        class Fake:
            stored = {}

            def save(self, name):
                self.stored[name] = name

        def test_changes():
            helpers.handle(Fake)

        def test_looks():
            assert True
        """,
    )
    assert found == {"test_changes": True, "test_looks": True}


def test_what_a_wide_fixture_gives_is_there_for_all(suite) -> None:
    source = """
        @pytest.fixture(scope="session")
        def app():
            return Sing()

        @pytest.fixture
        def own():
            return Sing()

        def test_marks(app):
            app.x = 1

        def test_looks(app):
            assert hasattr(app, "x")
        """
    assert sharing(suite, source) == {"test_marks": True, "test_looks": True}
    mine = source.replace("test_marks(app)", "test_marks(own)").replace("app.x", "own.x")
    assert sharing(suite, mine) == {"test_marks": False, "test_looks": False}


def test_class_state_by_set_up_methods(suite) -> None:
    source = """
        class TestRows:
            def setup_class(cls):
                cls.rows = []

            def test_fills(self):
                self.rows.append(1)

            def test_counts(self):
                assert len(self.rows) == 1

            def test_neither(self):
                pass

        class TestInherited(Base):
            def test_fills(self):
                self.rows.append(1)
        """
    found = sharing(suite, source)
    assert found["TestRows::test_fills"]
    assert found["TestRows::test_counts"]
    assert found["TestInherited::test_fills"]
    own = source.partition("        class TestInherited")[0]
    assert sharing(suite, own) == {
        "TestRows::test_fills": True,
        "TestRows::test_counts": True,
        "TestRows::test_neither": False,
    }
    assert all(sharing(suite, own.replace("setup_class", "setUpClass")).values()) is False
    per_test = own.replace("setup_class(cls)", "setup_method(self)").replace("cls.rows", "self.rows")
    assert not any(sharing(suite, per_test).values())


@pytest.mark.parametrize(
    ("head", "use", "look"),
    [
        ("c = itertools.count()", "next(c)", "assert next(c) == 1"),
        ("c = (n for n in range(9))", "next(c)", "assert list(c)"),
        ("def numbers():\n    yield 1\nc = numbers()", "next(c)", "next(c)"),
        ("c = io.StringIO()", "c.write('x')", "assert c.getvalue()"),
        ("c = mock.Mock()", "c('x')", "c.assert_called()"),
        ("c = Sing()", "c.x = 1", "assert hasattr(c, 'x')"),
        ("class K:\n    pass", "K.seen = 1", "assert K.seen"),
        ("class K:\n    pass", "setattr(K, 'seen', 1)", "assert getattr(K, 'seen')"),
        ("c = {'rows': []}", "c['rows'].append(1)", "assert c['rows']"),
        ("", "global c\n    c = 1", "assert c == 1"),
        ("rows = []\ndef fill():\n    rows.append(1)\nSTEPS = [fill]", "[fill][0]()", "assert rows"),
    ],
)
def test_the_variables_of_the_file_itself(suite, head: str, use: str, look: str) -> None:
    source = f"""
import io, itertools
{head}

def test_uses():
    {use}

def test_looks():
    {look}

def test_neither():
    pass
"""
    found = sharing(suite, source)
    assert found["test_uses"]
    assert found["test_looks"]
    assert not found["test_neither"]


def test_the_evidence_tells_what_is_changed_and_where(suite) -> None:
    source = HEAD + "\n\ndef test_changes():\n    remember('x')\n\ndef test_looks():\n    pass\n"
    found = suite({"helpers.py": HELPERS, "test_it.py": source}).footprints()
    own = found["test_it.py::test_changes"].evidence[-1]
    other = found["test_it.py::test_looks"].evidence[-1]
    assert (own.what, own.file) == ("changes SETTINGS[key]", "helpers.py")
    assert other.what == "may see SETTINGS[key], which test_changes changes"
