"""Cuts a recording of any length into clips of speech that a model takes at once."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.audio import SAMPLE_RATE
from services.audio.decode import Samples
from services.audio.vad import WINDOW, speech_probabilities

SPEECH = 0.15
"""Probability from which a window counts as speech.

Low on purpose: a window kept by mistake costs a little time, one dropped costs words. Of the
held-back spoken digits none stays below it; silence, noise and tones stay at 0.12 or less.
"""

PADDING = 0.5
"""Seconds kept before and after speech, so that soft first and last sounds stay."""

JOIN_GAP = 3.0
"""Longest pause inside a clip, in seconds. Whisper pays for 30 s however short a clip is."""

_WINDOW_SECONDS = WINDOW / SAMPLE_RATE


@dataclass(frozen=True)
class Clip:
    """A stretch of speech: 1-D float32 samples at 16 kHz, and when it begins in the recording."""

    start: float
    samples: Samples

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.samples.size / SAMPLE_RATE


def clips(blocks: Iterable[Samples], longest: float) -> Generator[Clip, None, None]:
    """Cut decoded `blocks` into clips of at most `longest` seconds, at pauses where possible.

    Stretches without speech are left out, so that no model invents words for them. Memory
    holds about two clips however long the recording is.
    """
    held: Samples = np.zeros(0, np.float32)
    begin = 0  # where `held` begins, in samples
    limit = int(longest * SAMPLE_RATE)
    for block in blocks:
        held = np.concatenate([held, block])
        while held.size >= 2 * limit:
            # A span that ends before `limit` can no longer change, whatever comes next: the
            # one after it has been seen in full.
            keep = limit
            for start, end in speech_spans(speech_probabilities(held), longest):
                if end > limit:
                    keep = min(start, limit)
                    break
                yield _clip(begin, held, start, end)
            held, begin = held[keep:], begin + keep
    if held.size:
        for start, end in speech_spans(speech_probabilities(held), longest):
            yield _clip(begin, held, start, end)


def _clip(begin: int, held: Samples, start: int, end: int) -> Clip:
    # A copy, so that a clip waiting for its batch does not keep all of `held` in memory.
    return Clip((begin + start) / SAMPLE_RATE, held[start:end].copy())


def speech_spans(probabilities: NDArray[np.float32], longest: float) -> list[tuple[int, int]]:
    """Return where speech is, as (start, end) in samples, each at most `longest` seconds.

    Neighbours are joined as long as they fit; a stretch that is too long is cut where speech
    is least likely in its last third.
    """
    speech = np.flatnonzero(probabilities >= SPEECH)
    if speech.size == 0:
        return []
    most = max(1, int(longest / _WINDOW_SECONDS))
    padding = round(PADDING / _WINDOW_SECONDS)
    gap = round(JOIN_GAP / _WINDOW_SECONDS)
    spans: list[tuple[int, int]] = []
    for run in np.split(speech, np.flatnonzero(np.diff(speech) > 2 * padding) + 1):
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
