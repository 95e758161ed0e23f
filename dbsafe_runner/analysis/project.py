"""Project: the sources of the suite as the analysis sees them. Text comes from outside."""

from __future__ import annotations

import ast
import dataclasses
import hashlib
from collections.abc import Mapping
from typing import Protocol

#: Characters; a longer file is taken for generated code or data and is not parsed.
LARGEST_SOURCE = 2_000_000


class Unread(Protocol):
    """Why a file gave no text."""

    @property
    def why(self) -> str:
        """The reason, in words."""
        ...

    @property
    def python_reads_it(self) -> bool:
        """Whether Python itself reads the file, which is only too large for the analysis."""
        ...


class Project(Protocol):
    """What the analysis asks of the world outside. Paths are absolute, with `/`."""

    @property
    def rootdir(self) -> str:
        """The root directory; paths in evidence are relative to it."""
        ...

    @property
    def django_settings(self) -> str:
        """The dotted name of the settings module that pytest-django was given, or ""."""
        ...

    def read(self, path: str) -> str | None:
        """Return the text of a file, or None when it does not exist or is not text."""
        ...

    def problem(self, path: str) -> Unread:
        """Return why `read` found no text in a file."""
        ...

    def resolve(self, module: str, from_file: str) -> str | None:
        """Return the file of a project module, or None for one that is not of the project.

        `module` starts with dots for a relative import, as written in `from_file`.
        """
        ...


@dataclasses.dataclass(frozen=True, slots=True)
class Rests:
    """What findings rest on: answers by file and by what was asked, and hashes of what was read."""

    asked: Mapping[str, Mapping[str, str | None]] = dataclasses.field(default_factory=dict)
    digests: Mapping[str, str] = dataclasses.field(default_factory=dict)


class SourceTree:
    """Reads, hashes and parses each file once, and remembers what was asked for.

    Nothing here raises: a file that cannot be used has no tree, and `problem` says why.
    """

    def __init__(self, project: Project) -> None:
        self.project = project
        self._root = project.rootdir.rstrip("/") + "/"
        self._texts: dict[str, str | None] = {}
        self._digests: dict[str, str] = {}
        self._trees: dict[str, ast.Module | None] = {}
        self._problems: dict[str, str] = {}
        self._resolved: dict[tuple[str, str], str | None] = {}
        #: What each file depends on: file -> module or file asked for -> path, None when not found.
        self.asked: dict[str, dict[str, str | None]] = {}

    def relative(self, path: str) -> str:
        """Return the path relative to the root directory, or as it is when it is outside."""
        return path.removeprefix(self._root)

    def absolute(self, path: str) -> str:
        """Return the absolute path of one that is relative to the root directory."""
        return path if path.startswith("/") or path[1:2] == ":" else self._root + path

    def text(self, path: str) -> str | None:
        """Return the text of a file; None when it cannot be read as text."""
        if path not in self._texts:
            self._texts[path] = self.project.read(path)
        return self._texts[path]

    def digest(self, path: str) -> str:
        """Return a hash of the file's text; "" for a file that cannot be read."""
        found = self._digests.get(path)
        if found is None:
            text = self.text(path)
            encoded = b"" if text is None else text.encode("utf-8", "surrogatepass")
            found = "" if text is None else hashlib.blake2b(encoded, digest_size=12).hexdigest()
            self._digests[path] = found
        return found

    def tree(self, path: str) -> ast.Module | None:
        """Return the syntax tree; None when there is none, see `problem`."""
        if path not in self._trees:
            self._trees[path] = self._parse(path)
        return self._trees[path]

    def forget(self, path: str) -> None:
        """Let go of a file's text and tree, keeping its digest; it is read again if it is asked for."""
        self.digest(path)
        self._texts.pop(path, None)
        self._trees.pop(path, None)

    def rests(self) -> Rests:
        """Return what was asked for and read so far."""
        read = {*self._texts, *self._digests}
        return Rests(self.asked, {path: self.digest(path) for path in read})

    def learn(self, rests: Rests) -> None:
        """Take over what another tree of the same project asked for and read.

        A file that the two have read differently was changed meanwhile, and has the hash of none.
        """
        for path, answers in rests.asked.items():
            self.asked.setdefault(path, {}).update(answers)
        for path, digest in rests.digests.items():
            self._digests[path] = digest if self._digests.get(path, digest) == digest else ""

    def problem(self, path: str) -> str:
        """Return why the file has no tree, in words; "" when it has one."""
        return self._problems.get(path, "")

    def resolve(self, module: str, from_file: str) -> str | None:
        """Return the file of a project module and remember that `from_file` depends on the answer."""
        answers = self.asked.setdefault(from_file, {})
        if module in answers:
            return answers[module]
        answers[module] = found = self.lookup(module, from_file)
        return found

    def depends(self, from_file: str, path: str) -> None:
        """Remember that what is known of `from_file` rests on the file `path`, too."""
        self.asked.setdefault(from_file, {})["file:" + path] = path

    def lookup(self, module: str, from_file: str) -> str | None:
        """Return the file of a project module without remembering who asked."""
        folder = from_file.rpartition("/")[0] if module.startswith(".") else ""
        key = (module, folder)
        if key not in self._resolved:
            self._resolved[key] = self.project.resolve(module, from_file)
        return self._resolved[key]

    def _parse(self, path: str) -> ast.Module | None:
        text = self.text(path)
        if text is None:
            problem = self.project.problem(path)
            what = "is not read" if problem.python_reads_it else "cannot be read as text"
            self._problems[path] = f"{what}: {problem.why}"
            return None
        if len(text) > LARGEST_SOURCE:
            self._problems[path] = f"is too large to analyse ({len(text):,} characters)"
            return None
        try:
            return ast.parse(text)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            self._problems[path] = f"cannot be parsed: {error.args[0]}" + (
                f" (line {line})" if line else ""
            )
            return None
