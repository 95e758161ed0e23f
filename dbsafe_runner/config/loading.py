"""Loading: finds the configuration file, merges it with the environment and the options, checks all.

Options outrank the environment, which outranks the file, which outranks the defaults. Every problem
in any of them is found before anything is reported. Nothing is acted upon, and nothing is written.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import shlex
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final

from dbsafe_runner.config.checking import (
    Layer,
    Place,
    Problem,
    check,
    did_you_mean,
    show,
    show_line,
    show_start,
)
from dbsafe_runner.config.database_settings import AUTO, DatabaseSettings
from dbsafe_runner.config.keys import TextForm, value_of_text
from dbsafe_runner.config.positions import find_lines, line_of
from dbsafe_runner.config.reference import Setting, settings_by_name
from dbsafe_runner.config.settings import STRATEGIES, Config, Settings
from dbsafe_runner.errors import ExitCode, UserError
from dbsafe_runner.planning.overrides import parse_strategies

FILE_NAME: Final = "runner.toml"
_PYPROJECT: Final = "pyproject.toml"
_REFERENCE_HINT: Final = "docs/configuration.md lists every key with its option and its variable."


def load_config(
    start: Path,
    *,
    environment: Mapping[str, str],
    options: Mapping[str, object] | None = None,
    file: Path | None = None,
) -> Config:
    """The configuration in force for a run that starts in the directory `start`.

    Args:
        start: where dbsafe was started; the file is looked for here and in the directories above, up
            to the root of the repository.
        environment: variables named DBSAFE_<SECTION>_<KEY> are settings; DATABASE_URL is the server
            where nothing else names one.
        options: values by "section.key", as text or as values; None means not given.
        file: a configuration file to use instead of the one that would be found.

    Raises:
        UserError: the file cannot be read or is not TOML, two files compete, or any value in the
            file, the environment or the options is unknown or wrong; all problems in one error.
    """
    found = file or _find_file(start)
    layers = [] if found is None else [_file_layer(found, asked_for=file is not None)]
    layers.append(_environment_layer(environment))
    layers.append(_options_layer(options or {}))
    layers = _with_unknown_strategy(layers)
    if any(check(layer) for layer in layers):
        told = map(_with_bad_strategies, layers)
        raise _bad_configuration([problem for layer in told for problem in check(layer)], found)
    settings = Settings.model_validate(_merge(layers))
    server = _offered_server(settings.database, environment)
    config = dataclasses.replace(
        _config(settings, start, found, layers),
        server_from_option="server" in _table(layers[-1], "database"),
        file_from_option=file is not None,
    )
    if not server:
        return config
    database = config.database.model_copy(update={"server": server})
    return dataclasses.replace(config, database=database, server_from_environment=True)


def _offered_server(database: DatabaseSettings, environment: Mapping[str, str]) -> str:
    """The URL in DATABASE_URL as PostgreSQL knows it, where nothing else names a server; else ""."""
    match = re.fullmatch(r"postgres(?:ql)?(?:\+\w+)?(://.*)", environment.get("DATABASE_URL", ""))
    return f"postgresql{match[1]}" if match and database.server == AUTO else ""


def _find_file(start: Path) -> Path | None:
    for directory in (start, *start.parents):
        own = directory / FILE_NAME
        # A directory of that name, or a link that leads nowhere, is meant to be the file: reading it
        # tells what is wrong.
        candidates = [own] if own.is_file() or own.is_dir() or own.is_symlink() else []
        pyproject = directory / _PYPROJECT
        if pyproject.is_file() and "dbsafe" in _tools(_read_toml(pyproject)[0]):
            candidates.append(pyproject)
        if len(candidates) == 2:
            raise UserError(
                "two-configurations",
                f"Both {FILE_NAME} and {_PYPROJECT} configure dbsafe, and only one may.",
                cause="\n".join(str(candidate) for candidate in candidates),
                hint=f"Move what is under [tool.dbsafe] to {FILE_NAME}, or delete {FILE_NAME}.",
                exit_code=ExitCode.USAGE,
            )
        if candidates:
            return candidates[0]
        if (directory / ".git").exists():
            return None
    return None


def _read_toml(file: Path) -> tuple[dict[str, Any], str]:
    """The values in `file` and its text."""
    try:
        text = file.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except OSError as error:
        raise UserError(
            "configuration-unreadable",
            f"{file} cannot be read.",
            cause=error.strerror or str(error),
            hint="Check the path and the permissions of the file.",
            exit_code=ExitCode.USAGE,
        ) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        cause = f"{file.name}:{line}: byte 0x{error.object[error.start]:02x} is not UTF-8"
        raise _bad_toml(file, cause) from None
    try:
        return tomllib.loads(text), text
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise _bad_toml(file, _toml_cause(file, text, str(error))) from None


def _bad_toml(file: Path, cause: str) -> UserError:
    return UserError(
        "bad-toml",
        f"{file.name} is not valid TOML.",
        cause=cause,
        hint="Texts stand in quotes, lists in square brackets: https://toml.io shows all forms.",
        exit_code=ExitCode.USAGE,
    )


def _toml_cause(file: Path, text: str, message: str) -> str:
    """What the parser said, with the line it is about and a mark under the place."""
    match = re.fullmatch(r"(.*) \(at (?:line (\d+), column (\d+)|end of document)\)", message, re.DOTALL)
    if match is None:
        return f"{file.name}: {message}"
    lines = text.split("\n")
    number = int(match[2]) if match[2] else len(text.rstrip("\n").split("\n"))
    column = int(match[3]) if match[3] else len(lines[number - 1]) + 1
    shown = show_line(lines[number - 1].replace("\t", " "))
    column = min(column, len(shown) + 1)
    return f"{file.name}:{number}:{column}: {match[1]}\n  {shown}\n  {' ' * (column - 1)}^"


def _file_layer(file: Path, *, asked_for: bool) -> Layer:
    values, text = _read_toml(file)
    prefix: tuple[str, ...] = ()
    if file.name == _PYPROJECT or (asked_for and "dbsafe" in _tools(values)):
        prefix = ("tool", "dbsafe")
        values = _tools(values).get("dbsafe", {})
    lines = find_lines(text)

    def place(path: tuple[str | int, ...]) -> Place:
        return Place(f"{file.name}:{line_of(lines, (*prefix, *path))}", in_file=True)

    if isinstance(values, Mapping):
        return Layer(values, place, base=file.parent)
    problem = Problem(place(()), f"tool.dbsafe must be a table, [tool.dbsafe], not {show(values)}")
    return Layer({}, place, base=file.parent, problems=(problem,))


def _tools(values: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is under [tool]; where that is no table, nothing there is ours."""
    tools = values.get("tool")
    return tools if isinstance(tools, Mapping) else {}


def line_in(file: Path, path: tuple[str | int, ...]) -> int:
    """The line of a configuration file in which what `path` leads to stands; for what is found later."""
    values, text = _read_toml(file)
    prefix = ("tool", "dbsafe") if path[0] in _tools(values).get("dbsafe", {}) else ()
    return line_of(find_lines(text), (*prefix, *path))


def _environment_layer(environment: Mapping[str, str]) -> Layer:
    known = {setting.variable: setting for setting in settings_by_name().values()}
    given = {known[name]: environment[name] for name in known if name in environment}
    problems = [
        Problem(Place(name), f'unknown variable (did you mean "{meant}"?)')
        for name in sorted(environment)
        if (meant := _meant_variable(name, known))
    ]
    return _text_layer(given, lambda setting: setting.variable, problems)


def _meant_variable(name: str, known: Iterable[str]) -> str:
    """The variable that `name` is a slip of; "" for others, which may be a project's own."""
    if not name.startswith("DBSAFE_") or name in known:
        return ""
    longer = [variable for variable in known if variable.startswith(f"{name}_")]
    close = longer or difflib.get_close_matches(name, known, n=1, cutoff=0.8)
    return close[0] if close else ""


def _options_layer(options: Mapping[str, object]) -> Layer:
    settings = settings_by_name()
    given = {settings[name]: value for name, value in options.items() if value is not None}
    return _text_layer(given, lambda setting: setting.key.option, [])


def _text_layer(
    given: Mapping[Setting, object], name_of: Callable[[Setting], str], problems: list[Problem]
) -> Layer:
    """A layer of values that are texts, or that were texts and have been read already."""
    values: dict[str, dict[str, object]] = {}
    for setting, value in given.items():
        try:
            read = _read(value, setting.key.form)
        except ValueError:
            shown = show_start(value) if setting.key.is_url else show(value)
            message = f"{setting.name} has a quote that is not closed: {shown}"
            problems.append(Problem(Place(name_of(setting)), message))
        else:
            values.setdefault(setting.section, {})[setting.name] = read

    def place(path: tuple[str | int, ...]) -> Place:
        return Place(name_of(settings_by_name()[f"{path[0]}.{path[1]}"]))

    return Layer(values, place, base=None, problems=tuple(problems))


def _read(value: object, form: TextForm) -> object:
    """A value as given; of an option that may be repeated, all words of all its texts."""
    if isinstance(value, str):
        return value_of_text(value, form)
    texts = isinstance(value, list | tuple) and all(isinstance(text, str) for text in value)
    if form is TextForm.WORDS and isinstance(value, list | tuple) and texts:
        return [word for text in value for word in shlex.split(text)]
    return value


def _merge(layers: list[Layer]) -> dict[str, Any]:
    merged: dict[str, Any] = {}
    for layer in layers:
        for section, values in layer.values.items():
            if isinstance(values, Mapping):
                merged[section] = {**merged.get(section, {}), **values}
            else:
                merged[section] = values
    return merged


def _with_unknown_strategy(layers: list[Layer]) -> list[Layer]:
    """The layers, with a problem where one names the strategy that is in force, and it is not known.

    Values of the wrong type, and empty ones, are told elsewhere.
    """
    origin = next((layer for layer in reversed(layers) if "isolation" in _table(layer, "run")), None)
    name = _table(origin, "run")["isolation"] if origin is not None else None
    own = (name for layer in layers for name in _table(layer, "strategies"))
    known = list(dict.fromkeys((*STRATEGIES, *own)))
    if origin is None or not isinstance(name, str) or name in {"", *known}:
        return layers
    suggestion = did_you_mean(name, known) or f" (there are {', '.join(known)})"
    problem = Problem(origin.place(("run", "isolation")), f'unknown strategy "{name}"{suggestion}')
    told = dataclasses.replace(origin, problems=(*origin.problems, problem))
    return [told if layer is origin else layer for layer in layers]


def _table(layer: Layer, section: str) -> Mapping[str, Any]:
    values = layer.values.get(section)
    return values if isinstance(values, Mapping) else {}


def _with_bad_strategies(layer: Layer) -> Layer:
    """The layer, with what is wrong inside of its strategies.

    Where nothing else is wrong, that is an error of its own, told when the strategy is chosen.
    """
    wrong = parse_strategies(_table(layer, "strategies")).problems
    # That a strategy is no table is found by the check of all values.
    inside = [Problem(layer.place(one.path), str(one)) for one in wrong if len(one.path) > 2]
    return dataclasses.replace(layer, problems=(*layer.problems, *inside))


def _bad_configuration(problems: list[Problem], file: Path | None) -> UserError:
    count = "a problem" if len(problems) == 1 else f"{len(problems)} problems"
    in_file = file is not None and all(problem.place.in_file for problem in problems)
    subject = file.name if file is not None and in_file else "configuration"
    return UserError(
        "bad-configuration",
        f"The {subject} has {count}." if not in_file else f"{subject} has {count}.",
        cause="\n".join(f"{problem.place.text}: {problem.message}" for problem in problems),
        hint=" ".join(
            dict.fromkeys((*(problem.hint for problem in problems if problem.hint), _REFERENCE_HINT))
        ),
        exit_code=ExitCode.USAGE,
    )


def _config(settings: Settings, start: Path, file: Path | None, layers: list[Layer]) -> Config:
    root = (file.parent if file is not None else start).resolve()

    def absolute(name: str, path: Path) -> Path:
        """Paths in a file are relative to it, those in options and variables to where we started."""
        origin = next((layer for layer in reversed(layers) if name in layer.values.get("run", {})), None)
        base = root if origin is None or origin.base is not None else start.resolve()
        return base / path

    paths = {name: absolute(name, getattr(settings.run, name)) for name in ("output", "history")}
    return Config(
        root=root,
        file=file.resolve() if file is not None else None,
        database=settings.database,
        workers=settings.workers,
        run=settings.run.model_copy(update=paths),
        verdict=settings.verdict,
        rules=settings.rules,
        strategies=settings.strategies,
    )
