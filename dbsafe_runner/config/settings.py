"""The settings: every key of runner.toml declared once, with its type, default, option and meaning.

Options, environment variables, checks and the reference in `docs/configuration.md` all follow from
these declarations. Reading files and merging layers is the work of `dbsafe_runner.config.loading`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import pydantic

from dbsafe_runner.config.database_settings import DatabaseSettings
from dbsafe_runner.config.fields import Folder, Seconds, Size, Table, Text, Words, as_words
from dbsafe_runner.config.keys import Key, TextForm
from dbsafe_runner.domain.level import Level

#: Strategies that need no table in runner.toml.
STRATEGIES: Final = ("conservative", "balanced", "aggressive", "adaptive")


def _as_level(value: object) -> object:
    """A level is written as its number or as its name."""
    if isinstance(value, str) and value in Level.__members__:
        return Level[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in tuple(Level):
        return Level(value)
    raise ValueError(value)


class WorkerSettings(Table):
    """`[workers]`: how many processes run tests, and how they start."""

    count: Annotated[
        Literal["auto"] | Annotated[int, pydantic.Field(ge=1, le=1024)],
        Key(
            "--workers",
            'a whole number from 1 to 1024, or "auto"',
            "How many workers run tests; `auto` is the number of cores, within the bounds of the "
            "strategy. `-n N` does the same.",
            TextForm.NUMBER,
            metavar="N",
        ),
    ] = "auto"
    start: Annotated[
        Literal["auto", "fork", "spawn"],
        Key(
            "--start",
            '"auto", "fork" or "spawn"',
            "How a worker starts: forked from the process that collected the suite, or as a new "
            "Python. `auto` forks wherever that is safe.",
            metavar="METHOD",
        ),
    ] = "auto"


class RunSettings(Table):
    """`[run]`: how tests are run, and where reports go."""

    isolation: Annotated[
        Text,
        Key(
            "--isolation",
            "conservative, balanced, aggressive, adaptive or a name defined under [strategies]",
            "The strategy: how many workers, how much isolation, which resets.",
            metavar="STRATEGY",
        ),
    ] = "balanced"
    grouping: Annotated[
        Literal["dependency", "performance", "file", "test"],
        Key(
            "--grouping",
            '"dependency", "performance", "file" or "test"',
            "What keeps tests together in a batch. `performance` and `test` take files apart before "
            "anything is known of their tests, so a test that needs another one of its file, or is "
            "disturbed by it, may end otherwise than in a serial run.",
            metavar="KIND",
        ),
    ] = "dependency"
    timeout: Annotated[
        Seconds,
        Key(
            "--timeout",
            "a number of seconds, 0 for no limit",
            "How long one test may take, set-up and teardown included.",
            TextForm.NUMBER,
            metavar="SECONDS",
        ),
    ] = 0.0
    slow_timeout: Annotated[
        Seconds,
        Key(
            "--slow-timeout",
            "a number of seconds, 0 for never",
            "After how long a running test is called slow, and again after each further such time.",
            TextForm.NUMBER,
            metavar="SECONDS",
        ),
    ] = 60.0
    run_timeout: Annotated[
        Seconds,
        Key(
            "--run-timeout",
            "a number of seconds, 0 for no limit",
            "How long the whole run may take. Then the running tests are interrupted and torn down, "
            "reports are written, and dbsafe exits with 71.",
            TextForm.NUMBER,
            metavar="SECONDS",
        ),
    ] = 0.0
    max_memory: Annotated[
        Size,
        Key(
            "--max-memory",
            "a size of at least 64MiB such as 2GiB or 512MB, or 0 for no limit",
            "How much memory the processes of the run may take together. A worker that takes more than "
            "its share is replaced after its batch, there are fewer workers while memory is short, and "
            "a test whose worker alone takes more is ended.",
            metavar="SIZE",
        ),
    ] = pydantic.ByteSize(0)
    confirm: Annotated[
        bool,
        Key(
            "--confirm",
            "true or false",
            "Run failed tests again, alone and then behind the tests before them, to tell real "
            "failures from those that hang on other tests.",
            TextForm.SWITCH,
        ),
    ] = True
    confirm_budget: Annotated[
        Seconds,
        Key(
            "--confirm-budget",
            "a number of seconds, 0 for none",
            "How long failures may be looked into one by one, besides half of the time that the tests "
            "of the run took. Further ones are only tried once more in the serial order of their file, "
            "where they did not have it; one that needs what another file leaves stays failed.",
            TextForm.NUMBER,
            metavar="SECONDS",
        ),
    ] = 20.0
    retries: Annotated[
        Annotated[int, pydantic.Field(ge=0, le=100)],
        Key(
            "--retries",
            "a whole number from 0 to 100",
            "How many more times a failed test is run under the same conditions; one that then "
            "passes is flaky.",
            TextForm.NUMBER,
            metavar="N",
        ),
    ] = 0
    keep_failed: Annotated[
        bool,
        Key(
            "--keep-failed",
            "true or false",
            "Keep the database of a failed test, as the test left it, and print the command that opens "
            "it. At most five are kept in one run, until `dbsafe db clean`, or for a day.",
            TextForm.SWITCH,
        ),
    ] = False
    pytest: Annotated[
        Words,
        Key(
            "--pytest",
            "an argument of pytest or a list of them",
            "Arguments for pytest that go before those of the command line.",
            TextForm.WORDS,
            metavar="ARGUMENTS",
        ),
    ] = ()
    plugins: Annotated[
        Words,
        Key(
            "--plugins",
            "a module name or a list of module names",
            "Modules with hooks of dbsafe, beside those of installed plugins. They are imported into "
            "the process of dbsafe, from the directory of runner.toml or from what is installed.",
            TextForm.WORDS,
            metavar="MODULE",
        ),
    ] = ()
    output: Annotated[
        Folder,
        Key(
            "--output",
            "a directory",
            "Where results.json, report.html and junit.xml are written.",
            metavar="DIR",
        ),
    ] = Path(".dbsafe/results")
    history: Annotated[
        Folder,
        Key(
            "--history",
            "a file",
            "Where durations and observed levels are kept from run to run.",
            metavar="FILE",
        ),
    ] = Path(".dbsafe/history.db")


class VerdictSettings(Table):
    """`[verdict]`: what counts as a failure of the run."""

    flaky: Annotated[
        Literal["pass", "fail"],
        Key(
            "--flaky",
            '"pass" or "fail"',
            "Whether a test that failed and passes on retry counts as passed or as failed.",
            metavar="VERDICT",
        ),
    ] = "pass"


class Rule(Table):
    """One of `[[rules]]`: what is said here about matching tests outranks what was observed."""

    nodeid: Text | None = None
    mark: Text | None = None
    fixture: Text | None = None
    level: Annotated[Level, pydantic.BeforeValidator(_as_level)] | None = None
    group: str = ""
    exclusive: bool = False

    @pydantic.model_validator(mode="after")
    def _has_both_halves(self) -> Self:
        if lacking := lacking_halves({name: value for name, value in self if value is not None}):
            raise ValueError(lacking[0])
        return self


def lacking_halves(rule: Mapping[str, object]) -> list[str]:
    """What a rule needs besides the keys that it has, right or wrong as their values may be."""
    lacking = []
    if not rule.keys() & {"nodeid", "mark", "fixture"}:
        lacking.append("needs one of nodeid, mark or fixture to say which tests it is about")
    if "level" not in rule and rule.get("group", "") == "" and rule.get("exclusive", False) is False:
        lacking.append("needs a level, a group or exclusive = true to say something about them")
    return lacking


class Settings(Table):
    """All of runner.toml."""

    database: DatabaseSettings = DatabaseSettings()
    workers: WorkerSettings = WorkerSettings()
    run: RunSettings = RunSettings()
    verdict: VerdictSettings = VerdictSettings()
    rules: Annotated[tuple[Rule, ...], pydantic.BeforeValidator(as_words)] = ()
    strategies: dict[str, dict[str, Any]] = pydantic.Field(default_factory=dict)


@dataclasses.dataclass(frozen=True, slots=True)
class Config:
    """The configuration in force, after options, environment and file were merged.

    Paths are absolute. `root` is the directory of the configuration file, or the directory where
    dbsafe was started when there is none; set-up runs there.
    """

    root: Path
    #: The file that was read, or None.
    file: Path | None
    database: DatabaseSettings
    workers: WorkerSettings
    run: RunSettings
    verdict: VerdictSettings
    rules: tuple[Rule, ...] = ()
    #: The server is that of DATABASE_URL in the environment: nothing else names one.
    server_from_environment: bool = False
    #: The server is the one that an option names, which later commands know nothing of.
    server_from_option: bool = False
    #: An option names the file.
    file_from_option: bool = False
    #: Tables under [strategies] as they stand in the file, by name; checked by their reader.
    strategies: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
