"""Ownership: how everything that we make on a shared server says whose it is.

Names carry the run's id, which carries a checksum, so that a name alone proves that dbsafe made it.
Comments carry a tag with host, process and time. A living run keeps a session whose application_name
carries its id and the key of its template: what belongs to a run without such a session is a leftover.
An advisory lock would say the same, but suites that count locks in pg_locks would count it, too.
Nothing is removed here.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import secrets
import socket
import time
from typing import Final

#: The first half of the key of the advisory lock that is held while a template is built.
BUILD_LOCKS: Final = 0x64627362

_RUN_NAME: Final = re.compile(r"dbsafe_([0-9a-f]{12})_[a-z]?\d+(?:_\d+)?")
#: Of databases that tests made, see `made_by_test`. No namespace has this letter, so a copy that a user
#: made of one, under a name that begins otherwise, is none of these.
_TESTS_NAME: Final = re.compile(r".+_dbsafe_([0-9a-f]{12})_d\d+", re.DOTALL)
_TEMPLATE_NAME: Final = re.compile(r"dbsafe_t_([0-9a-f]{24})(?:_\d+)?")
_CLAIM: Final = re.compile(r"dbsafe run ([0-9a-f]{12})(?: ([0-9a-f]{24}))?")
_TAG: Final = re.compile(r"^dbsafe: (\{.*\})$", re.MULTILINE)


@dataclasses.dataclass(frozen=True, slots=True)
class Tag:
    """Who made something, as its comment says. `started` and `used` are Unix times."""

    run: str
    host: str = ""
    pid: int = 0
    started: float = 0.0
    version: str = ""
    #: The worker that has it.
    worker: str = ""
    #: For templates: when a run last began to use it.
    used: float = 0.0
    #: The test for whose sake it is kept after its run.
    kept: str = ""


def new_run_id() -> str:
    """An id that no other run on any machine has."""
    return seal(secrets.token_hex(4))


def seal(token: str) -> str:
    """A run id from eight hexadecimal digits: the digits and four of their checksum."""
    return token + hashlib.sha256(f"dbsafe run {token}".encode()).hexdigest()[:4]


def run_of(name: str) -> str:
    """The id of the run that a database or schema of this name belongs to; "" when it is not ours."""
    match = _RUN_NAME.fullmatch(name) or _TESTS_NAME.fullmatch(name)
    return match[1] if match and seal(match[1][:8]) == match[1] else ""


def made_by_test(name: str) -> bool:
    """Whether a test of a run made the database of this name, by a suffix that it was given.

    pytest-django, for one, makes databases under fixed names. The suffix keeps those of workers, runs
    and machines apart, and says whose they are when a run is over.
    """
    return bool(run_of(name)) and _TESTS_NAME.fullmatch(name) is not None


def template_of(name: str) -> str:
    """The key of the template of this name; "" when the name is not a template's."""
    match = _TEMPLATE_NAME.fullmatch(name)
    return match[1] if match else ""


def lock_key(key: str) -> int:
    """The second half of the advisory lock's key for a template's key, a signed int4."""
    return int.from_bytes(bytes.fromhex(key[:8]), "big", signed=True)


def write_claim(run: str, template: str = "") -> str:
    """The application_name by which a run says that it lives, and which template it uses."""
    return f"dbsafe run {run} {template}".rstrip()


def read_claim(application_name: str | None) -> tuple[str, str]:
    """The run and the template of such a name; "" where there is none."""
    match = _CLAIM.fullmatch(application_name or "")
    return (match[1], match[2] or "") if match else ("", "")


def new_tag(run: str, version: str, worker: str = "", kept: str = "") -> Tag:
    """The tag of what this process makes now, or gives to a worker."""
    now = round(time.time(), 3)
    return Tag(run, socket.gethostname(), os.getpid(), now, version, worker, now, kept)


def write_tag(tag: Tag, comment: str = "") -> str:
    """A comment that carries the tag, behind what the comment said before."""
    text = json.dumps(dataclasses.asdict(tag), separators=(",", ":"), sort_keys=True)
    return "\n".join(filter(None, (strip_tag(comment), f"dbsafe: {text}")))


def read_tag(comment: str | None) -> Tag | None:
    """The tag in a comment, None when there is none that can be read."""
    match = _TAG.search(comment or "")
    try:
        values = json.loads(match[1]) if match else None
        if not isinstance(values, dict):
            return None
        return Tag(
            run=str(values["run"]),
            host=str(values.get("host", "")),
            pid=int(values.get("pid", 0)),
            started=float(values.get("started", 0.0)),
            version=str(values.get("version", "")),
            worker=str(values.get("worker", "")),
            used=float(values.get("used", 0.0)),
            kept=str(values.get("kept", "")),
        )
    except (ValueError, KeyError, TypeError):
        return None


def strip_tag(comment: str | None) -> str:
    """A comment without our tag."""
    return _TAG.sub("", comment or "").rstrip("\n")
