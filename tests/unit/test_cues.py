"""Subtitles: what they promise to a reader, and that other programs' parsers read each file."""

from __future__ import annotations

import html
import re
from itertools import pairwise

import pysubs2
import pytest
import srt
import webvtt
from hypothesis import given
from hypothesis import strategies as st

from services.audio.cues import GAP, LINE, LONGEST, SHORTEST, SPEED, cues, width
from services.audio.exports import Style, to_srt, to_vtt
from services.audio.segments import in_order, segments_from_words
from services.audio.transcript import Segment, Transcript, Word

PLAIN, NAMED = Style(speakers=False), Style()


def transcript(words: list[Word], speakers: list[str | None] = [None]) -> Transcript:  # noqa: B006
    duration = max([word.end for word in words], default=0.0) + 1
    ordered = in_order(words, duration)
    segments = [
        Segment(s.start, s.end, s.text, speakers[i % len(speakers)], s.confidence)
        for i, s in enumerate(segments_from_words(ordered))
    ]
    return Transcript("", duration, "en", "engine", "model", segments, ordered)


def spoken(text: str, step: float = 0.4) -> Transcript:
    return transcript([Word(i * step, i * step + 0.35, t) for i, t in enumerate(text.split())])


def lines(made: Transcript) -> list[list[str]]:
    return [cue.lines for cue in cues(made)]


letters = st.text(
    st.one_of(st.characters(codec="utf-8"), st.sampled_from("aeinrst.,?!<>&{}\\-é语مש👩")),
    min_size=1,
    max_size=60,
)
transcripts = st.builds(
    transcript,
    st.lists(st.tuples(st.floats(0, 3), st.floats(0, 3), letters), max_size=60).map(
        lambda steps: [
            Word(start := sum(s[0] for s in steps[: i + 1]), start + length, text)
            for i, (_, length, text) in enumerate(steps)
        ]
    ),
    st.lists(st.none() | letters, min_size=1, max_size=3),
)


@given(transcripts)
def test_the_rules_of_subtitles(made):
    found = cues(made)
    for cue in found:
        assert 0 <= cue.start < cue.end and cue.end - cue.start <= LONGEST
        assert 1 <= len(cue.lines) <= 2 and all(0 < width(line) <= LINE for line in cue.lines)
    for cue, following in pairwise(found):
        assert cue.end <= following.start
        read = max(SHORTEST, 1000 * width(" ".join(cue.lines)) / SPEED)
        long_enough = cue.end - cue.start >= min(read, LONGEST) - 1
        assert long_enough or following.start - cue.end <= GAP, "short only where there is no room"
    if found:
        assert found[-1].end <= max(round(made.duration * 1000), found[-1].start + 1)
    text = "".join("".join(cue.lines) for cue in found)
    assert squeezed(text) == squeezed("".join(word.text for word in made.words)), "no word is lost"


def squeezed(text: str) -> str:
    """Return the text without spaces and without what no file can hold."""
    return re.sub(r"[\s\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]", "", text)


@given(transcripts)
def test_parsers_of_others_read_every_vtt_file(made):
    text = to_vtt(made, "x", NAMED)
    read = webvtt.from_string(text)
    expected = cues(made)
    assert len(read) == len(expected)
    for theirs, ours in zip(read, expected, strict=True):
        assert round(theirs.start_in_seconds * 1000) == ours.start // 1000 * 1000
        assert theirs.end_time.milliseconds == ours.end % 1000
        assert squeezed(html.unescape(theirs.text)) == squeezed("".join(ours.lines))


@given(transcripts)
def test_parsers_of_others_read_every_srt_file(made):
    text = to_srt(made, "x", PLAIN)
    read = list(srt.parse(text))
    expected = cues(made)
    assert len(read) == len(expected)
    for number, (theirs, ours) in enumerate(zip(read, expected, strict=True), start=1):
        assert theirs.index == number
        assert round(theirs.start.total_seconds() * 1000) == ours.start
        assert round(theirs.end.total_seconds() * 1000) == ours.end
        assert squeezed(theirs.content.replace("\u2060", "")) == squeezed(
            "".join(ours.lines).replace("\u2060", "")
        )


def test_markup_in_speech_is_text_to_players():
    said = "say <b>bold</b> or <i >it< /i> or <script> & done"
    made = spoken(said)
    assert "{\\" not in to_srt(spoken("moved {\\an8} up"), "x", PLAIN)
    (event,) = pysubs2.SSAFile.from_string(to_srt(made, "x", PLAIN), format_="srt")
    assert event.plaintext.replace("\u2060", "").replace("\n", " ") == said
    (cue,) = webvtt.from_string(to_vtt(made, "x", PLAIN))
    assert cue.raw_text.replace("\n", " ") == html.escape(said, quote=False)


def test_a_sentence_is_broken_where_its_parts_end():
    made = spoken(
        "When the committee met on Tuesday, nobody expected that the budget for the new "
        "library, which had been postponed twice, would be accepted."
    )
    upper = [line for pair in lines(made) for line in pair[:1]]
    assert any(line.endswith("Tuesday,") for line in upper)
    assert not any(
        line.split()[-1] in ("the", "on", "for", "a") for pair in lines(made) for line in pair
    )


def test_what_fits_stays_in_one_line():
    assert lines(spoken("This is short enough for a single line.")) == [
        ["This is short enough for a single line."]
    ]


def test_short_sentences_in_a_row_share_a_cue():
    assert lines(spoken("Yes. No. I know.", step=0.36)) == [["Yes. No. I know."]]


def test_a_cue_stays_until_it_is_read():
    words = [Word(1.0, 1.1, "Hello."), Word(30, 30.2, "Good", 0.9), Word(30.2, 30.5, "evening.")]
    first, second = cues(transcript(words))
    assert first.end - first.start == SHORTEST
    assert second.end - second.start == SHORTEST


def test_a_long_word_and_a_long_time_are_cut():
    (cue, *rest) = cues(transcript([Word(0, 60, "x" * 100)]))
    assert cue.end <= LONGEST and [len(line) for c in (cue, *rest) for line in c.lines] == [
        42,
        42,
        16,
    ]


def test_wide_characters_count_twice():
    (cue,) = cues(transcript([Word(i / 5, i / 5 + 0.2, c) for i, c in enumerate("语" * 30)]))
    assert len(cue.lines) == 2 and all(len(line) <= 21 and " " not in line for line in cue.lines)


def test_a_segment_without_word_times_shares_its_time():
    segment = Segment(10, 30, "somebody talks and talks " * 12)
    found = cues(Transcript("", 40, None, "e", "m", [segment], []))
    assert len(found) >= 4 and found[0].start == 10_000 and 29_000 < found[-1].end <= 31_000


@pytest.mark.parametrize("name", ["Ana", "A < B & C > D", "שרה"])
def test_who_speaks_is_named(name):
    words = [Word(0, 1, "Hello."), Word(3, 4, "Hi."), Word(6, 7, "Bye.")]
    made = transcript(words, [name, "Ben"])
    assert [cue.raw_text for cue in webvtt.from_string(to_vtt(made, "x", NAMED))][1] == "<v Ben>Hi."
    assert webvtt.from_string(to_vtt(made, "x", PLAIN))[1].raw_text == "Hi."
    assert [one.content for one in srt.parse(to_srt(made, "x", NAMED))] == [
        f"{name}: Hello.",
        "Ben: Hi.",
        f"{name}: Bye.",
    ]
