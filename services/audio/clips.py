"""Cuts a recording of any length into clips of speech that a model takes at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.audio import SAMPLE_RATE
from services.audio.decode import Samples
from services.audio.vad import WINDOW, levelled, speech_probabilities

SPEECH = 0.15
"""Probability from which a window counts as speech.

Low on purpose: a window kept by mistake costs a little time, one dropped costs words. Of the
held-back spoken digits none stays below it. Steady noise does once its level is that of a quiet
room (`vad.levelled`); some notes of music do not, but few of them are `LIKELY`.
"""

FEWEST = 2
"""Windows of speech, of 32 ms each, that make an utterance: one alone is a sound of an instrument.

Each of the held-back spoken digits has at least these.
"""

LIKELY = 0.3
"""Probability from which a window vouches for others that are less likely, up to `JOIN_GAP` away.

Where there is none, those do not count. In 2 hours of music, of games and for telephones, that
leaves 3 s that might be speech; of a thousand prompts in five languages, each in silence of its
own, it takes the beeps and one word, a Russian “s”.
"""

CERTAIN = 0.75
"""Probability from which a window that is looked at without what precedes it counts as speech.

Notes of an instrument get 0.7 there.
"""

PADDING = 0.5
"""Seconds kept before and after speech, so that soft first and last sounds stay."""

JOIN_GAP = 3.0
"""Longest pause inside a clip, and at a recording's ends, in seconds.

Whisper pays for 30 s however short a clip is, and a model hears a short recording best whole. Up to
there, likely speech vouches for what is less likely, and so does a recording's beginning: one
short word may be all of it.
"""

STRETCHED = 1.1
"""How much longer than a clip a recording may be that stays whole.

What would be cut off its end is too short to be heard well by itself.
"""

_WINDOW_SECONDS = WINDOW / SAMPLE_RATE
_GAP = round(JOIN_GAP / _WINDOW_SECONDS) * WINDOW
_PROBE = 16 * WINDOW
_CONTEXT = 125 * WINDOW
"""Samples before a stretch that are looked at again: the detector has to hear itself in.

In its first seconds it takes notes of music for speech, and is less certain of words.
"""


@dataclass(frozen=True)
class Clip:
    """A stretch of speech: 1-D float32 samples at 16 kHz, and when it begins in the recording."""

    start: float
    samples: Samples
    resume: int | None = None
    """Sample from which cutting can begin anew once this clip and those before it are dealt with;
    None within what was cut at once."""

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples.size / SAMPLE_RATE


@dataclass(frozen=True)
class Silence:
    """A stretch in which nobody speaks was passed over."""

    resume: int
    """Sample up to which all speech is in clips that came before."""


def clips(
    blocks: Iterable[Samples], longest: float, begin: int = 0
) -> Generator[Clip | Silence, None, None]:
    """Cut decoded `blocks` into clips of at most `longest` seconds, at pauses where possible.

    Stretches without speech are left out, so that no model invents words for them. Memory
    holds about three clips however long the recording is. No step takes more than two of `longest`
    and a block to decode: where that holds no speech, a `Silence` says so.

    Args:
        blocks: The recording from its beginning.
        longest: Seconds of speech in a clip at most; a tenth more in a recording that is one clip.
        begin: Sample to begin at, one that an earlier run gave as `Clip.resume`.
    """
    held: Samples = np.zeros(0, np.float32)
    known: NDArray[np.float32] = np.zeros(0, np.float32)
    at, skip = begin, begin  # where `held` begins; what has still to be passed over, in samples
    since = 0  # windows before `held` since speech was likely; there may be some before `begin`
    limit = int(longest * SAMPLE_RATE) // WINDOW * WINDOW
    for block in blocks:
        if skip and skip >= block.size:
            skip -= block.size
            yield Silence(begin)
            continue
        held, skip = np.concatenate([held, block[skip:]]), 0
        while held.size >= 2 * limit:
            known = _probabilities(held[: 2 * limit], known)
            # A span that ends before `limit` can no longer change, whatever comes next: the
            # one after it has been seen in full.
            keep, ready = limit, []
            for start, end in speech_spans(known, longest, since):
                if end > limit:
                    keep = min(start, limit)
                    break
                ready.append((start, end))
            if ready and at == 0:
                ready[0] = _to_the_beginning(ready[0], limit)
            if ready:
                yield from _cut(held, at, ready, at + keep)
            else:
                yield Silence(at + keep)
            passed = keep // WINDOW
            likely = np.flatnonzero(known[:passed] >= LIKELY)
            since = passed - int(likely[-1]) if likely.size else since + passed
            held, known, at = held[keep:], known[passed:], at + keep
    if not held.size:
        return
    if at == 0 and held.size <= limit * STRETCHED and is_unbroken(held):
        yield Clip(0.0, held)
        return
    spans = speech_spans(_probabilities(held, known), longest, since)
    if spans and at == 0:
        spans[0] = _to_the_beginning(spans[0], limit)
    if spans and held.size - spans[-1][1] <= _GAP and held.size - spans[-1][0] <= limit:
        spans[-1] = (spans[-1][0], held.size)
    yield from _cut(held, at, spans, None)


def is_unbroken(
    samples: Samples,
    probabilities: Callable[[Samples], NDArray[np.float32]] = speech_probabilities,
) -> bool:
    """Whether somebody speaks all through a recording, no pause longer than `JOIN_GAP`.

    Only about a fifth of it is looked at: the half second before the point at which a pause would
    become too long, and what lies before that only if nobody speaks there.
    """
    spoken = 0  # sample up to which that is known
    while samples.size - spoken > _GAP or spoken == 0:
        end = min(spoken + _GAP, samples.size)
        while True:
            begin = max(spoken, end - _PROBE)
            found = np.flatnonzero(probabilities(samples[begin:end]) >= CERTAIN)
            if found.size:
                spoken = begin + (int(found[-1]) + 1) * WINDOW
                break
            if begin == spoken:
                return False
            end = begin
    return True


def speech_spans(
    probabilities: NDArray[np.float32], longest: float, since: int = 0
) -> list[tuple[int, int]]:
    """Return where speech is, as (start, end) in samples, each at most `longest` seconds.

    Neighbours are joined as long as they fit; a stretch that is too long is cut where speech
    is least likely in its last third.

    Args:
        probabilities: Of speech, one for each window.
        longest: Seconds of a span at most.
        since: Windows that lie between the first one and likely speech before it.
    """
    speech = np.flatnonzero(probabilities >= SPEECH)
    if speech.size == 0:
        return []
    most = max(1, int(longest / _WINDOW_SECONDS))
    padding = round(PADDING / _WINDOW_SECONDS)
    gap = _GAP // WINDOW
    likely = np.concatenate([[-since], np.flatnonzero(probabilities >= LIKELY)])
    spans: list[tuple[int, int]] = []
    for run in np.split(speech, np.flatnonzero(np.diff(speech) > 2 * padding) + 1):
        vouched = np.any((likely >= run[0] - gap) & (likely <= run[-1] + gap))
        if run.size < FEWEST or not vouched:
            continue
        start = max(0, int(run[0]) - padding)
        end = min(probabilities.size, int(run[-1]) + 1 + padding)
        while end - start > most:
            third = start + most - most // 3
            cut = third + int(np.argmin(probabilities[third : start + most]))
            spans.append((start, cut))
            start = cut
        spans.append((start, end))
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start - joined[-1][1] <= gap and end - joined[-1][0] <= most:
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return [(start * WINDOW, end * WINDOW) for start, end in joined]


def _probabilities(held: Samples, known: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of `held`, whose first windows are `known`."""
    new = known.size * WINDOW
    # What comes before; at a recording's beginning, its first seconds stand for that. One that is
    # no longer may be a single word, and is looked at as it is.
    begin, end = max(0, new - _CONTEXT), new or (_CONTEXT if held.size > _CONTEXT else 0)

    def found(samples: Samples) -> NDArray[np.float32]:
        heard = np.concatenate([samples[begin:end], samples[new:]])
        return speech_probabilities(heard)[(end - begin) // WINDOW :]

    probabilities = found(held)
    if (probabilities >= SPEECH).any() and (softer := levelled(held)) is not held:
        # Loud noise passes for speech at some levels; speech is speech at any.
        probabilities = np.minimum(probabilities, found(softer))
    return np.concatenate([known, probabilities])


def _to_the_beginning(span: tuple[int, int], limit: int) -> tuple[int, int]:
    start, end = span
    return (0, end) if start <= _GAP and end <= limit else span


def _cut(
    held: Samples, at: int, spans: list[tuple[int, int]], resume: int | None
) -> Generator[Clip, None, None]:
    for number, (start, end) in enumerate(spans, start=1):
        # A copy, so that a clip waiting for its batch does not keep all of `held` in memory.
        samples = held[start:end].copy()
        yield Clip((at + start) / SAMPLE_RATE, samples, resume if number == len(spans) else None)
