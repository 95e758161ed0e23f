"""What the zygote says that it has collected, for the layers above."""

from __future__ import annotations

from pathlib import Path

from dbsafe_runner.workers import catalogue
from dbsafe_runner.workers.protocol import Message
from dbsafe_runner.workers.settings import CollectedSuite


def suite_of(message: Message, seconds: float) -> CollectedSuite:
    """What the zygote says that it has collected, so many seconds after it was started."""
    return CollectedSuite(
        tuple(catalogue.decode(message.blob)),
        Path(message["rootdir"]),
        message["maxfail"],
        frozenset(message["urgent"]),
        deselected=message["deselected"],
        python_path=tuple(message["python_path"]),
        django_settings=message["django_settings"],
        unsafe=tuple(message["unsafe"]),
        start_seconds=seconds,
    )
