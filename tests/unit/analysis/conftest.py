"""A suite in memory: sources by path, their tests and fixture closures as pytest would report them."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, MutableMapping

import pytest

from dbsafe_runner.analysis.analysis import analyse
from dbsafe_runner.analysis.levels import derive_level
from dbsafe_runner.domain.footprint import Footprint
from dbsafe_runner.domain.level import Level
from dbsafe_runner.domain.test import FixtureDef, Mark, Test
from dbsafe_runner.session.sources import Unreadable

ROOT = "/suite"


class MemoryProject:
    """A project whose files are in a dict; it counts what is read."""

    def __init__(self, files: dict[str, str | None], django_settings: str = "") -> None:
        self.files = {f"{ROOT}/{path}": text for path, text in files.items()}
        self.rootdir = ROOT
        self.django_settings = django_settings
        self.reads: list[str] = []
        self.problems: dict[str, Unreadable] = {}

    def read(self, path: str) -> str | None:
        self.reads.append(path)
        return self.files.get(path)

    def problem(self, path: str) -> Unreadable:
        return self.problems.get(path, Unreadable("it holds binary data"))

    def resolve(self, module: str, from_file: str) -> str | None:
        base = ROOT
        if module.startswith("."):
            dots = len(module) - len(module.lstrip("."))
            base = from_file
            for _ in range(dots):
                base = base.rpartition("/")[0]
            module = module.lstrip(".")
        stem = f"{base}/{module.replace('.', '/')}".rstrip("/")
        return next((path for path in (f"{stem}.py", f"{stem}/__init__.py") if path in self.files), None)


class Suite:
    """Sources and the tests in them."""

    def __init__(self, files: dict[str, str | None], django_settings: str = "") -> None:
        dedented = {path: textwrap.dedent(text) if text else text for path, text in files.items()}
        self.project = MemoryProject(dedented, django_settings)
        self.tests = [test for path in files if "test_" in path for test in _collect(path, dedented)]

    def footprints(self, cache: MutableMapping[str, bytes] | None = None) -> dict[str, Footprint]:
        return analyse(self.tests, self.project, cache)

    def shares(self) -> dict[str, bool]:
        """Whether each test has to do with state that outlives one, by its name."""
        return {
            nodeid.partition("::")[2]: bool(footprint.shares)
            for nodeid, footprint in self.footprints().items()
        }


def _fixtures(path: str, text: str | None) -> dict[str, tuple[FixtureDef, list[str]]]:
    found = {}
    try:
        tree = ast.parse(text or "")
    except (SyntaxError, ValueError):
        return {}
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        for decorator in node.decorator_list:
            spelled = ast.unparse(decorator)
            if "fixture" in spelled:
                scope = spelled.partition("scope='")[2].partition("'")[0] or "function"
                line = min(one.lineno for one in node.decorator_list)
                definition = FixtureDef(
                    node.name,
                    scope,
                    f"{ROOT}/{path}",
                    line,
                    node.name,
                    autouse="autouse=True" in spelled,
                )
                found[node.name] = (definition, [argument.arg for argument in node.args.args])
    return found


_SCOPES = ("session", "package", "module", "class", "function")


def _collect(path: str, files: dict[str, str | None]) -> list[Test]:
    text = files[path]
    known = {**_fixtures("conftest.py", files.get("conftest.py")), **_fixtures(path, text)}
    try:
        tree = ast.parse(text or "")
    except (SyntaxError, ValueError):
        return [Test(0, f"{path}::test_broken", path, 1, "", "test_broken")]
    found = []
    for node in tree.body:
        methods = node.body if isinstance(node, ast.ClassDef) else [node]
        cls = node.name if isinstance(node, ast.ClassDef) else ""
        for method in methods:
            if isinstance(method, ast.FunctionDef | ast.AsyncFunctionDef) and method.name.startswith(
                "test"
            ):
                found.append(_describe(path, cls, method, known, len(found)))
    return found


def _describe(path: str, cls: str, node: ast.AST, known: dict, index: int) -> Test:
    names = [name for name, (one, _) in known.items() if one.autouse]
    names += [argument.arg for argument in node.args.args]
    closure: list[str] = []
    while names:
        name = names.pop(0)
        if name not in closure:
            closure.append(name)
            names += known[name][1] if name in known else []
    definitions = [
        known[name][0] if name in known else FixtureDef(name, "function", "", 0, name)
        for name in closure
        if name != "self"
    ]
    definitions.sort(key=lambda one: _SCOPES.index(one.scope))
    marks = tuple(mark for decorator in node.decorator_list for mark in _marks(decorator))
    nodeid = "::".join(filter(None, (path, cls, node.name)))
    return Test(index, nodeid, path, node.lineno, cls, node.name, tuple(definitions), marks)


def _marks(decorator: ast.expr) -> list[Mark]:
    call = decorator if isinstance(decorator, ast.Call) else None
    spelled = ast.unparse(call.func if call else decorator)
    if ".mark." not in spelled:
        return []
    args = tuple(ast.unparse(one) for one in call.args) if call else ()
    kwargs = tuple((one.arg or "", ast.unparse(one.value)) for one in call.keywords) if call else ()
    return [Mark(spelled.rpartition(".")[2], args, kwargs)]


@pytest.fixture
def suite() -> Callable[..., Suite]:
    return Suite


@pytest.fixture
def footprint() -> Callable[..., Footprint]:
    """The footprint of the only (or first) test of a file, with further files by keyword `files`."""

    def judge(source: str, files: dict[str, str | None] | None = None, django: str = "") -> Footprint:
        made = Suite({**(files or {}), "test_it.py": source}, django)
        return made.footprints()[made.tests[0].nodeid]

    return judge


@pytest.fixture
def level(footprint: Callable[..., Footprint]) -> Callable[..., Level]:
    def judge(source: str, files: dict[str, str | None] | None = None, django: str = "") -> Level:
        return derive_level(footprint(source, files, django))

    return judge
