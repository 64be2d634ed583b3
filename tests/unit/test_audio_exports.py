import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.audio.exports import FORMATS, clock, to_json, to_markdown, to_srt, to_txt, to_vtt
from services.audio.transcript import Segment, Transcript, Word

STAMP = r"(\d{2,}):([0-5]\d):([0-5]\d)[,.](\d{3})"


def transcript(*segments: Segment, words: list[Word] | None = None) -> Transcript:
    return Transcript(
        " ".join(segment.text for segment in segments),
        duration=4000.0,
        language="en",
        engine="NeMo 3.0.0",
        model="tiny_en",
        segments=list(segments),
        words=words or [],
        notes=["2 damaged places in the file were skipped."],
    )


def cues(text: str) -> list[tuple[int, int]]:
    """Return (start, end) of each cue in thousandths of a second."""
    found = []
    for line in re.findall(rf"^{STAMP} --> {STAMP}$", text, re.M):
        h, m, s, t, *end = map(int, line)
        first = ((h * 60 + m) * 60 + s) * 1000 + t
        h, m, s, t = end
        found.append((first, ((h * 60 + m) * 60 + s) * 1000 + t))
    return found


HELLO = transcript(Segment(1.5, 2.75, "Hello there."), Segment(3661.007, 3662.0, "A < B & C --> D"))

spoken = st.lists(
    st.tuples(
        st.floats(0, 400_000),
        st.floats(0, 30),
        st.text(st.characters(exclude_categories=["C"]), max_size=200),
    ).map(lambda t: Segment(t[0], t[0] + t[1], t[2])),
    max_size=5,
)


def test_srt():
    assert to_srt(HELLO, "a.wav") == (
        "1\n00:00:01,500 --> 00:00:02,750\nHello there.\n\n"
        "2\n01:01:01,007 --> 01:01:02,000\nA < B & C --> D\n"
    )


def test_vtt_escapes_what_would_be_markup():
    assert to_vtt(HELLO, "a.wav") == (
        "WEBVTT\n\n00:00:01.500 --> 00:00:02.750\nHello there.\n\n"
        "01:01:01.007 --> 01:01:02.000\nA &lt; B &amp; C --&gt; D\n"
    )


def test_txt_has_a_paragraph_for_every_long_pause():
    made = transcript(Segment(0, 1, "One."), Segment(2, 3, "Two."), Segment(5.5, 6, "Three."))
    assert to_txt(made, "a.wav") == "One. Two.\n\nThree.\n"


def test_markdown_escapes_names_and_text():
    made = to_markdown(transcript(Segment(65, 70, "*not* [a](link) <b>")), "my_talk#1.wav")
    assert made.startswith("# my\\_talk\\#1.wav\n\n*1:06:40 · NeMo 3.0.0, tiny\\_en*\n")
    assert "**1:05** \\*not\\* \\[a\\](link) \\<b\\>" in made


def test_json_holds_everything_and_reads_back():
    made = transcript(Segment(0, 1.5, "Grüße 🎙", "A", 0.9), words=[Word(0, 1.5, "Grüße 🎙", None)])
    assert Transcript.from_dict(json.loads(to_json(made, "x"))) == made


def test_json_has_the_names_that_other_programs_read():
    made = transcript(Segment(0, 1, "a"), words=[Word(0, 1, "a")]).as_dict()
    names = "kind text duration language engine model segments words notes"
    assert set(made) == set(names.split()) and made["kind"] == "transcript"
    assert set(made["segments"][0]) == {"start", "end", "text", "speaker", "confidence"}
    assert set(made["words"][0]) == {"start", "end", "text", "confidence"}


@given(spoken)
def test_every_cue_has_a_positive_duration_and_at_most_two_lines(segments):
    made = transcript(*segments)
    for text in (to_srt(made, "x"), to_vtt(made, "x")):
        found = cues(text)
        assert len(found) >= len(segments)
        assert all(start < end for start, end in found)
        blocks = text.split(" --> ")[1:]
        assert len(blocks) >= len(found)
    assert all(len(line) <= 42 for line in to_srt(made, "x").splitlines() if "-->" not in line)


@pytest.mark.parametrize("start", [0.0015, 0.0025, 1.0005, 2.0035])
def test_a_word_without_a_duration_is_still_shown(start):
    ((first, last),) = cues(to_vtt(transcript(Segment(start, start, "ah")), "x"))
    assert first < last


def test_a_long_sentence_becomes_cues_that_share_its_time():
    made = transcript(Segment(10, 20, "somebody talks and talks " * 12))
    found = cues(to_srt(made, "x"))
    assert (
        len(found) >= 3 and found[0][0] == 10_000 and found[-1][1] == pytest.approx(20_000, abs=2)
    )
    assert all(a[1] == b[0] for a, b in itertools.pairwise(found))


def test_an_empty_transcript_can_be_written_in_every_format():
    empty = transcript()
    written = {name: write(empty, "a.wav") for name, write in FORMATS.items()}
    assert written["srt"] == "" and written["vtt"] == "WEBVTT\n"
    assert written["txt"].strip() == "" and json.loads(written["json"])["segments"] == []


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (65.9, "1:05"), (3605, "1:00:05"), (360_000, "100:00:00")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown
