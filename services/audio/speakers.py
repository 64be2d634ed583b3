"""Who speaks when, and which words are whose.

What was found is kept beside the transcript, which stays what the machine heard: words get their
speakers whenever it is read.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, permutations
from typing import TYPE_CHECKING, Any

from services.audio.segments import segment_of, words_of
from services.audio.transcript import Segment, Transcript, Word

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ACTIVE = 0.5
"""Probability from which on somebody speaks."""
GAP = 0.5
"""Silence in somebody's turn, in seconds, that does not end it."""
SHORTEST = 0.2
"""Seconds of speech that make a turn."""
NEAR = 1.0
"""Seconds that a word without a speaker may lie from the turn that gets it."""


@dataclass(frozen=True)
class Turn:
    """A stretch in which somebody speaks, in seconds; `speaker` counts from 0."""

    start: float
    end: float
    speaker: int


@dataclass(frozen=True)
class Speakers:
    """The turns that a model found in a recording."""

    model: str
    turns: tuple[Turn, ...]

    @property
    def count(self) -> int:
        """How many people speak."""
        return len({turn.speaker for turn in self.turns})

    def as_dict(self) -> dict[str, Any]:
        """Return them as JSON keeps them."""
        return {"model": self.model, "turns": [[t.start, t.end, t.speaker] for t in self.turns]}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Speakers:
        """Read them back."""
        return cls(values["model"], tuple(Turn(*turn) for turn in values["turns"]))


def label(speaker: int) -> str:
    """Return what a speaker is called until somebody gives them a name."""
    return f"Speaker {speaker + 1}"


def turns_of(probabilities: NDArray[np.float32], seconds: float) -> list[Turn]:
    """Return the turns in a model's probabilities that somebody speaks, in order of time.

    Speakers are numbered as they are first heard; several may speak at once.

    Args:
        probabilities: (frames, speakers), from 0 to 1.
        seconds: Length of a frame.
    """
    import numpy as np

    found: list[Turn] = []
    for speaker in range(probabilities.shape[1]):
        active = np.concatenate(([False], probabilities[:, speaker] >= ACTIVE, [False]))
        edges = np.flatnonzero(active[1:] != active[:-1]) * seconds
        spans: list[list[float]] = []
        for start, end in edges.reshape(-1, 2).tolist():
            if spans and start - spans[-1][1] <= GAP:
                spans[-1][1] = end
            else:
                spans.append([start, end])
        found += [
            Turn(round(start, 3), round(end, 3), speaker)
            for start, end in spans
            if end - start >= SHORTEST
        ]
    found.sort(key=lambda turn: (turn.start, turn.end))
    number: dict[int, int] = {}
    return [replace(turn, speaker=number.setdefault(turn.speaker, len(number))) for turn in found]


def renumbered(turns: Sequence[Turn], before: Sequence[Turn]) -> list[Turn]:
    """Return turns with the numbers that the same people had before, as far as they overlap.

    So names that people gave stay with their voices when speakers are looked for again.
    """
    new = sorted({turn.speaker for turn in turns})
    old = sorted({turn.speaker for turn in before})
    numbers = range(max(len(new), len(old), max(old, default=-1) + 1))
    if not old or len(numbers) > _MOST:
        return list(turns)
    shared = {
        (one, other): _overlap(_spans(turns, one), _spans(before, other))
        for one in new
        for other in old
    }

    def agreement(order: tuple[int, ...]) -> float:
        return sum(shared.get((one, to), 0.0) for one, to in zip(new, order, strict=False))

    best = max(permutations(numbers, len(new)), key=agreement)
    number = dict(zip(new, best, strict=True))
    return [replace(turn, speaker=number[turn.speaker]) for turn in turns]


_MOST = 6
"""Speakers of which all orders can be tried."""


def with_speakers(transcript: Transcript, turns: Sequence[Turn]) -> Transcript:
    """Return the transcript with a speaker for every segment; one of several people is divided."""
    if not turns:
        return transcript
    voices = _Voices(turns)
    segments: list[Segment] = []
    last: int | None = None
    groups = words_of(transcript.segments, transcript.words)
    for segment, words in zip(transcript.segments, groups, strict=True):
        if not words:
            last = voices.of(segment.start, segment.end, last)
            segments.append(replace(segment, speaker=_label(last)))
            continue
        heard: list[int | None] = []
        for word in words:
            last = voices.of(word.start, word.end, last)
            heard.append(last)
        parts = list(_runs(words, _steadied(heard)))
        if len(parts) == 1:
            segments.append(replace(segment, speaker=_label(parts[0][1])))
        else:
            segments += [segment_of(part, _label(speaker)) for part, speaker in parts]
    return replace(transcript, segments=segments)


def _label(speaker: int | None) -> str | None:
    return None if speaker is None else label(speaker)


def _steadied(heard: list[int | None]) -> list[int | None]:
    """Give a single word between two of the same other person to that person."""
    steady = list(heard)
    for n in range(1, len(heard) - 1):
        if steady[n - 1] == heard[n + 1] != heard[n]:
            steady[n] = heard[n + 1]
    return steady


def _runs(
    words: Sequence[Word], heard: Sequence[int | None]
) -> Iterable[tuple[list[Word], int | None]]:
    pairs = zip(words, heard, strict=True)
    for speaker, run in groupby(pairs, key=lambda pair: pair[1]):
        yield [word for word, _ in run], speaker


class _Voices:
    """Finds who speaks in a stretch of time."""

    def __init__(self, turns: Sequence[Turn]) -> None:
        self._spans = {
            speaker: _spans(turns, speaker) for speaker in sorted({t.speaker for t in turns})
        }
        self._ends = {speaker: [end for _, end in spans] for speaker, spans in self._spans.items()}

    def of(self, start: float, end: float, last: int | None) -> int | None:
        """Return who speaks longest between two times; the one before them where nobody does."""
        shares = {speaker: self._share(speaker, start, end) for speaker in self._spans}
        best = max(shares, key=lambda speaker: (shares[speaker], speaker == last))
        return best if shares[best] > -NEAR else last

    def _share(self, speaker: int, start: float, end: float) -> float:
        """Return the seconds in which somebody speaks there; less than 0: how far off they are."""
        spans, best = self._spans[speaker], -float("inf")
        first = bisect_right(self._ends[speaker], start)
        total = 0.0
        for begin, stop in spans[max(first - 1, 0) :]:
            shared = min(end, stop) - max(start, begin)
            if shared > 0:
                total += shared
            else:
                best = max(best, shared)
            if begin >= end:
                break
        return total or best


def _spans(turns: Sequence[Turn], speaker: int) -> list[tuple[float, float]]:
    return [(turn.start, turn.end) for turn in turns if turn.speaker == speaker]


def _overlap(one: Sequence[tuple[float, float]], other: Sequence[tuple[float, float]]) -> float:
    """Return the seconds that two lists of spans share; each is in order and without overlaps."""
    total, place = 0.0, 0
    for start, end in one:
        while place < len(other) and other[place][1] <= start:
            place += 1
        for begin, stop in other[place:]:
            if begin >= end:
                break
            total += min(end, stop) - max(start, begin)
    return total
