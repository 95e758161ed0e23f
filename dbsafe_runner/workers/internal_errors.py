"""Internal errors: hooks that raise where pytest has nothing to put the error down to.

A serial run prints the traceback once, behind `INTERNALERROR>`, and ends with exit code 3. A hook that
raises in a worker raises in the next worker, too: the first one is told to the dispatcher as text, the
run is stopped, and the zygote's session ends as if the hook had raised there.
"""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NoReturn

import pytest
from _pytest.outcomes import Exit

from dbsafe_runner.workers.outcomes import TextRepr
from dbsafe_runner.workers.protocol import Channel, ChannelClosedError

_OWN = str(Path(__file__).parent)


class InternalError(Exception):
    """A hook has raised in a worker. Its text is what pytest prints of that."""


@contextlib.contextmanager
def told_as_pytest_does(config: pytest.Config, channel: Channel) -> Iterator[None]:
    """Turn what hooks raise around a test into an InternalError.

    What ends a session or a worker in order goes its way, and so does what is raised in a child of the
    worker, which has nobody to tell.
    """
    try:
        yield
    except (KeyboardInterrupt, Exit, ChannelClosedError):
        raise
    except BaseException as error:
        if not channel.usable:
            raise
        raise InternalError(_text_of(error, config)) from error


def halt(channel: Channel, **fields: Any) -> None:
    """Tell the dispatcher to end the run.

    Where another worker came first, this one is just being interrupted, which says nothing new.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with contextlib.suppress(ChannelClosedError):
        channel.send("halt", **fields)


def end_session(config: pytest.Config, text: str) -> NoReturn:
    """Leave pytest's run loop so that it prints `text` as an internal error and exits with 3."""

    def notify(excinfo: Any, option: object = None) -> None:
        del option
        told = TextRepr(text)
        if not any(config.hook.pytest_internalerror(excrepr=told, excinfo=excinfo)):
            sys.stderr.write("".join(f"INTERNALERROR> {line}\n" for line in text.split("\n")))

    config.notify_exception = notify  # type: ignore[method-assign]
    raise InternalError(text)


def _text_of(error: BaseException, config: pytest.Config) -> str:
    """The traceback in the style in which pytest prints that of an internal error."""
    option = config.option
    trace = error.__traceback__
    while trace is not None and trace.tb_next and trace.tb_frame.f_code.co_filename.startswith(_OWN):
        # How the worker came to call the hook is no part of the suite's story.
        trace = trace.tb_next
    shown = pytest.ExceptionInfo.from_exception(error.with_traceback(trace)).getrepr(
        funcargs=True,
        showlocals=getattr(option, "showlocals", False),
        style="long" if getattr(option, "fulltrace", False) else "native",
    )
    return str(shown).rstrip("\n")
