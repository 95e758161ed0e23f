from __future__ import annotations

import pytest

from dbsafe_runner.config.keys import TextForm, value_of_text


@pytest.mark.parametrize(
    ("text", "form", "value"),
    [
        ("4", TextForm.NUMBER, 4),
        ("2.5", TextForm.NUMBER, 2.5),
        ("auto", TextForm.NUMBER, "auto"),
        ("²", TextForm.NUMBER, "²"),
        ("yes", TextForm.SWITCH, True),
        ("OFF", TextForm.SWITCH, False),
        ("maybe", TextForm.SWITCH, "maybe"),
        ("a 'b c' d", TextForm.WORDS, ["a", "b c", "d"]),
        ("", TextForm.WORDS, []),
        (" as it is ", TextForm.PLAIN, " as it is "),
    ],
)
def test_reads_a_text(text: str, form: TextForm, value: object) -> None:
    read = value_of_text(text, form)
    assert read == value
    assert type(read) is type(value)


def test_words_with_an_open_quote_are_refused() -> None:
    with pytest.raises(ValueError, match="closing quotation"):
        value_of_text("a 'b", TextForm.WORDS)
