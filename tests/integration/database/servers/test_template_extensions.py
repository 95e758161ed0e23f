"""Extensions that the set-up needs: had from an installed server, or told to be missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes.templates import SOURCE, Provide, ask, failure, prepare

from dbsafe_runner.database.binaries import extensions, installed_servers, wheel_bindir
from dbsafe_runner.database.provider import TemplateRequest
from dbsafe_runner.errors import ExitCode

WHEEL = wheel_bindir()
HAVING = [server for server in installed_servers() if "pgcrypto" in extensions(server.bindir)]
needs_both = pytest.mark.skipif(
    not HAVING or WHEEL is None or "pgcrypto" in extensions(WHEEL),
    reason="needs a wheel without pgcrypto and an installed server with it",
)


@needs_both
@pytest.mark.parametrize("how", ["pgcrypto", pytest.param("quietly_pgcrypto", marks=pytest.mark.long)])
def test_a_missing_extension_is_had_from_an_installed_server(
    project: Path, own_cache: Path, provide: Provide, how: str
) -> None:
    request = TemplateRequest(root=project, setup=f"preparing:{how}", sources=(SOURCE,))
    first, dsn, said = prepare(provide, request)
    assert first.server_version == HAVING[0].version
    assert any("lacks pgcrypto" in text and str(HAVING[0].bindir) in text for text in said)
    assert ask(dsn, "select count(*) from pg_extension where extname = 'pgcrypto'") == 1
    again, _, said = prepare(provide, request)
    assert again.reused
    assert said == []


@needs_both
def test_extensions_asked_for_beforehand_choose_the_server(project: Path, provide: Provide) -> None:
    request = TemplateRequest(root=project, extensions=("pgcrypto",))
    assert prepare(provide, request)[0].server_version == HAVING[0].version


@needs_both
def test_a_given_server_is_not_exchanged(project: Path, provide: Provide) -> None:
    request = TemplateRequest(root=project, setup="preparing:pgcrypto")
    error = failure(provide, request, postgres=str(WHEEL))
    assert error.code == "extension-missing"
    assert "pgcrypto" in error.message
    assert str(HAVING[0].bindir) in error.hint
    assert "is not available" in error.cause


def test_an_extension_that_nobody_has(project: Path, provide: Provide) -> None:
    error = failure(provide, TemplateRequest(root=project, setup="preparing:impossible"))
    assert error.code == "extension-missing"
    assert error.exit_code is ExitCode.SETUP
    assert "no_such_thing" in error.message
    error = failure(provide, TemplateRequest(root=project, extensions=("no_such_thing",)))
    assert error.code == "extension-missing"
