"""How a later command is told of the server of this run, as one pastes it into a shell."""

from __future__ import annotations

import re
import shlex
import urllib.parse
from collections.abc import Mapping
from typing import Final

from dbsafe_runner.config import Config
from dbsafe_runner.config.reference import settings_by_name

#: As libpq takes a URL apart: up to the first "@" stands who logs in, if no "/" is before it.
_URL: Final = re.compile(r"(\w+://)(?:([^@/]*)@)?([^?]*)(?:\?(.*))?", re.DOTALL)
_SECRETS: Final = frozenset({"password", "sslpassword"})


def server_option(config: Config, environment: Mapping[str, str]) -> tuple[str, str]:
    """The option that names the server of this run, and what is to be said beside it; without a secret.

    Both are "" where later commands find the server by themselves: by runner.toml or a variable.
    """
    url = config.database.server
    if config.server_from_option:
        for name in sorted(environment):
            if environment[name] == url and name.isidentifier():
                return f'--database "${name}"', ""
        shown = without_secrets(url)
        note = "its password is not shown: give it in PGPASSWORD" if shown != url else ""
        return f"--database {shlex.quote(shown)}", note
    variable = settings_by_name()["database.server"].variable
    if config.file_from_option and variable not in environment and not config.server_from_environment:
        return f"--config {shlex.quote(str(config.file))}", ""
    return "", ""


def without_secrets(url: str) -> str:
    """A URL of PostgreSQL without its passwords, which libpq can read as before."""
    match = _URL.fullmatch(url)
    assert match is not None, "the pattern fits whatever starts with a scheme"
    scheme, login, place, query = match.groups()
    user = (login or "").partition(":")[0]
    kept = [
        part
        for part in (query or "").split("&")
        if urllib.parse.unquote(part.partition("=")[0]) not in _SECRETS
    ]
    options = "&".join(filter(None, kept))
    return f"{scheme}{user}{'@' if user else ''}{place}{'?' if options else ''}{options}"
