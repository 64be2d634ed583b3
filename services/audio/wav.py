"""WAV files: what their header says, and the sound of those in which nothing has to be decoded."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from services.audio import SAMPLE_RATE

_PLAIN = (1, 1, SAMPLE_RATE, 2, 16)
"""Format tag of whole numbers, channels, samples in a second, bytes and bits of a sample."""

_NOT_KNOWN = 0x7FFF_F000
"""Programs that record to a pipe write about 2 or 4 GiB as the size of the sound, or nothing."""


@dataclass(frozen=True)
class WavHeader:
    """Where in a file its sound begins, and the bytes of it that are promised and that are there.

    `promised` is None where the header does not say it.
    """

    begin: int
    promised: int | None
    there: int
    plain: bool
    """Whether it is 16-bit mono at 16 kHz, what models take."""

    @property
    def seconds(self) -> float:
        """Length of plain sound that the file promises."""
        return (self.promised or self.there) / (2 * SAMPLE_RATE)


def read_header(handle: BinaryIO) -> WavHeader | None:
    """Return what a file says of itself; None where it is no WAV file, or holds no sound."""
    size = os.fstat(handle.fileno()).st_size
    riff = handle.read(12)
    if riff[:4] != b"RIFF" or riff[8:] != b"WAVE":
        return None
    plain = False
    while len(head := handle.read(8)) == 8:
        length = int.from_bytes(head[4:], "little")
        if head[:4] == b"data":
            begin = handle.tell()
            promised = length if 0 < length < _NOT_KNOWN else None
            there = size - begin
            return WavHeader(begin, promised, there, plain) if there > 1 else None
        if head[:4] == b"fmt " and length >= 16:
            form = handle.read(16)
            if len(form) < 16:
                return None  # it ends here
            tag, channels, rate, _, width, bits = struct.unpack("<HHIIHH", form)
            plain = (tag, channels, rate, width, bits) == _PLAIN
            length -= 16
        handle.seek(length + length % 2, os.SEEK_CUR)
    return None


def is_unfinished(head: bytes) -> bool:
    """Whether a file's first 36 bytes begin an RF64 whose recorder ended before it wrote sizes."""
    return head[:4] == b"RF64" and head[12:16] == b"ds64" and not any(head[28:36])


def plain_blocks(
    handle: BinaryIO, header: WavHeader, seconds: float
) -> Iterator[NDArray[np.float32]]:
    """Yield plain sound as 1-D float32 arrays of `seconds`, the last one shorter."""
    handle.seek(header.begin)
    left = header.promised or header.there
    while left > 1 and len(data := handle.read(min(left, int(seconds * SAMPLE_RATE) * 2))) > 1:
        left -= len(data)
        whole = np.frombuffer(data, "<i2", count=len(data) // 2)
        yield whole.astype(np.float32) / np.float32(32768)
