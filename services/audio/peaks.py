"""The outline of a recording's sound, small enough for a browser to draw hours of it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from services.audio import SAMPLE_RATE
from services.audio.decode import Samples

PER_SECOND = 20
"""Peaks in a second of sound, which `wave.js` counts on: ten hours make 720 KB."""


def peaks(blocks: Iterable[Samples]) -> bytes:
    """Return the loudest sample of every twentieth of a second, from 0 to 255.

    `blocks` are 1-D float32 arrays at 16 kHz, of which one is held at a time.
    """
    step = SAMPLE_RATE // PER_SECOND
    found = bytearray()
    rest: Samples = np.zeros(0, np.float32)
    for block in blocks:
        held = np.concatenate([rest, block])
        whole = held.size - held.size % step
        found += _loudest(held[:whole].reshape(-1, step))
        rest = held[whole:].copy()  # a view would keep all of the block in memory
    if rest.size:
        found += _loudest(rest.reshape(1, -1))
    return bytes(found)


def _loudest(rows: Samples) -> bytes:
    if not rows.size:
        return b""
    loudest = np.abs(rows).max(axis=1)
    return bytes(np.rint(np.clip(loudest, 0, 1) * 255).astype(np.uint8))
