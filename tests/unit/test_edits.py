from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.audio.edits import Edit, Edits, changed, corrected, passages
from services.audio.segments import in_order, segments_from_words, words_of
from services.audio.transcript import Segment, Transcript, Word


def transcript(text: str, step: float = 0.5, speaker: str | None = None) -> Transcript:
    words = [
        Word(round(i * step, 3), round(i * step + 0.4, 3), word, 0.5)
        for i, word in enumerate(text.split())
    ]
    segments = [replace(s, speaker=speaker) for s in segments_from_words(words)]
    duration = len(words) * step + 1
    return Transcript(text, duration, "en", "e", "m", segments, words)


HEARD = transcript("The cat sat. The dog ran away. It rained.", speaker="S1")
FIRST, SECOND, THIRD = HEARD.segments


def edit(segment: Segment, text: str | None = None, speaker: str | None = None) -> Edit:
    return Edit(segment.start, segment.end, text, speaker)


def edited(*edits: Edit, names: dict[str, str | None] | None = None) -> Edits:
    return changed(HEARD, Edits(), edits, names or {})


def texts(made: Transcript) -> list[str]:
    return [segment.text for segment in made.segments]


def test_without_edits_a_transcript_is_the_machines():
    assert corrected(HEARD, Edits()) is HEARD
    assert [p.text for p in passages(HEARD, Edits())] == texts(HEARD)


def test_a_corrected_text_keeps_the_times_of_the_words_that_were_heard():
    made = corrected(HEARD, edited(edit(SECOND, "The dog and cat ran.")))
    assert texts(made) == ["The cat sat.", "The dog and cat ran.", "It rained."]
    assert made.text == "The cat sat. The dog and cat ran. It rained."
    words = words_of(made.segments, made.words)[1]
    heard = words_of(HEARD.segments, HEARD.words)[1]
    assert words[:2] == heard[:2] and words[4].start == heard[2].start
    assert words[2].confidence is None and words[4].confidence == 0.5
    assert heard[1].end <= words[2].start <= words[3].end <= heard[2].start


def test_json_keeps_both():
    values = corrected(HEARD, edited(edit(FIRST, "The hat sat."))).as_dict()
    assert values["segments"][0]["text"] == "The hat sat."
    assert values["machine"]["segments"][0]["text"] == "The cat sat."
    assert values["machine"]["words"] == HEARD.as_dict()["words"]
    assert values["edits"]["version"] == 1
    assert values["edits"]["segments"][0]["was"] == "The cat sat."
    assert Transcript.from_dict(values).segments[0].text == "The hat sat."
    assert "machine" not in HEARD.as_dict()


def test_speakers_are_renamed_and_changed():
    made = corrected(HEARD, edited(edit(SECOND, speaker="S2"), names={"S1": " Ana\n", "S2": ""}))
    assert [s.speaker for s in made.segments] == ["Ana", "S2", "Ana"]
    assert made.segments[1].text == SECOND.text, "the text is still the machine's"


def test_an_edit_is_taken_back():
    edits = edited(edit(FIRST, "Other."), names={"S1": "Ana"})
    again = changed(HEARD, edits, [edit(FIRST)], {"S1": None})
    assert again == Edits(version=2)
    same = changed(HEARD, edits, [edit(FIRST, "  The   cat\tsat. ")], {})
    assert same.segments == (), "the text that the machine heard is no edit"


def test_an_emptied_passage_is_left_out_and_can_come_back():
    edits = edited(edit(SECOND, " "))
    made = corrected(HEARD, edits)
    assert texts(made) == ["The cat sat.", "It rained."] and len(made.words) == 5
    assert [p.text for p in passages(HEARD, edits)] == ["The cat sat.", "", "It rained."]
    assert corrected(HEARD, changed(HEARD, edits, [edit(SECOND)], {})) is HEARD


def test_edits_survive_another_transcription_with_other_segments():
    edits = edited(edit(SECOND, "The dog ran off.", "S2"))
    (new,) = [transcript("the cat sat the frog ran today it rained")]
    found = passages(new, edits)
    assert [p.text for p in found] == ["the cat sat", "The dog ran off.", "it rained"]
    before, kept, after = found
    assert kept.outdated and kept.heard == "the frog ran today" and kept.speaker == "S2"
    assert kept.edit is not None and kept.edit.was == "The dog ran away."
    assert not before.outdated and not after.outdated
    assert not any(p.outdated for p in passages(HEARD, edits))
    # The person agrees with one or the other, and the difference is settled.
    mine = changed(new, edits, [Edit(kept.start, kept.end, kept.text, "S2")], {})
    assert not any(p.outdated for p in passages(new, mine))
    theirs = changed(new, edits, [Edit(kept.start, kept.end)], {})
    assert [p.text for p in passages(new, theirs)] == texts(new)


def test_an_edit_stays_where_nothing_is_heard_any_more():
    edits = edited(edit(THIRD, "It snowed."))
    silent = Transcript("", HEARD.duration, "en", "e", "m")
    (kept,) = passages(silent, edits)
    assert (kept.text, kept.heard, kept.outdated) == ("It snowed.", "", True)
    assert texts(corrected(silent, edits)) == ["It snowed."]


def test_a_model_without_word_times_can_be_corrected():
    untimed = replace(HEARD, words=[])
    made = corrected(untimed, edited(edit(FIRST, "The hat sat.")))
    assert texts(made) == ["The hat sat.", *texts(HEARD)[1:]]
    moved = Edits(1, (Edit(SECOND.start - 0.2, SECOND.end, "Moved.", None, "x"),))
    assert [p.text for p in passages(untimed, moved)] == ["The cat sat.", "Moved.", "It rained."]


any_text = st.text(st.sampled_from("aB. \u05e9语\n"), max_size=12)
any_words = st.lists(
    st.builds(
        Word,
        st.floats(0, 50),
        st.floats(0, 50),
        st.text("ab.B", min_size=1, max_size=3),
        st.just(0.5),
    ),
    max_size=25,
)
any_edits = st.lists(
    st.tuples(st.floats(0, 50), st.floats(0, 5), st.none() | any_text, st.none() | any_text),
    max_size=6,
).map(lambda some: [Edit(a, a + b, text, speaker) for a, b, text, speaker in some])


@given(any_words, any_words, any_edits)
def test_whatever_is_edited_no_word_of_the_machine_is_lost_and_times_stay_in_order(
    first, second, some
):
    made = []
    for words in (first, second):
        ordered = in_order(words, 60)
        made.append(Transcript("", 60, "en", "e", "m", segments_from_words(ordered), ordered))
    edits = changed(made[0], Edits(), some, {})
    for heard in made:
        found = passages(heard, edits)
        kept = [word for p in found if p.edit is None for word in p.words]
        replaced = sum(len(p.heard.split()) for p in found if p.edit)
        assert len(kept) + replaced == len(heard.words)
        assert all(a.start <= b.start for a, b in pairwise(found))
        result = corrected(heard, edits)
        assert all(a.end <= b.start for a, b in pairwise(result.words))
        assert all(0 <= w.start <= w.end <= 60 for w in result.words)
        assert Edits.from_dict(edits.as_dict()) == replace(edits, segments=tuple(edits.segments))
