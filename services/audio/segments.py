"""Builds a transcript's segments from its words."""

from __future__ import annotations

from collections.abc import Iterable
from statistics import fmean

from services.audio.transcript import Segment, Word

PAUSE = 0.8
"""Silence between two words, in seconds, that ends a segment."""

LONGEST = 15.0
"""Seconds after which a segment ends at the next word."""

_ENDS = (".", "?", "!", "…", "。", "？", "！")
_CLOSING = "\"'”’»)]"


def segments_from_words(words: Iterable[Word]) -> list[Segment]:
    """Group words, in order of time, into segments that end with sentences or at pauses."""
    groups: list[list[Word]] = []
    for word in words:
        if groups and not _ends(groups[-1], word):
            groups[-1].append(word)
        else:
            groups.append([word])
    return [_segment(group) for group in groups]


def _ends(group: list[Word], following: Word) -> bool:
    last = group[-1]
    return (
        last.text.rstrip(_CLOSING).endswith(_ENDS)
        or following.start - last.end > PAUSE
        or following.end - group[0].start > LONGEST
    )


def _segment(words: list[Word]) -> Segment:
    known = [word.confidence for word in words if word.confidence is not None]
    return Segment(
        start=words[0].start,
        end=words[-1].end,
        text=" ".join(word.text for word in words),
        confidence=round(fmean(known), 4) if known else None,
    )


def in_order(words: Iterable[Word], duration: float) -> list[Word]:
    """Return `words` with times that never run backwards nor past `duration` seconds."""
    ordered: list[Word] = []
    now = 0.0
    for word in sorted(words, key=lambda word: word.start):
        start = min(max(word.start, now), duration)
        end = min(max(word.end, start), duration)
        ordered.append(Word(round(start, 3), round(end, 3), word.text, word.confidence))
        now = start
    return ordered
