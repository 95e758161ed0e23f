"""Discovery: finds tests and their fixtures in the sources, for planning without importing the suite.

It knows pytest's default rules, ini options and the paths given as arguments. What only running code
can tell (parameters, tests made by plugins, `-k` and `-m`) is left out: a parametrised test is one test.
"""

from __future__ import annotations

import ast
import fnmatch
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

from dbsafe_runner.analysis.overrides import Note
from dbsafe_runner.config import Config, RunRequest
from dbsafe_runner.domain.test import FixtureDef, Mark, Test
from dbsafe_runner.session.pytest_ini import IniOptions, read_ini
from dbsafe_runner.session.sources import SourceFiles
from dbsafe_runner.session.static_fixtures import FixtureTable
from dbsafe_runner.workers.settings import CollectedSuite

_Function = ast.FunctionDef | ast.AsyncFunctionDef


def discover(config: Config, request: RunRequest) -> tuple[CollectedSuite, list[Note]]:
    """The suite as its sources show it, and a note for each test file whose tests are not seen."""
    ini = read_ini(request.invocation_dir)
    files = SourceFiles(ini.rootdir, [str(ini.rootdir / "src"), *ini.pythonpath], ini.django_settings)
    finder = _Finder(ini, files)
    found = tuple(finder.tests(_starts(ini, request)))
    paths = (str(config.root), str(ini.rootdir / "src"), *ini.pythonpath)
    suite = CollectedSuite(
        tests=found,
        rootdir=ini.rootdir,
        maxfail=0,
        python_path=paths,
        django_settings=ini.django_settings or os.environ.get("DJANGO_SETTINGS_MODULE", ""),
    )
    return suite, finder.notes


def _starts(ini: IniOptions, request: RunRequest) -> list[tuple[Path, str]]:
    """Where to look: (file or directory, the part of a node id behind it)."""
    named = []
    for argument in request.pytest_arguments:
        path, _, rest = argument.partition("::")
        if not argument.startswith("-") and _holds((request.invocation_dir / path).exists):
            named.append((request.invocation_dir / path, rest))
    if named:
        return named
    patterns = ini.testpaths if request.invocation_dir == ini.rootdir else ()
    declared = [path for pattern in patterns for path in sorted(ini.rootdir.glob(pattern))]
    return [(path, "") for path in declared or [request.invocation_dir]]


def _holds(question: Callable[[], bool]) -> bool:
    """The answer to a question about a path; False where a closed directory hides it."""
    try:
        return question()
    except OSError:
        return False


class _Finder:
    """Walks directories and files in pytest's order."""

    def __init__(self, ini: IniOptions, files: SourceFiles) -> None:
        self._ini = ini
        self._files = files
        self._fixtures = FixtureTable(files)
        self._folders: set[Path] = set()
        self.notes: list[Note] = []

    def tests(self, starts: Iterable[tuple[Path, str]]) -> Iterator[Test]:
        """All tests, numbered."""
        index = 0
        seen: set[str] = set()
        for start, wanted in starts:
            for path in self._test_files(start):
                for test in self._in_file(path):
                    local = test.nodeid.partition("::")[2]
                    fits = (
                        not wanted or local == wanted or local.startswith((wanted + "::", wanted + "["))
                    )
                    if fits and test.nodeid not in seen:
                        seen.add(test.nodeid)
                        yield _numbered(test, index)
                        index += 1

    def _test_files(self, start: Path) -> Iterator[Path]:
        if _holds(start.is_file):
            yield start
            return
        # A directory may be linked into itself.
        if start.resolve() in self._folders:
            return
        self._folders.add(start.resolve())
        try:
            entries = sorted(start.iterdir(), key=lambda entry: entry.name)
        except OSError as error:
            self._closed(start, error)
            return
        for entry in entries:
            if _holds(entry.is_dir):
                skipped = any(fnmatch.fnmatch(entry.name, p) for p in self._ini.norecursedirs)
                skipped = skipped or entry.name == "__pycache__"
                if not (skipped or _holds((entry / "pyvenv.cfg").exists)):
                    yield from self._test_files(entry)
            elif any(fnmatch.fnmatch(entry.name, p) for p in self._ini.python_files):
                yield entry

    def _in_file(self, path: Path) -> Iterator[Test]:
        name = path.as_posix()
        text = self._files.read(name)
        if text is None:
            problem = self._files.problem(name)
            self._unreadable(name, problem.why, python_reads_it=problem.python_reads_it)
            return
        try:
            tree = ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            self._unreadable(name, f"{error.args[0]}" + (f", line {line}" if line else ""))
            return
        root = self._files.rootdir + "/"
        self._tell_of_hidden(text, tree, name.removeprefix(root))
        marks = _module_marks(tree.body)
        yield from self._in_body(tree.body, name, name.removeprefix(root), (), marks)

    def _tell_of_hidden(self, text: str, tree: ast.Module, file: str) -> None:
        """Note that a module makes names when it is imported, which only running code can tell."""
        if "exec(" not in text and "globals()" not in text:
            return
        for statement in tree.body:
            if isinstance(statement, _Function | ast.ClassDef):
                continue
            line = next(
                (getattr(one, "lineno", 0) for one in ast.walk(statement) if _makes_names(one)), 0
            )
            if line:
                message = f"{file} makes names while it is imported (line {line}): tests among them"
                hint = "`dbsafe plan` without --static lists them; `dbsafe run` runs them."
                self.notes.append(
                    Note("tests-not-seen", f"{message} are not in this plan", hint, file=file, line=line)
                )
                return

    def _closed(self, folder: Path, error: OSError) -> None:
        name = folder.as_posix().removeprefix(self._files.rootdir + "/")
        why = f"it cannot be opened ({error.strerror})"
        message = f"{name} is not looked into, so its tests are not in this plan: {why}"
        hint = "pytest will fail to collect it, too."
        self.notes.append(Note("test-file-unreadable", message, hint, file=name))

    def _unreadable(self, name: str, why: str, *, python_reads_it: bool = False) -> None:
        file = name.removeprefix(self._files.rootdir + "/")
        what = "is not read" if python_reads_it else "cannot be read as Python"
        hint = "pytest will fail to collect it, too."
        if python_reads_it:
            hint = "Its tests run all the same; `dbsafe plan` without --static lists them."
        self.notes.append(
            Note(
                "test-file-unreadable",
                f"{file} {what}, so its tests are not in this plan: {why}",
                hint,
                file=file,
            )
        )

    def _in_body(
        self,
        body: Sequence[ast.stmt],
        path: str,
        file: str,
        classes: tuple[ast.ClassDef, ...],
        marks: tuple[Mark, ...],
    ) -> Iterator[Test]:
        for node in body:
            if isinstance(node, ast.ClassDef) and self._is_test_class(node):
                own = (*_marks(node.decorator_list), *_module_marks(node.body), *marks)
                yield from self._in_body(node.body, path, file, (*classes, node), own)
            elif isinstance(node, _Function) and _matches(node.name, self._ini.python_functions):
                names = [cls.name for cls in classes]
                all_marks = (*_marks(node.decorator_list), *marks)
                groups = [m for m in all_marks if m.name == "xdist_group"]
                yield Test(
                    index=0,
                    nodeid="::".join([file, *names, node.name]),
                    file=file,
                    line=min([node.lineno, *(d.lineno for d in node.decorator_list)]),
                    cls=names[-1] if names else "",
                    function=node.name,
                    fixtures=self._closure(path, classes, node, all_marks),
                    marks=tuple(m for m in all_marks if m.name not in {"parametrize", "usefixtures"}),
                    xdist_group=_text(groups[0]) if groups else "",
                )

    def _closure(
        self, path: str, classes: tuple[ast.ClassDef, ...], node: _Function, marks: Iterable[Mark]
    ) -> tuple[FixtureDef, ...]:
        asked = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
        asked += [argument.arg for argument in node.args.kwonlyargs]
        used = [_plain(text) for mark in marks if mark.name == "usefixtures" for text in mark.args]
        return self._fixtures.closure(path, classes, [*used, *asked])

    def _is_test_class(self, node: ast.ClassDef) -> bool:
        bases = {ast.unparse(base).rpartition(".")[2] for base in node.bases}
        if any(base.endswith("TestCase") for base in bases):
            return True
        constructed = any(isinstance(item, _Function) and item.name == "__init__" for item in node.body)
        return _matches(node.name, self._ini.python_classes) and not constructed


def _numbered(test: Test, index: int) -> Test:
    fields = {name: getattr(test, name) for name in Test.__dataclass_fields__}
    return Test(**{**fields, "index": index})


def _matches(name: str, patterns: Iterable[str]) -> bool:
    """As pytest does it: a prefix, or a pattern where it has wildcards."""
    return any(
        fnmatch.fnmatch(name, pattern) if set("*?[") & set(pattern) else name.startswith(pattern)
        for pattern in patterns
    )


def _module_marks(body: Iterable[ast.stmt]) -> tuple[Mark, ...]:
    """The marks in `pytestmark`."""
    for node in body:
        if isinstance(node, ast.Assign) and any(
            isinstance(target, ast.Name) and target.id == "pytestmark" for target in node.targets
        ):
            listed = node.value.elts if isinstance(node.value, ast.List | ast.Tuple) else [node.value]
            return _marks(listed)
    return ()


def _marks(decorators: Iterable[ast.expr]) -> tuple[Mark, ...]:
    found = []
    for node in decorators:
        call = node if isinstance(node, ast.Call) else None
        name = ast.unparse(call.func if call is not None else node)
        if ".mark." not in f".{name}":
            continue
        args = tuple(ast.unparse(arg) for arg in call.args) if call is not None else ()
        keywords = call.keywords if call is not None else []
        kwargs = tuple((k.arg, ast.unparse(k.value)) for k in keywords if k.arg)
        found.append(Mark(name.rpartition(".")[2], args, kwargs))
    return tuple(found)


def _text(mark: Mark) -> str:
    given = mark.args[0] if mark.args else dict(mark.kwargs).get("name", "'default'")
    return _plain(given)


def _plain(text: str) -> str:
    try:
        return str(ast.literal_eval(text))
    except (ValueError, SyntaxError):
        return text


def _makes_names(node: ast.AST) -> bool:
    """Return whether a piece of code is `exec(…)`, `globals()[…] = …` or `globals().update(…)`."""
    if isinstance(node, ast.Call):
        function = node.func
        if isinstance(function, ast.Attribute):
            return function.attr in {"update", "setdefault"} and _is_globals(function.value)
        return isinstance(function, ast.Name) and function.id == "exec"
    return (
        isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store) and _is_globals(node.value)
    )


def _is_globals(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "globals"
