"""Commands: text for a shell, in which what would go to the suite's server is led to the namespace.

The environment leads programs that take the server from there. What a command says itself comes before
it: URLs, and what psql, createdb and the others are told by `-h`, `-p`, connection strings and variables
put in front of them. Words that only a shell can tell (`$(…)`, patterns) stay as they are.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

from . import environment, tools, urls
from .urls import Target

if TYPE_CHECKING:
    from dbsafe_runner.domain.namespace import Endpoint

_URL = re.compile(r"""(?P<quote>["']?)(?P<url>postgres(?:ql)?(?:\+\w+)?://[^\s"'`;|<>()$]+)""")
_QUOTED = r""" '[^']*' | "(?:[^"\\]|\\.)*" | \\. """
_WORD = re.compile(rf"""(?: [^\s'"\\;&|<>()`] | {_QUOTED} )+""", re.VERBOSE)
#: Variables that are set for the tool, the tool, and its arguments up to what ends a simple command.
_TOOL = re.compile(
    rf"""
    (?P<sets> (?: (?<![^\s;&|(]) PG[A-Z]+= (?: [^\s'"\\;&|<>()`] | {_QUOTED} )* \s+ )* )
    (?<![\w./-]) (?: [\w./-]*/ )? (?P<tool> {"|".join(sorted(tools.TOOLS))} ) (?![\w./-])
    (?P<words> (?: [^'"\\;&|()`\n] | {_QUOTED} | \\\n )* )
    """,
    re.VERBOSE | re.DOTALL,
)
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)(?::?-([^}$'\"]*))?\})")
_PLACES = ("host", "hostaddr", "port", "service")


class _Word(NamedTuple):
    """A word of a command: what it says, or None when only a shell can tell, and where it stands."""

    said: str | None
    start: int
    end: int


def rewrite_command(
    command: str, endpoint: Endpoint, sources: Iterable[Target], environ: Mapping[str, str]
) -> str:
    """A shell command in which what means a source is led to the endpoint.

    Without a source, a server of this machine that a tool is told can only be the suite's.
    """
    meant = tuple(sources)

    def led(match: re.Match[str]) -> str:
        url = environment.rewrite_text(match["url"], endpoint, meant, environ)
        if url is None:
            return match[0]
        # The parameters that lead it are joined by what the shell takes for an operator.
        return match["quote"] + url if match["quote"] else shlex.quote(url)

    def led_tool(match: re.Match[str]) -> str:
        text = match[0]
        # From behind, so that the places in front stay what they are.
        for start, end, new in sorted(_Tool(match, endpoint, meant, environ).changes(), reverse=True):
            text = text[: start - match.start()] + new + text[end - match.start() :]
        return text

    return _TOOL.sub(led_tool, _URL.sub(led, command))


class _Tool:
    """One call of a tool: what it is told, and what it has to be told instead."""

    def __init__(
        self,
        match: re.Match[str],
        endpoint: Endpoint,
        sources: tuple[Target, ...],
        environ: Mapping[str, str],
    ) -> None:
        self._endpoint, self._sources = endpoint, sources
        self._program = match["tool"]
        self._sets = _words(match, "sets", environ)
        self._words = _words(match, "words", environ)
        told = [word.said.partition("=") for word in self._sets if word.said is not None]
        self._environ = {**environ, **{name: value for name, _, value in told}}

    def changes(self) -> list[tuple[int, int, str]]:
        """What is replaced, as places in the command and text for a shell."""
        found = [*self._strings(), *self._led_sets(), *self._led_options()]
        names = self._names() if found or not self._says_where() else []
        return [*found, *names]

    def _says_where(self) -> bool:
        return bool(self._options()) or environment.names_a_server(self._environ)

    def _means_ours(self, params: Mapping[str, str]) -> bool:
        sources = self._sources or tuple(
            target for target in urls.targets_of(params, self._environ) if target.host == urls.LOOPBACK
        )
        return environment.route_to(self._endpoint, sources, params, self._environ) is not None

    def _options(self) -> dict[str, tuple[str, _Word, str]]:
        """What its options name: libpq's key -> value, the word that holds it, and what is before it."""
        found: dict[str, tuple[str, _Word, str]] = {}
        before = ""
        for word in self._words:
            said = word.said or ""
            key, spelled = tools.option_of(said)
            if before in tools.SERVER_OPTIONS:
                key, spelled = tools.SERVER_OPTIONS[before], ""
            if key and word.said is not None:
                found[key] = (said.removeprefix(spelled), word, spelled)
            before = said
        return found

    def _led_options(self) -> list[tuple[int, int, str]]:
        options = self._options()
        if not options or not self._means_ours({key: value for key, (value, _, _) in options.items()}):
            return []
        led = {"host": shlex.quote(self._endpoint.host), "port": str(self._endpoint.port)}
        missing = [f" -{key[0]} {value}" for key, value in led.items() if key not in options]
        last = max(word.start for _, word, _ in options.values())
        return [
            (word.start, word.end, spelled + led[key] + ("".join(missing) if word.start == last else ""))
            for key, (_, word, spelled) in options.items()
        ]

    def _led_sets(self) -> list[tuple[int, int, str]]:
        names = {urls.ENVIRONMENT[key] for key in _PLACES}
        ours = [word for word in self._sets if (word.said or "").partition("=")[0] in names]
        if not ours or not self._means_ours({}):
            return []
        led = f"PGHOST={shlex.quote(self._endpoint.host)} PGPORT={self._endpoint.port}"
        return [(word.start, word.end, "" if place else led) for place, word in enumerate(ours)]

    def _strings(self) -> list[tuple[int, int, str]]:
        """Connection strings, which name a database as well."""
        found = []
        for word in self._words:
            said = word.said or ""
            option, equals, text = said.partition("=") if said.startswith("--") else ("", "", said)
            if said.startswith("-d") and len(said) > 2:
                option, equals, text = "-d", "", said[2:]
            led = None
            if not urls.is_url(text):
                led = environment.rewrite_text(text, self._endpoint, self._sources, self._environ)
            if led is not None:
                found.append((word.start, word.end, option + equals + shlex.quote(led)))
        return found

    def _names(self) -> list[tuple[int, int, str]]:
        """Databases that are named by themselves."""
        servers = [word for _, word, _ in self._options().values()]
        words = [word for word in self._words if word not in servers]
        said = [self._program, *(word.said or "" for word in words)]
        named = tools.with_names(said, self._endpoint)
        return [
            (word.start, word.end, shlex.quote(new))
            for word, old, new in zip(words, said[1:], named[1:], strict=True)
            if new != old
        ]


def _words(match: re.Match[str], group: str, environ: Mapping[str, str]) -> list[_Word]:
    start = match.start(group)
    return [
        _Word(_said(word[0], environ), start + word.start(), start + word.end())
        for word in _WORD.finditer(match[group])
    ]


def _said(word: str, environ: Mapping[str, str]) -> str | None:
    """What a word is once a shell has read it."""
    if "'" in word and "$" in word:
        return None

    def value(variable: re.Match[str]) -> str:
        return environ.get(variable[1] or variable[2], "") or variable[3] or ""

    text = _VARIABLE.sub(value, word)
    if any(part in text for part in "$`*?[~"):
        return None
    try:
        parts = shlex.split(text)
    except ValueError:
        return None
    return parts[0] if len(parts) == 1 else ""
