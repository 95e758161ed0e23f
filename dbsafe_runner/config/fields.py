"""Fields: the types of values that settings have, and the base of their tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final

import pydantic

#: The smallest limit of memory that a run may be given, in bytes.
LEAST_MEMORY: Final = 64 * 1024**2


def as_words(value: object) -> object:
    """A single string stands for a list of one; lists become tuples, which cannot be changed."""
    if isinstance(value, str):
        return (value,)
    return tuple(value) if isinstance(value, list) else value


def as_path(value: object) -> object:
    """A path with the home directory filled in; what cannot name a file is refused."""
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError(value)
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ValueError(value) from error


def _is_enough(value: int) -> int:
    """A size that several processes of Python can live in; 0 is no limit."""
    if value and value < LEAST_MEMORY:
        raise ValueError(value)
    return value


Text = Annotated[str, pydantic.StringConstraints(min_length=1)]
Words = Annotated[tuple[Text, ...], pydantic.BeforeValidator(as_words)]
Seconds = Annotated[float, pydantic.Field(ge=0, allow_inf_nan=False)]
Size = Annotated[pydantic.ByteSize, pydantic.AfterValidator(_is_enough)]
Folder = Annotated[Path, pydantic.BeforeValidator(as_path)]


class Table(pydantic.BaseModel):
    """Frozen, without conversions between types, and without unknown keys."""

    model_config = pydantic.ConfigDict(frozen=True, strict=True, extra="forbid")
