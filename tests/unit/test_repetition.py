from types import SimpleNamespace
from typing import Any

import pytest

from services.audio.engines import Hypothesis
from services.audio.repetition import note, repetitions
from services.audio.transcript import Word
from services.jobs.recording import Heard, assemble


def words(text: str) -> list[Word]:
    return [Word(float(n), n + 0.5, word) for n, word in enumerate(text.split())]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "one",
        "no no no no I said no",
        "bye bye bye bye bye bye bye",
        "thank you thank you thank you thank you all",
        "seven seven seven one two seven seven seven",
        "to be or not to be to be or not to be to be or not to be",
    ],
)
def test_what_people_say_is_not_marked(text):
    assert repetitions(words(text)) == []


def test_a_phrase_again_and_again_is_marked_with_its_place():
    text = "Hello all. " + "Thanks for watching! " * 6 + "Bye."
    (found,) = repetitions(words(text))
    assert (found.start, found.end) == (2.0, 19.5)
    assert (found.phrase, found.times) == ("Thanks for watching!", 6)


def test_one_word_and_marks_and_case_between():
    (found,) = repetitions(words("You, you. " * 6))
    assert (found.phrase, found.times) == ("You,", 12)


def test_two_places_are_two_marks_in_order():
    text = "a b c " * 5 + "in between there is something else " + "x y " * 6
    assert [found.phrase for found in repetitions(words(text))] == ["a b c", "x y"]


def test_a_transcript_keeps_its_repetitions_as_data_and_as_notes():
    heard = words("so it is " + "seven " * 12)
    recording: Any = SimpleNamespace(
        decoder=SimpleNamespace(seconds=20.0, notes=[], misplaced=False, track=1),
        heard=[Heard(3.0, 17.0, Hypothesis("", heard))],
    )
    made = assemble(recording, SimpleNamespace(name="e", model="m"), [])
    (found,) = made.repetitions
    assert (found.start, found.end, found.phrase, found.times) == (6.0, 17.5, "seven", 12)
    assert made.notes == [note(found)]
    assert sum(found.start <= w.start and w.end <= found.end for w in made.words) == 12
