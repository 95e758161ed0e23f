# ruff: noqa: E501  # The source of one test stands on one line.
# The sources of one test stand on one line.
"""Sources that cannot be followed lower the confidence; they never end the analysis."""

from __future__ import annotations

import pytest

from dbsafe_runner.session.sources import Unreadable


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("def test_broken(:\n    pass\n", "cannot be parsed"),
        (None, "cannot be read as text"),
        ("x = '\0'\n", "cannot be parsed"),
        ("#" * 2_000_001, "is too large to analyse"),
        ("", "was not found where pytest says it is"),
        ("x = " + "(" * 5000 + ")" * 5000, "cannot be parsed"),
    ],
    ids=["syntax error", "binary", "null byte", "huge", "empty", "nested"],
)
def test_files_without_a_tree(suite, text: str | None, why: str) -> None:
    made = suite(
        {"test_bad.py": "def test_broken():\n    pass\n", "test_good.py": "def test_it():\n    pass\n"}
    )
    made.project.files["/suite/test_bad.py"] = text
    found = made.footprints()
    assert found["test_bad.py::test_broken"].confidence < 0.5
    assert why in found["test_bad.py::test_broken"].evidence[0].what
    assert found["test_good.py::test_it"].confidence == 1.0


def test_a_file_that_only_python_reads_is_said_to_be_too_large(suite) -> None:
    made = suite({"test_bad.py": "def test_broken():\n    pass\n"})
    made.project.files["/suite/test_bad.py"] = None
    made.project.problems["/suite/test_bad.py"] = Unreadable("it is large", python_reads_it=True)
    evidence = made.footprints()["test_bad.py::test_broken"].evidence
    assert evidence[0].what == "not certain: test_bad.py is not read: it is large"


@pytest.mark.parametrize("call", ["exec(text)", "eval(text)", "__import__('os').system(text)"])
def test_code_that_is_made_at_run_time(footprint, call: str) -> None:
    found = footprint(f"def test_it(text):\n    {call}\n")
    assert found.confidence < 0.5
    assert "not certain" in found.evidence[0].what


def test_a_helper_that_cannot_be_parsed(footprint) -> None:
    found = footprint(
        "import helper\ndef test_it(db_session):\n    helper.fill(db_session)\n",
        {"helper.py": "def f(:"},
    )
    assert found.outlives
    assert found.confidence < 0.8


def test_endless_code_is_given_up(footprint) -> None:
    lines = "\n".join(f"    f{number}()" for number in range(40_000))
    found = footprint(f"def test_it():\n{lines}\n")
    assert found.confidence < 0.5


@pytest.mark.long
def test_endless_code_inside_of_a_context_manager_is_given_up(footprint) -> None:
    lines = "\n".join(f"        f{number}()" for number in range(40_000))
    manager = "import contextlib\n@contextlib.contextmanager\ndef around():\n    yield\n"
    body = f"def work():\n    with around():\n{lines}\n\ndef test_it():\n    with around():\n        work()\n"
    assert footprint(manager + body).confidence < 0.5


@pytest.mark.long
def test_parameters_that_are_too_much_to_evaluate_are_left_out(footprint) -> None:
    table = "\n".join(f"    {{f{number}()}}," for number in range(40_000))
    source = (
        f"import pytest\n@pytest.mark.parametrize('one', [\n{table}\n])\ndef test_it(one):\n    pass\n"
    )
    assert footprint(source).confidence > 0


def test_very_deep_calls_are_given_up(footprint) -> None:
    chain = "\n".join(f"def f{number}():\n    f{number + 1}()" for number in range(60))
    found = footprint(f"{chain}\ndef f60():\n    pass\ndef test_it():\n    f0()\n")
    assert found.confidence < 1.0


def test_a_fixture_in_a_file_that_is_gone(suite) -> None:
    made = suite(
        {
            "conftest.py": "import pytest\n@pytest.fixture\ndef thing():\n    pass\n",
            "test_it.py": "def test_it(thing): pass\n",
        }
    )
    del made.project.files["/suite/conftest.py"]
    found = made.footprints()["test_it.py::test_it"]
    assert found.confidence < 0.5
    assert found.evidence[0].file == "conftest.py"


@pytest.mark.parametrize(
    "source",
    [
        "class A(A):\n    pass\ndef test_it():\n    A().x.y()\n",
        "x = x\ndef test_it():\n    x.y[0](*x, **x)\n",
        "from . import nothing\nfrom .... import more\ndef test_it():\n    nothing.a(more)\n",
        "import test_it as me\ndef test_it():\n    me.test_it()\n",
        "def test_it():\n    (yield)\n    lambda: (yield)\n",
        "def test_it(*args, **kwargs):\n    del args\n    global y\n    y: int\n    y += 1\n",
        "def test_it():\n    match x:\n        case [a, *b]:\n            a()\n    while True:\n        break\n    else:\n        pass\n",
        "async def test_it():\n    async for a in b():\n        await a\n    async with c as (d, e):\n        pass\n",
        "class M(type):\n    def __getattr__(cls, n):\n        return getattr(cls, n)\nclass A(metaclass=M): pass\ndef test_it():\n    A.b\n",
        "class A:\n    def __getattr__(self, n):\n        return getattr(self, n)\ndef test_it():\n    A().b.c()\n",
        "f = lambda *a: f(*a)\ndef test_it():\n    f(f)\n",
        "def test_it():\n    '%s %(a)s' % 3\n    '{} {0} {a!r:>{b}}'.format()\n    ''.join(3)\n",
        "import psycopg\ndef test_it():\n    psycopg.connect().execute(b'\\xff SELECT')\n",
    ],
)
def test_odd_code_does_not_raise(footprint, source: str) -> None:
    assert footprint(source).confidence > 0
