"""From a template request to a ready template: which server, which cache entries, built or reused.

Where the set-up asks for an extension that the server lacks, and the choice of the server is ours, this
takes a server of this machine that has it, and remembers that for the next run.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
from pathlib import Path

from dbsafe_runner.database.account import Account
from dbsafe_runner.database.binaries import Binaries, choose, missing_extensions
from dbsafe_runner.database.cache import Cache, Entry
from dbsafe_runner.database.ending import Ending
from dbsafe_runner.database.provider import Report, TemplateRequest
from dbsafe_runner.database.relocation import reachable
from dbsafe_runner.database.rundir import RunDirectory
from dbsafe_runner.database.server import Installation
from dbsafe_runner.database.setup_command import SetupFailedError
from dbsafe_runner.database.templates import (
    TemplateBuilder,
    base_key,
    input_digests,
    obtain_base,
    template_key,
)
from dbsafe_runner.errors import UserError


@dataclasses.dataclass(slots=True)
class Prepared:
    """What preparing came to. The entries stay locked against removal until they are closed."""

    installation: Installation
    builder: TemplateBuilder
    template: Entry
    key: str
    reused: bool
    entries: list[Entry]

    def close(self) -> None:
        """Give the cache entries free. May be called again."""
        for entry in self.entries:
            entry.close()


class Preparation:
    """Prepares the template of one run."""

    def __init__(
        self,
        request: TemplateRequest,
        postgres: str,
        run: RunDirectory,
        cache_root: Path,
        ending: Ending,
    ) -> None:
        self._request = request
        self._postgres = postgres
        self._run = run
        self._account: Account = run.account
        self._cache_root = cache_root
        self._ending = ending

    def prepare(self, report: Report) -> Prepared:
        """Make the template ready.

        Raises:
            UserError: the server, the set-up or an extension cannot be had.
        """
        wanted = list(self._request.extensions)
        digests = input_digests(self._request.root, self._request.inputs, report)
        binaries = choose(self._postgres, wanted)
        first = template_key(binaries.identity, self._request, digests)
        if remembered := self._recall(first):
            wanted += remembered
            binaries = choose(self._postgres, wanted)
        while True:
            try:
                prepared = self._prepare_with(binaries, digests, report)
            except SetupFailedError as error:
                missing = [name for name in error.extensions if name not in wanted]
                if not missing:
                    raise
                wanted += missing
                found = self._other_server(binaries, wanted, missing, error)
                report(
                    f"the server lacks {', '.join(missing)}: using PostgreSQL {found.version} "
                    f"in {found.bindir}, which has it"
                )
                binaries = found
            else:
                if len(wanted) > len(self._request.extensions):
                    self._remember(first, wanted)
                return prepared

    def _prepare_with(
        self, binaries: Binaries, digests: list[tuple[str, str]], report: Report
    ) -> Prepared:
        with contextlib.ExitStack() as entries:
            binaries, copied = reachable(binaries, self._account, self._cache("binaries"), report)
            if copied:
                entries.callback(copied.close)
            installation = Installation(binaries, self._account)
            base = obtain_base(installation, self._cache("base"), report)
            entries.callback(base.close)
            key = template_key(base_key(installation), self._request, digests)
            builder = TemplateBuilder(installation, self._run, self._request, self._ending)
            template, reused = self._cache("templates").obtain(
                key,
                lambda directory: builder.build(base, directory, report),
                fresh=self._request.fresh,
                report=report,
            )
            entries.pop_all()
        held = [entry for entry in (copied, base, template) if entry]
        return Prepared(installation, builder, template, key, reused, held)

    def _cache(self, kind: str) -> Cache:
        return Cache(self._cache_root, kind, self._ending.check)

    def _other_server(
        self, binaries: Binaries, wanted: list[str], missing: list[str], error: SetupFailedError
    ) -> Binaries:
        if self._postgres == "auto":
            with contextlib.suppress(UserError):
                return choose("auto", wanted)
        raise missing_extensions(missing, [binaries.bindir], error.cause) from error

    def _recall(self, key: str) -> list[str]:
        """The extensions that the set-up turned out to need in an earlier run."""
        if self._request.fresh:
            return []
        with contextlib.suppress(OSError, ValueError, TypeError):
            return [str(name) for name in json.loads(self._needs(key).read_text())]
        return []

    def _remember(self, key: str, wanted: list[str]) -> None:
        path = self._needs(key)
        new = path.with_suffix(f".{self._run.id}")
        # Should it not be kept, the next run finds it out again.
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(wanted))
            new.rename(path)

    def _needs(self, key: str) -> Path:
        return self._cache_root / "needs" / key
