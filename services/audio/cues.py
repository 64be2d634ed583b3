"""Cuts a transcript into cues: pieces of text that are read as subtitles while they are spoken.

The limits are those of Netflix's Timed Text Style Guide (General Requirements, and for line
length and reading speed its English template):
https://partnerhelp.netflixstudios.com/hc/en-us/articles/215758617
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from services.audio.segments import joined, words_of
from services.audio.transcript import Transcript
from services.audio.words import plain, spread

LINE = 42
"""Columns in a line; wide characters, as of Chinese, take two."""

SHORTEST = 833
"""Thousandths of a second that a cue stays at least, if the next one leaves it room: 5/6 s."""

LONGEST = 7000
"""Thousandths of a second that a cue stays at most."""

GAP = 83
"""Thousandths of a second between two cues: two frames of 24 in a second."""

SPEED = 17
"""Columns that are read in a second; a cue stays longer than its speech where there is room."""

_STOPS = (*".?!…。？！؟", *",;:–—、，；،")


@dataclass(frozen=True)
class Cue:
    """One or two lines of text, and when they are shown, in thousandths of a second."""

    start: int
    end: int
    lines: list[str]
    speaker: str | None = None


@dataclass(frozen=True)
class _Token:
    start: int
    end: int
    text: str
    width: int


def cues(transcript: Transcript, name_speakers: bool = False) -> list[Cue]:
    """Return the cues of a transcript, in order; they do not overlap.

    Args:
        name_speakers: Begin what another person says with their name and a colon.
    """
    groups: list[tuple[str | None, list[_Token]]] = []
    speaker = None
    for segment, words in zip(
        transcript.segments, words_of(transcript.segments, transcript.words), strict=True
    ):
        timed = words or spread(plain(segment.text).split(), segment.start, segment.end)
        tokens = [
            _Token(round(word.start * 1000), round(word.end * 1000), part, width(part))
            for word in timed
            for text in plain(word.text).split()
            for part in _pieces(text)
        ]
        if name_speakers and tokens and segment.speaker and segment.speaker != speaker:
            at = tokens[0].start
            name = [part for text in plain(f"{segment.speaker}:").split() for part in _pieces(text)]
            tokens = [*(_Token(at, at, part, width(part)) for part in name), *tokens]
        speaker = segment.speaker
        groups += [(segment.speaker, part) for part in _split(tokens)]
    return _timed(_merged(groups), round(transcript.duration * 1000))


def width(text: str) -> int:
    """Return the columns that a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 1 + (unicodedata.east_asian_width(c) in "WF")
        for c in text
    )


def _pieces(text: str) -> list[str]:
    """Cut what is longer than a line; any other word stays whole."""
    pieces = [""]
    for character in text if width(text) > LINE else [text]:
        if width(pieces[-1] + character) > LINE and pieces[-1]:
            pieces.append("")
        pieces[-1] += character
    return pieces


def _split(tokens: list[_Token]) -> list[list[_Token]]:
    """Cut a segment where the sum of what each cut costs is least (dynamic programming)."""
    if not tokens:
        return []
    if _fits(tokens) and len(_lines(tokens)) == 1:
        return [tokens]
    count = len(tokens)
    # The columns in which tokens begin and, one further on, have ended.
    spaces = [joined([a.text[-1], b.text[0]]).count(" ") for a, b in pairwise(tokens)]
    steps = (t.width + space for t, space in zip(tokens, spaces, strict=False))
    begins = [0, *accumulate(steps)]
    ended = [0, *(begin + t.width for begin, t in zip(begins, tokens, strict=True))]
    costs, cuts = [0.0] + [float("inf")] * count, [0] * (count + 1)
    for first in range(count):
        line = bisect_right(ended, begins[first] + LINE) - 1  # where a second line begins
        for end in range(first + 1, count + 1):
            if end > first + 1 and (
                (end > line and ended[end] - begins[line] > LINE)
                or tokens[end - 1].end - tokens[first].start > LONGEST
            ):
                break
            cost = costs[first] + _cost(tokens, first, end, ended[end] - begins[first])
            if cost < costs[end]:
                costs[end], cuts[end] = cost, first
    parts = []
    end = count
    while end:
        parts.append(tokens[cuts[end] : end])
        end = cuts[end]
    return parts[::-1]


def _fits(tokens: Sequence[_Token]) -> bool:
    return tokens[-1].end - tokens[0].start <= LONGEST and len(_lines(tokens)) <= 2


def _cost(tokens: list[_Token], first: int, end: int, columns: int) -> float:
    cost = 1.0 + 0.5 * (1 - min(columns / (2 * LINE), 1)) ** 2  # few cues, none nearly empty
    if end == len(tokens):
        return cost
    pause = tokens[end].start - tokens[end - 1].end
    cost += _parting(tokens[end - 1].text) * (0.3 if pause > 300 else 1.0)
    room = tokens[end].start - tokens[first].start
    return cost + max(0.0, 1 - room / max(SHORTEST, 1000 * columns / SPEED))


def _parting(text: str) -> float:
    """Return how wrong it is to break after this word.

    Good is after punctuation; bad after a short word, which in most languages is an article,
    a preposition or a conjunction and belongs to what follows.
    """
    if text.rstrip("\"'”’»)]").endswith(_STOPS):
        return 0.0
    return 1.0 if len(text) <= 3 else 0.6


def _lines(tokens: Sequence[_Token]) -> list[str]:
    """Break text into lines; three of them say that it does not fit into two."""
    texts = [token.text for token in tokens]
    whole = joined(texts)
    if width(whole) <= LINE:
        return [whole]
    best, lines = float("inf"), [whole] * 3
    for cut in range(1, len(texts)):
        upper, lower = joined(texts[:cut]), joined(texts[cut:])
        above, below = width(upper), width(lower)
        if above > LINE:
            break
        # Even lines are read best, and of two uneven ones the lower shall be the longer.
        cost = abs(above - below) / LINE + 0.1 * (above > below) + 0.6 * _parting(texts[cut - 1])
        if below <= LINE and cost < best:
            best, lines = cost, [upper, lower]
    return lines


def _merged(
    groups: list[tuple[str | None, list[_Token]]],
) -> list[tuple[str | None, list[_Token]]]:
    """Join a cue with the next one where it would be gone before it is read."""
    merged: list[tuple[str | None, list[_Token]]] = []
    for speaker, tokens in groups:
        if merged and merged[-1][0] == speaker:
            before = merged[-1][1]
            if tokens[0].start - before[0].start < _reading(before) + GAP and _fits(
                [*before, *tokens]
            ):
                merged[-1] = (speaker, [*before, *tokens])
                continue
        merged.append((speaker, tokens))
    return merged


def _reading(tokens: Sequence[_Token]) -> int:
    columns = sum(token.width + 1 for token in tokens) - 1
    return max(SHORTEST, round(1000 * columns / SPEED))


def _timed(groups: list[tuple[str | None, list[_Token]]], duration: int) -> list[Cue]:
    made: list[Cue] = []
    starts = [tokens[0].start for _, tokens in groups]
    ends = (token.end for _, tokens in groups for token in tokens)
    after = [*starts[1:], max(duration, *ends) + GAP] if groups else []
    for (speaker, tokens), begin, following in zip(groups, starts, after, strict=True):
        start = max(begin, made[-1].end) if made else begin
        end = max(start + _reading(tokens), *(token.end for token in tokens))
        room = following - GAP if following - GAP > start + SHORTEST // 4 else following
        # A cue of no duration is not shown, and WebVTT forbids it.
        end = max(min(end, room, start + LONGEST), start + 1)
        made.append(Cue(start, end, _lines(tokens), speaker))
    assert all(a.end <= b.start for a, b in pairwise(made))
    return made
