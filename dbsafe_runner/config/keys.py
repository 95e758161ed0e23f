"""Keys: what a setting is called in each place, and how its text form is read.

Knows nothing of which settings there are; `dbsafe_runner.config.settings` declares those.
"""

from __future__ import annotations

import dataclasses
import enum
import shlex


class TextForm(enum.Enum):
    """How the text of an option or an environment variable becomes a value."""

    PLAIN = "plain"
    #: Split like a shell command line.
    WORDS = "words"
    NUMBER = "number"
    #: true or false; as an option, `--name` or `--no-name`.
    SWITCH = "switch"


@dataclasses.dataclass(frozen=True, slots=True)
class Key:
    """What a setting is called on the command line, and what it is, in words."""

    option: str
    #: Completes the sentence "KEY must be ...".
    expects: str
    help: str
    form: TextForm = TextForm.PLAIN
    #: Further spellings of the option.
    also: tuple[str, ...] = ()
    metavar: str = ""
    #: It is the URL of a database: a wrong value is told without what may be its password.
    is_url: bool = False


_SWITCH_WORDS = {"true": True, "yes": True, "on": True, "1": True}
_SWITCH_WORDS |= {"false": False, "no": False, "off": False, "0": False}


def value_of_text(text: str, form: TextForm) -> object:
    """The value that `text` stands for; the text itself where it does not fit its form.

    What does not fit is refused afterwards by the check that all values go through, so that every
    wrong value is reported in the same words wherever it came from.

    Raises:
        ValueError: words that cannot be split, because of a quote that is not closed.
    """
    if form is TextForm.SWITCH:
        return _SWITCH_WORDS.get(text.strip().lower(), text)
    if form is TextForm.WORDS:
        return shlex.split(text)
    if form is TextForm.NUMBER:
        return _number(text)
    return text


def _number(text: str) -> object:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text
