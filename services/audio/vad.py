"""Voice activity: where in the sound somebody speaks (Silero VAD, MIT)."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio.decode import Samples

WINDOW = 512
"""Samples that one probability stands for: 32 ms."""

QUIET = 0.003
"""Level of the background, as root mean square, above which steady noise may pass for speech.

Silero gives white noise 0.07 at most at this level, and up to 0.65 at a hundred times as much.
"""

BACKGROUND = 20
"""Of a hundred windows so many are no louder than the background."""


def levelled(samples: Samples) -> Samples:
    """Return `samples` as they are, or softer by so much that their background is quiet."""
    whole = samples[: samples.size // WINDOW * WINDOW].reshape(-1, WINDOW)
    if not whole.size:
        return samples
    power = np.einsum("ij,ij->i", whole, whole) / WINDOW
    background = float(np.sqrt(np.percentile(power, BACKGROUND)))
    return samples * np.float32(QUIET / background) if background > QUIET else samples


def speech_probabilities(samples: Samples) -> NDArray[np.float32]:
    """Return the probability of speech in each 32 ms window of 16 kHz mono `samples`.

    The weights ship inside faster-whisper. https://github.com/snakers4/silero-vad
    """
    padded = np.pad(samples, (0, -samples.size % WINDOW))  # a copy: the model writes into it
    return np.asarray(_model()(padded), dtype=np.float32).reshape(-1)


@functools.cache
def _model() -> Any:
    from faster_whisper.vad import get_vad_model

    return get_vad_model()
