"""Whose words are whose, from who speaks when."""

from __future__ import annotations

import numpy as np

from services.audio.edits import Edit, Edits, changed, corrected
from services.audio.segments import segments_from_words
from services.audio.speakers import (
    ACTIVE,
    Speakers,
    Turn,
    label,
    renumbered,
    turns_of,
    with_speakers,
)
from services.audio.transcript import Segment, Transcript, Word

FRAME = 0.08


def transcript(*texts: str, each: float = 0.5) -> Transcript:
    """A word every half second, 0.4 s long, as one segment."""
    words = [Word(n * each, n * each + 0.4, text, 0.9) for n, text in enumerate(texts)]
    segments = segments_from_words(words)
    text = " ".join(segment.text for segment in segments)
    return Transcript(text, len(texts) * each, "en", "e", "m", segments, words)


def said(found: Transcript) -> list[tuple[str | None, str]]:
    return [(segment.speaker, segment.text) for segment in found.segments]


def frames(*spans: tuple[int, int, int], speakers: int = 4, count: int = 200) -> np.ndarray:
    found = np.full((count, speakers), ACTIVE - 0.1, np.float32)
    for speaker, first, last in spans:
        found[first:last, speaker] = ACTIVE + 0.1
    return found


def test_turns_are_the_stretches_in_which_somebody_speaks():
    found = turns_of(frames((2, 10, 60), (0, 50, 100)), FRAME)
    assert found == [Turn(0.8, 4.8, 0), Turn(4.0, 8.0, 1)], "numbered as they are first heard"


def test_a_short_silence_ends_no_turn_and_a_click_is_none():
    assert turns_of(frames((0, 10, 60), (0, 65, 100)), FRAME) == [Turn(0.8, 8.0, 0)]
    assert len(turns_of(frames((0, 10, 60), (0, 80, 100)), FRAME)) == 2
    assert turns_of(frames((0, 10, 12)), FRAME) == []
    assert turns_of(frames((0, 0, 200)), FRAME) == [Turn(0.0, 16.0, 0)]
    assert turns_of(np.zeros((0, 4), np.float32), FRAME) == []


def test_a_segment_of_two_people_is_divided_between_its_words():
    heard = transcript("how", "are", "you", "fine", "thanks", "bye")
    found = with_speakers(heard, [Turn(0, 1.45, 0), Turn(1.5, 2.45, 1), Turn(2.5, 3, 0)])
    assert said(found) == [
        ("Speaker 1", "how are you"),
        ("Speaker 2", "fine thanks"),
        ("Speaker 1", "bye"),
    ]
    assert found.words == heard.words and found.text == heard.text, "nothing else is touched"
    assert [s.confidence for s in found.segments] == [0.9] * 3


def test_a_segment_of_one_person_stays_as_it_was():
    heard = transcript("one", "two", "three")
    (segment,) = with_speakers(heard, [Turn(0, 9, 1)]).segments
    assert segment.speaker == label(1)
    assert (segment.start, segment.end, segment.text) == (0, 1.4, "one two three")
    assert with_speakers(heard, []) is heard


def test_a_single_word_between_anothers_is_theirs():
    heard = transcript("a", "b", "c", "d", "e")
    found = with_speakers(heard, [Turn(0, 5, 0), Turn(1.0, 1.5, 1)])
    assert said(found) == [("Speaker 1", "a b c d e")]


def test_words_in_a_gap_belong_to_the_nearest_turn_or_to_who_spoke_last():
    heard = transcript("a", "b", each=20.0)
    assert said(with_speakers(heard, [Turn(1.0, 3.0, 1)])) == [
        ("Speaker 2", "a"),
        ("Speaker 2", "b"),
    ]
    assert said(with_speakers(heard, [Turn(10.0, 12.0, 1)]))[0] == (None, "a")


def test_a_model_without_times_for_words_gets_speakers_for_its_segments():
    segments = [Segment(0, 4, "first part"), Segment(4, 9, "second part")]
    heard = Transcript("first part second part", 9, None, "e", "m", segments)
    found = with_speakers(heard, [Turn(0, 5, 1), Turn(5, 9, 0)])
    assert said(found) == [("Speaker 2", "first part"), ("Speaker 1", "second part")]


def test_speakers_keep_their_numbers_when_they_are_looked_for_again():
    before = [Turn(0, 10, 0), Turn(10, 30, 1), Turn(30, 35, 2)]
    again = [Turn(1, 9, 1), Turn(11, 29, 0), Turn(40, 45, 2)]
    assert [turn.speaker for turn in renumbered(again, before)] == [0, 1, 2]
    assert renumbered(again, []) == again
    only = renumbered([Turn(30, 36, 0)], before)
    assert only[0].speaker == 2, "the others were not heard this time"


def test_names_that_people_gave_are_those_of_the_voices():
    heard = with_speakers(transcript("hello", "there"), [Turn(0, 5, 0)])
    edits = changed(heard, Edits(), [], {"Speaker 1": "Ana"})
    assert corrected(heard, edits).segments[0].speaker == "Ana"
    moved = changed(heard, edits, [Edit(0, 0.9, text="hullo there")], {})
    assert corrected(heard, moved).segments[0].text == "hullo there"


def test_they_are_read_back_as_they_were_kept():
    kept = Speakers("sortformer", (Turn(0.5, 2.0, 0), Turn(1.0, 3.0, 1)))
    assert Speakers.from_dict(kept.as_dict()) == kept and kept.count == 2
