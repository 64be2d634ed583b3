"""The outline of a recording's sound, small enough for a browser to draw hours of it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from services.audio import SAMPLE_RATE
from services.audio.decode import Samples

PER_SECOND = 20
"""Peaks in a second of sound, which `wave.js` counts on: ten hours make 720 KB."""


_STEP = SAMPLE_RATE // PER_SECOND


def peaks(blocks: Iterable[Samples]) -> bytes:
    """Return the outline of a recording's `blocks`; one of them is held at a time."""
    outline = Outline()
    for _ in outline.through(blocks):
        pass
    return outline.peaks


class Outline:
    """Takes down the loudest sample of every twentieth of a second."""

    def __init__(self) -> None:
        self._found = bytearray()
        self._rest: Samples = np.zeros(0, np.float32)

    def through(self, blocks: Iterable[Samples]) -> Iterator[Samples]:
        """Yield `blocks`, 1-D float32 arrays at 16 kHz, as they are."""
        for block in blocks:
            held = np.concatenate([self._rest, block])
            whole = held.size - held.size % _STEP
            self._found += _loudest(held[:whole].reshape(-1, _STEP))
            self._rest = held[whole:].copy()  # a view would keep all of the block in memory
            yield block

    @property
    def peaks(self) -> bytes:
        """What was taken down, each from 0 to 255."""
        return bytes(self._found) + _loudest(self._rest.reshape(1, -1))


def _loudest(rows: Samples) -> bytes:
    if not rows.size:
        return b""
    loudest = np.abs(rows).max(axis=1)
    return bytes(np.rint(np.clip(loudest, 0, 1) * 255).astype(np.uint8))
