from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.segments import LONGEST, in_order, segments_from_words
from services.audio.transcript import Word


def words(text: str, step: float = 0.5) -> list[Word]:
    return [
        Word(i * step, i * step + 0.4, word, confidence=0.5 + i / 100)
        for i, word in enumerate(text.split())
    ]


any_words = st.lists(
    st.builds(
        Word,
        st.floats(-5, 100),
        st.floats(-5, 100),
        st.text('ab.?!"', min_size=1, max_size=4),
        st.none() | st.floats(0, 1),
    ),
    max_size=30,
)


def test_a_segment_ends_with_a_sentence():
    found = segments_from_words(words('She said: "Go." Did he? Yes'))
    assert [segment.text for segment in found] == ['She said: "Go."', "Did he?", "Yes"]


def test_a_segment_ends_at_a_pause():
    found = segments_from_words([Word(0, 1, "one"), Word(1.7, 2, "two"), Word(2.9, 3, "three")])
    assert [segment.text for segment in found] == ["one two", "three"]


def test_a_segment_without_an_end_is_cut():
    found = segments_from_words(words("word " * 200))
    assert len(found) > 5 and all(s.end - s.start <= LONGEST for s in found)


def test_a_segment_has_the_times_and_mean_confidence_of_its_words():
    (found,) = segments_from_words(words("one two three"))
    assert (found.start, found.end, found.confidence) == (0.0, 1.4, 0.51)
    assert segments_from_words([Word(0, 1, "a")])[0].confidence is None


@given(any_words)
def test_no_word_is_lost(some):
    text = " ".join(segment.text for segment in segments_from_words(some))
    assert text == " ".join(word.text for word in some)


@given(any_words, st.floats(0.1, 90))
def test_times_never_run_backwards_nor_past_the_end(some, duration):
    ordered = in_order(some, duration)
    assert len(ordered) == len(some)
    assert all(a.start <= b.start for a, b in pairwise(ordered))
    assert all(0 <= w.start <= w.end <= duration + 0.0006 for w in ordered)


def test_no_words_no_segments():
    assert segments_from_words([]) == []


@pytest.mark.parametrize("end", [".", "?", "!", "…", "。"])
def test_ends_of_sentences(end):
    assert len(segments_from_words(words(f"one{end} two"))) == 2
