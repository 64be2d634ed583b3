import csv
import io
import json
import re
from dataclasses import replace

import pytest
from docx import Document
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from services.audio.exports import FORMATS, Style, clock, to_json, to_markdown, to_srt, to_txt
from services.audio.exports import to_csv as write_csv
from services.audio.exports import to_docx as write_docx
from services.audio.exports import to_vtt as write_vtt
from services.audio.segments import joined
from services.audio.transcript import Repetition, Segment, Transcript, Word
from services.audio.words import plain
from services.cli.main import SHOWN

STYLE = Style()
BARE = Style(times=False, speakers=False)
LINES = Style(times=True, paragraphs=False)
HOSTILE = "*not* [a](link) <b> &amp; =1+1 | # \\ `x` שלום"


def test_a_style_shows_what_is_named_and_nothing_else():
    assert Style.showing(["times", "summary"]) == Style(
        times=True, speakers=False, summary=True, paragraphs=False
    )
    with pytest.raises(ValueError, match=r"“colour” is unknown\. Known are times, speakers"):
        Style.showing(["times", "colour"])


def test_the_command_line_shows_what_is_shown_everywhere():
    assert Style.showing(SHOWN.split(",")) == Style()


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


HELLO = transcript(Segment(1.5, 2.75, "Hello there."), Segment(3661.007, 3662.0, "A < B & C --> D"))
TALK = transcript(
    Segment(0, 1, "One.", "Ana"),
    Segment(2, 3, "Two.", "Ana"),
    Segment(3, 4, "Three.", "Ben"),
    Segment(65.5, 66, "Four.", "Ben"),
)
texts = st.text(st.characters(codec="utf-8"), max_size=80)


def test_srt():
    assert to_srt(HELLO, "a.wav", STYLE) == (
        "1\n00:00:01,500 --> 00:00:02,750\nHello there.\n\n"
        "2\n01:01:01,007 --> 01:01:02,000\nA < B & C --> D\n"
    )


def test_vtt_escapes_what_would_be_markup():
    assert write_vtt(HELLO, "a.wav", STYLE) == (
        "WEBVTT\n\n00:00:01.500 --> 00:00:02.750\nHello there.\n\n"
        "01:01:01.007 --> 01:01:02.000\nA &lt; B &amp; C --&gt; D\n"
    )


def test_txt_has_a_paragraph_for_every_long_pause_and_speaker():
    assert to_txt(TALK, "a.wav", STYLE) == "Ana: One. Two.\n\nBen: Three.\n\nBen: Four.\n"
    assert to_txt(TALK, "a.wav", BARE) == "One. Two. Three.\n\nFour.\n"
    assert to_txt(TALK, "a.wav", LINES).splitlines() == [
        "[0:00] Ana: One.",
        "[0:02] Ana: Two.",
        "[0:03] Ben: Three.",
        "[1:05] Ben: Four.",
    ]


def test_a_paragraph_ends_at_last():
    segments = [Segment(i, i + 1, "A sentence of some length.") for i in range(100)]
    written = to_txt(transcript(*segments), "x", STYLE)
    assert 2 < written.count("\n\n") < 6


def test_markdown_shows_what_the_style_says():
    made = to_markdown(TALK, "my_talk#1.wav", LINES)
    assert made.startswith("# my\\_talk\\#1.wav\n\n*1:06:40 · NeMo 3.0.0, tiny\\_en*\n")
    assert "\n**1:05 · Ben** Four.\n" in made
    assert "\nOne. Two. Three.\n" in to_markdown(TALK, "x", BARE)


@given(texts)
@example("、\r㐀")  # a script without spaces
@pytest.mark.parametrize("lead", ["", "- ", "1. ", "=== ", "# ", "    ", "> ", "~~~"])
def test_markdown_shows_any_text_as_it_is(lead, text):
    made = to_markdown(transcript(Segment(0, 1, lead + text)), "a.wav", BARE)
    tokens = [t for t in MarkdownIt().parse(made) if t.type == "inline"][2:]
    shown = "".join(part.content for token in tokens for part in token.children or [])
    assert shown == joined([plain(lead + text)])
    assert {part.type for token in tokens for part in token.children or []} <= {
        "text",
        "text_special",
    }


@given(texts, texts)
def test_docx_holds_any_text(title, text):
    made = transcript(Segment(65, 70, text + "end", "Ana"))
    document = Document(io.BytesIO(write_docx(made, title, LINES)))
    heading, origin, body = document.paragraphs
    assert heading.text == plain(title) and "NeMo 3.0.0" in origin.text
    assert body.text == f"1:05 · Ana  {plain(text + 'end')}"


def test_where_to_listen_again_stands_at_the_end_where_times_are_shown():
    made = replace(TALK, repetitions=[Repetition(65.5, 70, "*so*", 12)])
    said = "Listen again from 1:05 to 1:10: the model wrote “*so*” 12 times in a row."
    assert to_txt(made, "x", LINES).endswith(f"\n{said}\n")
    assert to_markdown(made, "x", LINES).endswith(f"\n*{said.replace('*', chr(92) + '*')}*\n")
    *_, last = Document(io.BytesIO(write_docx(made, "x", LINES))).paragraphs
    assert last.text == said
    assert to_txt(made, "x", STYLE) == to_txt(TALK, "x", STYLE)
    assert Transcript.from_dict(json.loads(to_json(made, "x", STYLE))) == made
    assert "repetitions" not in json.loads(to_json(TALK, "x", STYLE))


def test_docx_sets_the_direction_of_the_text():
    made = write_docx(transcript(Segment(0, 1, "שלום"), Segment(4, 5, "hello")), "a", BARE)
    *_, right, left = Document(io.BytesIO(made)).paragraphs
    assert right._p.xpath("w:pPr/w:bidi") and right.runs[0].font.rtl
    assert not left._p.xpath("w:pPr/w:bidi")


@given(texts)
@example("-0")
@example("=1+1")
def test_csv_reads_back_and_starts_no_formula(text):
    made = transcript(Segment(1.25, 2, text, "=Ana()", 0.5))
    written = write_csv(made, "x", STYLE)
    assert written.startswith("\ufeffstart,end,speaker,text,confidence\r\n")
    _, row = csv.reader(io.StringIO(written.removeprefix("\ufeff")))
    assert row[:3] == ["1.25", "2", "'=Ana()"] and row[4] == "0.5"
    assert row[3].removeprefix("'") == plain(text).removeprefix("'")
    is_number = re.fullmatch(r"[+-][\d.,\s]+%?", row[3])
    assert not row[3] or row[3][0] not in "=+-@＝＋－＠\t\r" or is_number


@pytest.mark.parametrize("start", ["=1+1", "+1+2", "-1-2", "@SUM(A1)", "\t=1", "＝1"])
def test_a_formula_in_a_text_is_text(start):
    written = write_csv(transcript(Segment(0, 1, start)), "x", STYLE)
    assert f"'{start.strip()}" in written


def test_json_holds_everything_and_reads_back():
    made = transcript(Segment(0, 1.5, "Grüße 🎙", "A", 0.9), words=[Word(0, 1.5, "Grüße 🎙", None)])
    assert Transcript.from_dict(json.loads(to_json(made, "x", STYLE))) == made


def test_json_has_the_names_that_other_programs_read():
    made = transcript(Segment(0, 1, "a"), words=[Word(0, 1, "a")]).as_dict()
    names = "kind text duration language engine model segments words notes"
    assert set(made) == set(names.split()) and made["kind"] == "transcript"
    assert set(made["segments"][0]) == {"start", "end", "text", "speaker", "confidence"}
    assert set(made["words"][0]) == {"start", "end", "text", "confidence"}


def test_an_empty_transcript_can_be_written_in_every_format():
    empty = transcript()
    written = {name: write(empty, "a.wav", STYLE) for name, write in FORMATS.items()}
    assert written["srt"] == "" and written["vtt"] == "WEBVTT\n"
    assert len(Document(io.BytesIO(written["docx"])).paragraphs) == 2
    assert written["txt"].strip() == "" and json.loads(written["json"])["segments"] == []


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0, "0:00"), (65.9, "1:05"), (3605, "1:00:05"), (360_000, "100:00:00")]
)
def test_clock(seconds, shown):
    assert clock(seconds) == shown
