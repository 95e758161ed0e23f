"""What each kind of message has to carry, so that nothing behind the channel meets a surprise.

A test may write into any file descriptor, that of its worker's channel included. What is no message, or
lacks what its kind has to carry, ends the connection and nothing else. Further fields are not looked at.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_NUMBER: Final = (int, float)
_Shape = Mapping[str, type | tuple[type, ...]]

_ENDED: Final[_Shape] = {"test": int, "connections": int, "seconds": (list, dict), "started": _NUMBER}
_REPORTED: Final[_Shape] = {
    **_ENDED,
    "seconds": dict,
    "outcome": str,
    "failures": int,
    "coloured": str,
    "text": str,
    "reason": str,
    "sections": list,
    "properties": list,
}

#: Fields by kind, for every kind that carries some.
_FIELDS: Final[Mapping[str, _Shape]] = {
    # To the dispatcher.
    "hello": {"worker": str, "pid": int, "digest": str},
    "need": {"idle": bool},
    "ok": {**_ENDED, "ended": _NUMBER, "seconds": list},
    "done": {**_REPORTED, "ended": _NUMBER},
    "late": {**_REPORTED, "since": int},
    "warn": {"when": str, "nodeid": str},
    "property": {"name": str, "value": str},
    "parting": {"worker": str},
    "reset": {"report": dict},
    "retire": {"reason": str},
    "halt": {"why": str, "message": str},
    "begun": {},
    "lease": {"worker": str},
    "learned": {"worker": str, "target": list},
    "borrow": {"worker": str, "pid": int, "target": list},
    "uncollected": {"nodeid": str, "reason": str, "text": str},
    "notice": {"code": str, "message": str, "nodeid": str},
    "exited": {"worker": str, "pid": int, "code": int},
    "shouldstop": {"reason": str},
    "ended": {"code": int},
    "collected": {
        "rootdir": str,
        "maxfail": int,
        "digest": str,
        "urgent": list,
        "unsafe": list,
        "python_path": list,
        "drivers": list,
    },
    # From it.
    "start": {
        "arguments": list,
        "hide": list,
        "program": str,
        "width": int,
        "colour": bool,
        "seed": int,
    },
    "fork": {"settings": dict},
    "run": {"batch": int, "tests": list, "reset": str},
}


def flaw(kind: object, fields: Mapping[str, Any]) -> str:
    """What is wrong with a message, in words; "" when it may be acted on."""
    if not isinstance(kind, str):
        return "its kind is no text"
    for name, wanted in _FIELDS.get(kind, {}).items():
        if name not in fields:
            return f"{kind} lacks {name}"
        value = fields[name]
        if not isinstance(value, wanted) or (isinstance(value, bool) and wanted in {int, _NUMBER}):
            return f"{name} of {kind} is {type(value).__name__}"
    return ""
