"""Static fixtures: which fixtures a test gets, from the sources alone, by pytest's rules of lookup."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence

from dbsafe_runner.domain.test import FixtureDef
from dbsafe_runner.session.sources import SourceFiles

_Function = ast.FunctionDef | ast.AsyncFunctionDef
_SCOPES = ("session", "package", "module", "class", "function")


class _Fixture:
    """A fixture as the sources define it."""

    __slots__ = ("asks", "definition")

    def __init__(self, definition: FixtureDef, asks: tuple[str, ...]) -> None:
        self.definition = definition
        self.asks = asks


class FixtureTable:
    """The fixtures of all files that were asked about; each file is read once."""

    def __init__(self, files: SourceFiles) -> None:
        self._files = files
        self._by_file: dict[str, dict[str, _Fixture]] = {}

    def closure(
        self, path: str, classes: Sequence[ast.ClassDef], asked: Iterable[str]
    ) -> tuple[FixtureDef, ...]:
        """The fixtures of a test in `path`, outermost scope first."""
        places = [
            *(self._of_body(cls.body, path, f"{cls.name}.") for cls in reversed(classes)),
            self._of_file(path),
            *self._of_conftests(path),
        ]
        automatic = [
            name
            for place in reversed(places)
            for name, fixture in place.items()
            if fixture.definition.autouse
        ]
        found: dict[str, list[_Fixture]] = {}
        waiting = [*automatic, *asked]
        while waiting:
            name = waiting.pop(0)
            if name in found or name in {"self", "cls", "request"}:
                continue
            # A fixture that overrides another of the same name usually calls it.
            chain = [place[name] for place in reversed(places) if name in place]
            if chain:
                found[name] = chain
                waiting.extend(ask for fixture in chain for ask in fixture.asks)
        definitions = [fixture.definition for chain in found.values() for fixture in chain]
        return tuple(sorted(definitions, key=lambda one: _SCOPES.index(one.scope)))

    def _of_conftests(self, path: str) -> list[dict[str, _Fixture]]:
        root = self._files.rootdir
        found = []
        folder = path.rpartition("/")[0]
        while folder.startswith(root):
            if self._files.read(f"{folder}/conftest.py") is not None:
                found.append(self._of_file(f"{folder}/conftest.py"))
            folder = folder.rpartition("/")[0]
        return found

    def _of_file(self, path: str) -> dict[str, _Fixture]:
        if path not in self._by_file:
            text = self._files.read(path)
            try:
                body = ast.parse(text).body if text is not None else []
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                body = []
            self._by_file[path] = {}
            # Fixtures of other modules are used by importing them.
            for node in body:
                if isinstance(node, ast.ImportFrom):
                    self._by_file[path].update(self._imported(node, path))
            self._by_file[path].update(self._of_body(body, path, ""))
        return self._by_file[path]

    def _imported(self, node: ast.ImportFrom, path: str) -> dict[str, _Fixture]:
        target = self._files.resolve("." * node.level + (node.module or ""), path)
        if target is None:
            return {}
        there = self._of_file(target)
        names = {alias.name: alias.asname or alias.name for alias in node.names}
        if "*" in names:
            return dict(there)
        return {local: there[name] for name, local in names.items() if name in there}

    @staticmethod
    def _of_body(body: Iterable[ast.stmt], path: str, prefix: str) -> dict[str, _Fixture]:
        found = {}
        for node in body:
            if not isinstance(node, _Function):
                continue
            options = _fixture_options(node.decorator_list)
            if options is None:
                continue
            name = str(options.get("name") or node.name)
            scope = str(options.get("scope", "function"))
            definition = FixtureDef(
                name=name,
                scope=scope if scope in _SCOPES else "function",
                file=path,
                line=min([node.lineno, *(d.lineno for d in node.decorator_list)]),
                function=prefix + node.name,
                autouse=options.get("autouse") is True,
                params="params" in options,
            )
            arguments = (*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs)
            found[name] = _Fixture(definition, tuple(argument.arg for argument in arguments))
        return found


def _fixture_options(decorators: Iterable[ast.expr]) -> dict[str, object] | None:
    """The keywords of a fixture decorator; None when there is no such decorator."""
    for node in decorators:
        call = node if isinstance(node, ast.Call) else None
        name = ast.unparse(call.func if call is not None else node)
        if (
            name.rpartition(".")[2] not in {"fixture", "fixture_session"}
            and name != "pytest_asyncio.fixture"
        ):
            continue
        options: dict[str, object] = {}
        for keyword in call.keywords if call is not None else ():
            if keyword.arg:
                value = keyword.value
                options[keyword.arg] = value.value if isinstance(value, ast.Constant) else None
        return options
    return None
