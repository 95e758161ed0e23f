"""Sources: the files of a project as static analysis sees them. Reads and lists; imports nothing."""

from __future__ import annotations

import dataclasses
import functools
import importlib.util
import io
import os
import site
import sys
import sysconfig
import tokenize
from collections.abc import Iterable
from pathlib import Path

#: Bytes; nothing that large is read, whatever it is called.
LARGEST_FILE = 8_000_000


@dataclasses.dataclass(frozen=True, slots=True)
class Unreadable:
    """Why a file gave no text, in words; Python itself reads what is only too large for dbsafe."""

    why: str
    python_reads_it: bool = False


class SourceFiles:
    """The files below a suite's root directory and on its path; what `analysis.Project` asks for.

    Args:
        rootdir: pytest's root directory.
        python_path: where the suite's own process finds modules, in order; directories of the
            interpreter and of installed packages among them are left out.
        django_settings: the dotted name of Django's settings module, or "".
    """

    def __init__(
        self, rootdir: Path, python_path: Iterable[str] = (), django_settings: str = ""
    ) -> None:
        self._rootdir = _slashes(str(rootdir))
        self.django_settings = django_settings
        roots = [self._rootdir, *(_slashes(str(Path(rootdir, entry))) for entry in python_path)]
        self._roots = tuple(dict.fromkeys(root for root in roots if not is_installed(root)))
        self._texts: dict[str, str | None] = {}
        self._problems: dict[str, Unreadable] = {}
        self._entries: dict[str, frozenset[str]] = {}

    @property
    def rootdir(self) -> str:
        """The root directory."""
        return self._rootdir

    def read(self, path: str) -> str | None:
        """The text of a file, decoded as Python would; None when it is absent, too large or no text."""
        if path not in self._texts:
            found = _read(path)
            if isinstance(found, Unreadable):
                self._problems[path] = found
            self._texts[path] = None if isinstance(found, Unreadable) else found
        return self._texts[path]

    def problem(self, path: str) -> Unreadable:
        """Why `read` found no text in a file."""
        return self._problems.get(path, Unreadable("it cannot be read"))

    def resolve(self, module: str, from_file: str) -> str | None:
        """The file of a module of the project, or None for one that is not of the project."""
        name = module.lstrip(".")
        dots = len(module) - len(name)
        if dots:
            folder = from_file
            for _ in range(dots):
                folder = folder.rpartition("/")[0]
            return self._in(folder, name)
        for root in self._roots:
            found = self._in(root, name)
            if found is not None:
                return found
        return self._in_editable(name)

    def _in(self, folder: str, name: str) -> str | None:
        parts = name.split(".") if name else []
        for position, part in enumerate(parts):
            entries = self._listing(folder)
            if position == len(parts) - 1 and f"{part}.py" in entries and part not in entries:
                return f"{folder}/{part}.py"
            if part not in entries:
                return (
                    f"{folder}/{part}.py"
                    if f"{part}.py" in entries and position == len(parts) - 1
                    else None
                )
            folder = f"{folder}/{part}"
        if "__init__.py" in self._listing(folder):
            return f"{folder}/__init__.py"
        beside = f"{folder}.py"
        above, _, last = folder.rpartition("/")
        return beside if parts and f"{last}.py" in self._listing(above) else None

    def _in_editable(self, name: str) -> str | None:
        """The file of a module in a package that is installed from a directory being worked on."""
        top, _, rest = name.partition(".")
        origin = _origin(top)
        if not origin:
            return None
        if not rest:
            return origin
        folder, _, file = origin.rpartition("/")
        return self._in(folder, rest) if file == "__init__.py" else None

    def _listing(self, folder: str) -> frozenset[str]:
        if folder not in self._entries:
            try:
                self._entries[folder] = frozenset(os.listdir(folder or "/"))  # noqa: PTH208
            except OSError:
                self._entries[folder] = frozenset()
        return self._entries[folder]


def _read(path: str) -> str | Unreadable:
    try:
        # Fifos and devices are no sources, and reading them may never end.
        status = Path(path).stat()
        if not Path(path).is_file():
            return Unreadable("it is no regular file")
        if status.st_size > LARGEST_FILE:
            why = f"it has {status.st_size:,} bytes, and dbsafe reads no source above {LARGEST_FILE:,}"
            return Unreadable(why, python_reads_it=True)
        data = Path(path).read_bytes()
    except FileNotFoundError:
        link = Path(path).is_symlink()
        return Unreadable("it is a link to a file that does not exist" if link else "it does not exist")
    except (OSError, ValueError) as error:
        return Unreadable(f"it cannot be opened ({getattr(error, 'strerror', None) or error})")
    return _decoded(data)


def _decoded(data: bytes) -> str | Unreadable:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        return data.decode(encoding).replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        where = f"byte {error.start} is not {error.encoding}"
    except (SyntaxError, LookupError) as error:
        where = str(error)
    if b"\0" in data:
        return Unreadable("it holds binary data")
    return Unreadable(
        f"it is not in the encoding that it declares, or UTF-8 if it declares none: {where}"
    )


@functools.cache
def _installed_places() -> tuple[str, ...]:
    names = ("stdlib", "platstdlib", "purelib", "platlib")
    places = {sysconfig.get_path(name) for name in names} | set(site.getsitepackages())
    return tuple(sorted(_slashes(place).rstrip("/") for place in places if place))


def is_installed(path: str) -> bool:
    """Whether a file or directory belongs to the interpreter or to an installed package."""
    if "/site-packages" in path or "/dist-packages" in path or path.endswith(".zip"):
        return True
    return any(path == place or path.startswith(place + "/") for place in _installed_places())


@functools.cache
def _origin(top: str) -> str:
    """The file of a top-level module that is neither installed nor built in; found, not imported."""
    if not top.isidentifier() or top in sys.stdlib_module_names:
        return ""
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return ""
    origin = _slashes(spec.origin) if spec is not None and spec.origin else ""
    return origin if origin.endswith(".py") and not is_installed(origin) else ""


def _slashes(path: str) -> str:
    return path.replace(os.sep, "/").rstrip("/") or "/"
