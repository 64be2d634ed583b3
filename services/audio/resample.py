"""Brings sound of any rate and number of channels to 16 kHz mono."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.audio import SAMPLE_RATE

Samples = NDArray[np.float32]

_CANCELLED = 0.05
"""Power that two channels leave of the louder one, 13 dB below it, where they cancel each other.

Of the same voice in both at least half is left, whatever their levels.
"""


class Resampler:
    """Turns frames into 16 kHz mono, also where their rate or channels change on the way."""

    def __init__(self) -> None:
        self._resampler: Any = None
        self._made_for: tuple[str, str, int] | None = None

    def resample(self, frame: Any) -> list[Samples]:
        """Return what `frame` and the ones before it give, in 1-D arrays of a second."""
        import av

        sound: list[Samples] = []
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        if form != self._made_for:
            sound = self.flush()
            layout = "stereo" if frame.layout.nb_channels == 2 else "mono"
            self._resampler = av.AudioResampler("flt", layout, SAMPLE_RATE, SAMPLE_RATE)
            self._made_for = form
        return sound + [_mono(frame) for frame in self._resampler.resample(frame)]

    def flush(self) -> list[Samples]:
        """Return what is left inside."""
        resampler, self._resampler, self._made_for = self._resampler, None, None
        return [_mono(frame) for frame in resampler.resample(None)] if resampler else []


def _mono(frame: Any) -> Samples:
    """Return a frame of one or two channels as 1-D sound: their sum at equal power.

    Channels that cancel each other, as those of a balanced microphone in a stereo socket do, would
    leave silence: of such the louder one is taken.
    """
    channels: list[Samples] = list(frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T)
    if len(channels) == 1:
        return channels[0]
    mixed = (channels[0] + channels[1]) * np.float32(math.sqrt(0.5))
    louder = max(channels, key=_power)
    return louder if _power(mixed) < _CANCELLED * _power(louder) else mixed


def _power(samples: Samples) -> float:
    return float(np.dot(samples, samples))
