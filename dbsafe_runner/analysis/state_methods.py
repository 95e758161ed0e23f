"""Methods by whose names alone it is likely that they change what they are called on. Data only."""

from __future__ import annotations

_CHANGING = """
    append extend insert add update pop popleft appendleft clear remove discard setdefault popitem sort
    reverse rotate extendleft subtract difference_update intersection_update symmetric_difference_update
    send put put_nowait get_nowait write writelines seek truncate seed shuffle register subscribe set
    reset increment push
"""
CHANGING = frozenset(_CHANGING.split())
#: Those that leave the same behind whatever was there before.
RESETTING = frozenset({"clear", "reset"})
