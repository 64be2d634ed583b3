from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.segments import LONGEST, PAUSE, in_order, segments_from_words, words_of
from services.audio.transcript import Segment, Word


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
        st.text('ab.?!" 语', min_size=1, max_size=4).filter(str.strip),
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


def test_a_long_sentence_is_cut_at_its_longest_pause_or_comma():
    spoken = words("word " * 25 + "comma, " + "word " * 14)
    first, _ = segments_from_words(spoken)
    assert first.text.endswith("comma,")
    paused = [*spoken[:20], *(Word(w.start + 0.7, w.end + 0.7, w.text) for w in spoken[20:])]
    first, _ = segments_from_words(paused)
    assert first.text == "word " * 19 + "word"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Dr. Smith met J. Doe. They spoke.", ["Dr. Smith met J. Doe.", "They spoke."]),
        ("“Go!” she said. He went.", ["“Go!” she said.", "He went."]),
        ("it ends here. and goes on", ["it ends here.", "and goes on"]),
        ("它是。 书 在 这里。", ["它是。", "书在这里。"]),
    ],
    ids=["titles and initials", "said in between", "a model without capitals", "no spaces"],
)
def test_what_ends_a_sentence(text, found):
    assert [segment.text for segment in segments_from_words(words(text))] == found


@given(any_words)
def test_no_word_is_lost(some):
    text = "".join(segment.text for segment in segments_from_words(some))
    assert text.replace(" ", "") == "".join(word.text for word in some).replace(" ", "")


@given(any_words, st.floats(0.1, 90))
def test_times_never_run_backwards_overlap_or_pass_the_end(some, duration):
    ordered = in_order(some, duration)
    assert len(ordered) == len(some)
    assert all(a.end <= b.start for a, b in pairwise(ordered))
    assert all(0 <= w.start <= w.end <= round(duration, 3) for w in ordered)
    assert in_order(ordered, duration) == ordered


@given(any_words)
def test_segments_hold_their_words_and_follow_pauses(some):
    ordered = in_order(some, 100)
    segments = segments_from_words(ordered)
    groups = words_of(segments, ordered)
    assert [word for group in groups for word in group] == ordered
    for segment, group in zip(segments, groups, strict=True):
        assert segment.start == group[0].start and segment.end == group[-1].end
        assert all(b.start - a.end <= PAUSE for a, b in pairwise(group))
        assert segment.end - segment.start <= LONGEST or len(group) == 1
    assert all(a.end <= b.start for a, b in pairwise(segments))


def test_a_segment_of_a_model_without_word_times_has_no_words():
    timed = words("one two.")
    segments = [Segment(0, 0.9, "one two."), Segment(1, 2, "untimed"), Segment(2.1, 3, "end")]
    groups = words_of(segments, [*timed, Word(2.1, 3, "end")])
    assert [[word.text for word in group] for group in groups] == [["one", "two."], [], ["end"]]


def test_a_word_in_no_segment_does_not_keep_the_others_from_theirs():
    spoken = [Word(0, 1, "One."), Word(2, 3, "stray"), Word(4, 5, "Two.")]
    groups = words_of([Segment(0, 1, "One."), Segment(4, 5, "Two.")], spoken)
    assert groups == [[spoken[0]], [spoken[2]]]


def test_no_words_no_segments():
    assert segments_from_words([]) == []


@pytest.mark.parametrize("end", [".", "?", "!", "…", "。"])
def test_ends_of_sentences(end):
    assert len(segments_from_words(words(f"one{end} two"))) == 2
