"""Builds a transcript's segments from its words, and finds each segment's words again."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from statistics import fmean

from services.audio.transcript import Segment, Word

PAUSE = 0.8
"""Silence between two words, in seconds, that ends a segment."""

LONGEST = 15.0
"""Length of a segment, in seconds, past which it is cut at the best place before."""

_ENDS = (".", "?", "!", "…", "。", "？", "！", "؟", "۔", "।")
_CLAUSE = (",", ";", ":", "–", "—", "、", "，", "；", "،")
_CLOSING = "\"'”’»)]"
_OPENING = "\"'“‘„«([¿¡"
_ABBREVIATIONS = re.compile(
    "mr|mrs|ms|dr|prof|st|sr|jr|gen|col|capt|lt|sgt|rev|gov|sen|rep|vs|hr|fr|mme|mlle"
)
"""Words whose full stop ends no sentence, although a name with a capital letter follows."""

_UNSPACED = r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\u3001-\u3003\uff00-\uffef]"
_INNER_SPACE = re.compile(f"(?<={_UNSPACED}) (?={_UNSPACED})")


def segments_from_words(words: Iterable[Word]) -> list[Segment]:
    """Group words, in order of time, into segments that end with sentences or at pauses.

    A sentence of more than 15 s is cut at a pause or a comma.
    """
    return [segment_of(part) for sentence in _sentences(list(words)) for part in _parts(sentence)]


def segment_of(words: Sequence[Word], speaker: str | None = None) -> Segment:
    """Return the segment that these words make; its confidence is the mean of theirs."""
    known = [word.confidence for word in words if word.confidence is not None]
    return Segment(
        start=words[0].start,
        end=max(word.end for word in words),
        text=joined(word.text for word in words),
        speaker=speaker,
        confidence=round(fmean(known), 4) if known else None,
    )


def joined(texts: Iterable[str]) -> str:
    """Join words to text: with spaces, except inside scripts that have none."""
    return _INNER_SPACE.sub("", " ".join(texts))


def _sentences(words: list[Word]) -> list[list[Word]]:
    # A model that writes no capitals cannot say by one that a sentence begins.
    cased = any(word.text.lstrip(_OPENING)[:1].isupper() for word in words)
    groups: list[list[Word]] = []
    for word in words:
        if groups and not _ends(groups[-1][-1], word, cased):
            groups[-1].append(word)
        else:
            groups.append([word])
    return groups


def _ends(last: Word, following: Word, cased: bool) -> bool:
    if following.start - last.end > PAUSE:
        return True
    text = last.text.rstrip(_CLOSING)
    if not text.endswith(_ENDS):
        return False
    if cased and following.text.lstrip(_OPENING)[:1].islower():
        return False
    stem = text.rstrip(".").lstrip(_OPENING).lower()
    initial = len(stem) == 1 and stem.isalpha()
    return not (text.endswith(".") and (initial or _ABBREVIATIONS.fullmatch(stem)))


def _parts(words: list[Word]) -> list[list[Word]]:
    """Cut a sentence until no part is longer than a segment may be."""
    parts = []
    while words[-1].end - words[0].start > LONGEST and len(words) > 1:
        cut = _best_cut(words)
        parts.append(words[:cut])
        words = words[cut:]
    return [*parts, words]


def _best_cut(words: list[Word]) -> int:
    """Return before which word to cut: at the longest pause or a clause's end, not too early."""
    begin, best, cut = words[0].start, -1.0, 1
    for i in range(1, len(words)):
        before, after = words[i - 1], words[i]
        if before.end - begin > LONGEST:
            break
        clause = before.text.rstrip(_CLOSING).endswith(_CLAUSE)
        early = after.start - begin < LONGEST / 3
        # A comma is worth half a second of silence; among equals the later one is taken.
        score = -1.0 if early else after.start - before.end + (0.5 if clause else 0.0)
        if score >= best:
            best, cut = score, i
    return cut


def in_order(words: Iterable[Word], duration: float) -> list[Word]:
    """Return `words` with times that never run backwards, overlap, or pass `duration` seconds."""
    last = round(duration, 3)
    ordered: list[Word] = []
    now = 0.0
    for word in sorted(words, key=lambda word: word.start):
        start = min(max(round(word.start, 3), now), last)
        end = min(max(round(word.end, 3), start), last)
        if ordered and ordered[-1].end > start:
            ordered[-1] = replace(ordered[-1], end=start)
        ordered.append(replace(word, start=start, end=end))
        now = start
    return ordered


def words_of(segments: Iterable[Segment], words: Sequence[Word]) -> list[list[Word]]:
    """Return the words of each segment, in order.

    A segment of a model that gives no times for words has none.
    """
    found = []
    next_word = 0
    for segment in segments:
        rest = _unspaced(segment.text)
        while next_word < len(words) and words[next_word].start < segment.start:
            next_word += 1  # in no segment: a result that another program wrote
        first = next_word
        while next_word < len(words) and rest:
            word = words[next_word]
            inside = segment.start <= word.start and word.end <= segment.end
            if not inside or not rest.startswith(text := _unspaced(word.text)):
                break
            rest = rest.removeprefix(text)
            next_word += 1
        found.append(list(words[first:next_word]))
    return found


def _unspaced(text: str) -> str:
    return "".join(text.split())
