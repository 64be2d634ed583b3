from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.library.sentences import sentences


def cut(text: str) -> list[str]:
    return [text[begin:end] for begin, end in sentences(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One. Two! Three? Four", ["One.", "Two!", "Three?", "Four"]),
        ("He said “Go.” Then he went.", ["He said “Go.”", "Then he went."]),
        ("Dr. Smith met J. R. Hill, i.e. Bob.", ["Dr. Smith met J. R. Hill, i.e. Bob."]),
        ("Version 2.0 costs 3.50 euros.", ["Version 2.0 costs 3.50 euros."]),
        ("A title\n\nThen text", ["A title", "Then text"]),
        ("一つ。二つ。", ["一つ。", "二つ。"]),
        ("see p. 3. 12 monks wrote.", ["see p. 3.", "12 monks wrote."]),
        ("", []),
        ("  \n ", []),
    ],
)
def test_sentences(text, expected):
    assert cut(text) == expected


@given(st.text(alphabet="aB1 .!?\n“”。", max_size=60))
def test_nothing_but_space_is_lost(text):
    assert "".join("".join(cut(text)).split()) == "".join(text.split())
