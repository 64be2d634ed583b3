"""Writes a transcript as text, subtitles, Markdown or JSON."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Callable

from services.audio.transcript import Segment, Transcript

LINE = 42
"""Characters in a line of subtitles, as broadcasters recommend; a cue holds two lines."""

_PARAGRAPH_PAUSE = 2.0


def to_txt(transcript: Transcript, title: str) -> str:
    """Return the text alone, a paragraph wherever somebody paused for long."""
    return "\n\n".join(_paragraphs(transcript)) + "\n"


def to_markdown(transcript: Transcript, title: str) -> str:
    """Return the text with its title and times."""
    lines = [
        f"# {_escape(title)}",
        "",
        f"*{clock(transcript.duration)} · {transcript.engine}, {_escape(transcript.model)}*",
        "",
    ]
    for segment in transcript.segments:
        lines += [f"**{clock(segment.start)}** {_escape(segment.text)}", ""]
    return "\n".join(lines)


def to_srt(transcript: Transcript, title: str) -> str:
    """Return SubRip subtitles."""
    return "\n".join(
        f"{number}\n{_stamp(start, ',')} --> {_stamp(end, ',')}\n{text}\n"
        for number, (start, end, text) in enumerate(_cues(transcript.segments), start=1)
    )


def to_vtt(transcript: Transcript, title: str) -> str:
    """Return WebVTT subtitles. https://www.w3.org/TR/webvtt1/"""
    cues = [
        f"{_stamp(start, '.')} --> {_stamp(end, '.')}\n"
        + text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        + "\n"
        for start, end, text in _cues(transcript.segments)
    ]
    return "\n".join(["WEBVTT\n", *cues])


def to_json(transcript: Transcript, title: str) -> str:
    """Return everything, as other programs read it."""
    return json.dumps(transcript.as_dict(), ensure_ascii=False, indent=2)


FORMATS: dict[str, Callable[[Transcript, str], str]] = {
    "txt": to_txt,
    "srt": to_srt,
    "vtt": to_vtt,
    "json": to_json,
    "md": to_markdown,
}


def clock(seconds: float) -> str:
    """Return a time as people read it: 1:05, or 1:00:05 from an hour on."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _paragraphs(transcript: Transcript) -> list[str]:
    paragraphs: list[list[str]] = []
    last_end = 0.0
    for segment in transcript.segments:
        if not paragraphs or segment.start - last_end > _PARAGRAPH_PAUSE:
            paragraphs.append([])
        paragraphs[-1].append(segment.text)
        last_end = segment.end
    return [" ".join(texts) for texts in paragraphs]


def _cues(segments: list[Segment]) -> list[tuple[float, float, str]]:
    """Split segments into cues of two lines, sharing the time by the length of the text."""
    cues = []
    for segment in segments:
        lines = textwrap.wrap(segment.text, LINE) or [""]
        parts = ["\n".join(lines[i : i + 2]) for i in range(0, len(lines), 2)]
        total = sum(map(len, parts)) or 1
        start = segment.start
        for part in parts:
            end = start + (segment.end - segment.start) * len(part) / total
            # A cue of no duration is not shown, and WebVTT forbids it. 1.5 ms is at least one
            # thousandth however both ends are rounded.
            cues.append((start, max(end, start + 0.0015), part))
            start = end
    return cues


def _stamp(seconds: float, point: str) -> str:
    thousandths = round(seconds * 1000)
    hours, rest = divmod(thousandths, 3_600_000)
    minutes, rest = divmod(rest, 60_000)
    return f"{hours:02}:{minutes:02}:{rest // 1000:02}{point}{rest % 1000:03}"


def _escape(text: str) -> str:
    return "".join("\\" + c if c in "\\`*_{}[]<>#|" else c for c in text)
