from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.library.query import parse, parts, respelled, snippet, spans


def marked(text: str, typed: str) -> list[str]:
    return [text[begin:end] for begin, end in spans(text, parse(typed))]


@pytest.mark.parametrize(
    ("typed", "words", "phrases"),
    [
        ("the quarterly budget", ("quarterly", "budget"), ()),
        ('notes "to be or not"', ("notes",), ("to be or not",)),
        ("„ein Buch“ bitte", ("bitte",), ("ein Buch",)),
        ("what is it", ("what", "is", "it"), ()),
        ("it's \") OR 1=1", ("s", "1"), ()),
        ('""', (), ()),
        ("…", (), ()),
    ],
)
def test_what_is_typed(typed, words, phrases):
    query = parse(typed)
    assert (query.words, query.phrases) == (words, phrases)


def test_words_are_marked_in_all_their_forms():
    assert marked("Budgets were BUDGETED at the café.", "budget cafe") == [
        *("Budgets", "BUDGETED", "café"),
    ]


def test_a_phrase_is_marked_as_a_whole_and_only_where_it_stands():
    assert marked("A book. The first book, a first.", '"first book"') == ["first book"]


@given(st.text(alphabet="ab c", max_size=80), st.text(alphabet='ab "', max_size=10))
def test_parts_and_snippets_are_the_text(text, typed):
    found = spans(text, parse(typed))
    assert "".join(piece for piece, _ in parts(text, found)) == text
    shown = "".join(piece for piece, _ in snippet(text, found, width=20))
    assert shown.removeprefix("… ").removesuffix(" …") in text


def test_a_snippet_shows_where_most_was_found():
    text = "agent " + "nothing " * 60 + "the agent met another agent there " + "nothing " * 60
    shown = snippet(text, spans(text, parse("agents")), width=100)
    assert [piece for piece, found in shown if found] == ["agent", "agent"]
    assert shown[0][0] == "… " and shown[-1][0] == " …"


@pytest.mark.parametrize(
    "typed, expected",
    [
        ("recieve it", "receive it"),  # two that changed places
        ("adress", "address"),  # one is missing
        ("untill", "until"),  # one too many
        ("definately", ""),  # two are wrong
        ("untli the adress", "until the address"),
        ("boks", ""),  # too short to say
        ("receive", ""),  # it is there
    ],
)
def test_a_misspelled_word_becomes_one_that_is_there(typed, expected):
    texts = ["We receive it.", "Your address, until May.", "Books and boots; receive them."]
    assert respelled(parse(typed), texts) == expected
