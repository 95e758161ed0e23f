"""Start of a Python program that a test started: put the suite's environment back, and redirect later.

Any interpreter may read this file, so it is written for all of them and does nothing before 3.8. It
imports nothing but what is loaded already; the redirection itself is loaded by path once the program
imports a database driver, or starts another program. Another `sitecustomize`, further down the path,
runs as if this one were not there.
"""
# mypy: ignore-errors
# ruff: noqa: PTH100, PTH118, PTH120

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = "_dbsafe_redirect"
_WATCHED = (
    "psycopg",
    "psycopg2",
    "psycopg2cffi",
    "asyncpg",
    "pg8000",
    "subprocess",
    "multiprocessing.util",
)


def _put_back():
    """The variables as the suite set them, except those that were changed again on the way."""
    records = os.environ.pop("DBSAFE_REDIRECT_ORIGINALS", "")
    for record in records.split("\x1e") if records else ():
        name, led, original = record.split("\x1f")
        if os.environ.get(name) == (led[1:] if led else None) and name != "PYTHONPATH":
            if original:
                os.environ[name] = original[1:]
            else:
                os.environ.pop(name, None)


class _Finder(object):  # noqa: UP004 - This file is also read by Python 2.
    """Loads the redirection at the first import of something that it has to do with."""

    def find_spec(self, fullname, path=None, target=None):
        if fullname == "subprocess":
            return self._find_subprocess(path, target)
        if fullname in _WATCHED:
            _load()
            # The interpreter does not look at a finder that was put in front in the middle of a search.
            first = sys.meta_path[0]
            if type(first).__name__ == "ImportHook":
                return first.find_spec(fullname, path, target)
        return None

    def _find_subprocess(self, path, target):
        for finder in sys.meta_path:
            spec = None if finder is self else finder.find_spec("subprocess", path, target)
            if spec is not None:
                _call_after(spec.loader, _load_at_first_program)
                return spec
        return None


def _call_after(loader, callback):
    """Have `callback` called with the module that the loader executes next."""
    execute = loader.exec_module

    def exec_module(module):
        del loader.exec_module
        execute(module)
        callback(module)

    loader.exec_module = exec_module


def _load_at_first_program(subprocess):
    """Much is imported with `subprocess`, asyncio among it; few programs start others."""
    original = subprocess.Popen.__init__

    def __init__(self, *args, **kwargs):  # noqa: N807
        if subprocess.Popen.__init__ is __init__:
            subprocess.Popen.__init__ = original
            _load()
        subprocess.Popen.__init__(self, *args, **kwargs)

    __init__.__dbsafe_original__ = original
    subprocess.Popen.__init__ = __init__


def _load():
    """Load the package that this directory belongs to, under a name of its own, and start it."""
    if _FINDER not in sys.meta_path:
        return
    sys.meta_path.remove(_FINDER)
    try:
        import importlib.util

        directory = os.path.dirname(_HERE)
        spec = importlib.util.spec_from_file_location(
            _PACKAGE, os.path.join(directory, "__init__.py"), submodule_search_locations=[directory]
        )
        module = importlib.util.module_from_spec(spec)
        sys.modules[_PACKAGE] = module
        spec.loader.exec_module(module)
        importlib.import_module(_PACKAGE + ".inherited").start()
    except Exception as error:  # noqa: BLE001 - The program is the suite's and has to run.
        sys.stderr.write("dbsafe: this program is not redirected (%r)\n" % (error,))  # noqa: UP031


def _hide():
    """Take this directory off the path and let the next `sitecustomize` on it run, if there is one."""
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry or os.curdir) != _HERE]
    ours = sys.modules.pop("sitecustomize", None)
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if getattr(error, "name", "sitecustomize") != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = ours


_FINDER = _Finder()
if sys.version_info >= (3, 8) and os.environ.get("DBSAFE_REDIRECT"):
    _put_back()
    sys.meta_path.insert(0, _FINDER)
    if any(name in sys.modules for name in _WATCHED + ("subprocess",)):  # noqa: RUF005 - Python 2.
        _load()
_hide()
