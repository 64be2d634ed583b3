"""Writes a transcript as text, subtitles, tables, documents or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, fields

from services.audio.cues import Cue, cues
from services.audio.segments import joined
from services.audio.transcript import Segment, Transcript
from services.audio.words import plain
from services.cells import as_text
from services.docx import Docx

PARAGRAPH_PAUSE = 2.0
"""Silence, in seconds, after which a new paragraph begins."""

PARAGRAPH_LENGTH = 700
"""Characters after which a paragraph ends with the segment, although nobody paused."""


@dataclass(frozen=True, kw_only=True)
class Style:
    """What an export shows beside the words; JSON always holds everything."""

    times: bool = False
    """The time at which a paragraph or line begins."""
    speakers: bool = True
    """Who speaks, where that is known."""
    summary: bool = True
    """What it is about, before the text, where the library knows."""
    paragraphs: bool = True
    """Segments joined to paragraphs; otherwise each has a line of its own."""

    @classmethod
    def showing(cls, names: Collection[str]) -> Style:
        """Return the style that shows what is named, and nothing else.

        Raises:
            ValueError: a name is unknown.
        """
        known = [field.name for field in fields(cls)]
        if unknown := [name for name in names if name not in known]:
            raise ValueError(f"“{', '.join(unknown)}” is unknown. Known are {', '.join(known)}.")
        return cls(**{name: name in names for name in known})


@dataclass(frozen=True)
class Paragraph:
    """A stretch of text by one speaker; `start` in seconds, `speaker` None where not shown."""

    start: float
    speaker: str | None
    text: str


def to_txt(transcript: Transcript, title: str, style: Style) -> str:
    """Return the text alone, a paragraph wherever somebody paused for long."""
    made = (
        (f"[{clock(p.start)}] " if style.times else "")
        + (f"{p.speaker}: " if p.speaker else "")
        + p.text
        for p in paragraphs(transcript, style)
    )
    gap = "\n\n" if style.paragraphs else "\n"
    return gap.join([*made, *_doubts(transcript, style)]) + "\n"


def to_markdown(transcript: Transcript, title: str, style: Style) -> str:
    """Return the text under its title. https://spec.commonmark.org/"""
    lines = [f"# {_markdown(plain(title))}", "", f"*{_markdown(_origin(transcript))}*", ""]
    for heading, text in _about(transcript, style):
        lines += [f"**{heading}:** {_markdown(text)}", ""]
    for p in paragraphs(transcript, style):
        time = clock(p.start) if style.times else ""
        lead = " · ".join(part for part in (time, _markdown(p.speaker or "")) if part)
        lines += [f"**{lead}** {_markdown(p.text)}" if lead else _markdown(p.text), ""]
    for doubt in _doubts(transcript, style):
        lines += [f"*{_markdown(doubt)}*", ""]
    return "\n".join(lines)


def to_docx(transcript: Transcript, title: str, style: Style) -> bytes:
    """Return a document for word processors."""
    made = Docx(plain(title))
    made.paragraph(_origin(transcript), italic=True)
    for heading, text in _about(transcript, style):
        made.paragraph(text, lead=f"{heading}:")
    for p in paragraphs(transcript, style):
        time = clock(p.start) if style.times else ""
        made.paragraph(p.text, lead=" · ".join(part for part in (time, p.speaker) if part))
    for doubt in _doubts(transcript, style):
        made.paragraph(doubt)
    return made.as_bytes()


def to_srt(transcript: Transcript, title: str, style: Style) -> str:
    """Return SubRip subtitles."""
    return "\n".join(
        f"{number}\n{_stamp(cue.start, ',')} --> {_stamp(cue.end, ',')}\n{_srt(cue)}\n"
        for number, cue in enumerate(cues(transcript, style.speakers), start=1)
    )


def to_vtt(transcript: Transcript, title: str, style: Style) -> str:
    """Return WebVTT subtitles. https://www.w3.org/TR/webvtt1/"""
    made = [
        f"{_stamp(cue.start, '.')} --> {_stamp(cue.end, '.')}\n{_vtt(cue, style)}\n"
        for cue in cues(transcript)
    ]
    return "\n".join(["WEBVTT\n", *made])


def to_csv(transcript: Transcript, title: str, style: Style) -> str:
    """Return a table with a row per segment, which spreadsheets open as it is meant.

    A cell that would be a formula begins with an apostrophe.
    """
    out = io.StringIO()
    out.write("\ufeff")  # Excel takes a file without it for one in the system's old encoding
    writer = csv.writer(out)
    writer.writerow(["start", "end", "speaker", "text", "confidence"])
    for s in transcript.segments:
        speaker = as_text(plain(s.speaker or "")) if style.speakers else ""
        writer.writerow([s.start, s.end, speaker, as_text(plain(s.text)), s.confidence])
    return out.getvalue()


def to_json(transcript: Transcript, title: str, style: Style) -> str:
    """Return everything, as other programs read it."""
    return json.dumps(transcript.as_dict(), ensure_ascii=False, indent=2)


FORMATS: dict[str, Callable[[Transcript, str, Style], str | bytes]] = {
    "txt": to_txt,
    "md": to_markdown,
    "docx": to_docx,
    "srt": to_srt,
    "vtt": to_vtt,
    "csv": to_csv,
    "json": to_json,
}


def clock(seconds: float) -> str:
    """Return a time as people read it: 1:05, or 1:00:05 from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def paragraphs(transcript: Transcript, style: Style) -> Iterator[Paragraph]:
    """Yield the text in paragraphs or segment by segment, as `style` says."""
    held: list[Segment] = []
    size = 0
    for segment in transcript.segments:
        new = held and (
            not style.paragraphs
            or segment.start - held[-1].end > PARAGRAPH_PAUSE
            or (style.speakers and segment.speaker != held[-1].speaker)
            or size > PARAGRAPH_LENGTH
        )
        if new:
            yield _paragraph(held, style)
            held, size = [], 0
        held.append(segment)
        size += len(segment.text)
    if held:
        yield _paragraph(held, style)


def _paragraph(segments: list[Segment], style: Style) -> Paragraph:
    speaker = plain(segments[0].speaker or "") if style.speakers else ""
    text = joined(plain(segment.text) for segment in segments)
    return Paragraph(segments[0].start, speaker or None, text)


def _about(transcript: Transcript, style: Style) -> list[tuple[str, str]]:
    about = transcript.about if style.summary else None
    return [(heading, plain(text)) for heading, text in about.lines()] if about else []


def _doubts(transcript: Transcript, style: Style) -> list[str]:
    """Return where to listen again; it means nothing without times."""
    return [
        f"Listen again from {clock(found.start)} to {clock(found.end)}: "
        f"the model wrote “{plain(found.phrase)}” {found.times} times in a row."
        for found in (transcript.repetitions if style.times else [])
    ]


def _origin(transcript: Transcript) -> str:
    return f"{clock(transcript.duration)} · {transcript.engine}, {transcript.model}"


def _stamp(thousandths: int, point: str) -> str:
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


_SRT_MARKUP = re.compile(r"<(?=[A-Za-z/!])|{(?=\\)")


def _srt(cue: Cue) -> str:
    # SubRip has no way to write its tags as text. An invisible mark that joins words, after
    # what begins a tag, keeps players from taking it for one.
    return "\n".join(_SRT_MARKUP.sub(lambda found: found[0] + "\u2060", line) for line in cue.lines)


def _vtt(cue: Cue, style: Style) -> str:
    text = "\n".join(_vtt_text(line) for line in cue.lines)
    if style.speakers and cue.speaker:
        return f"<v {_vtt_text(plain(cue.speaker))}>{text}"
    return text


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _markdown(text: str) -> str:
    escaped = "".join("\\" + c if c in "\\`*_{}[]<>#|&~!" else c for c in text)
    # What would be a list or a line under a heading at the beginning of a paragraph.
    escaped = re.sub(r"^([-+=]|\d+[.)])", lambda m: m[0][:-1] + "\\" + m[0][-1], escaped)
    return escaped
