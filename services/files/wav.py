"""Writes WAV files."""

from __future__ import annotations

import wave
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # this package must import where numpy does not
    from services.audio.decode import Samples


def write_wav(path: Path, samples: Samples, rate: int) -> None:
    """Write 1-D float samples between -1 and 1 as a 16-bit mono WAV file."""
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes((samples.clip(-1, 1) * 32767).astype("<i2").tobytes())
