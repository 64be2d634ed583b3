"""What says how long a file is that does not say it itself, as MP3 and AAC without a container."""

from __future__ import annotations

from typing import Any, BinaryIO

FORMATS = ("mp3", "aac")

_TOLD = (b"Xing", b"Info", b"VBRI")
"""Begin the headers in which encoders of MP3 tell the number of frames."""

_FIRST_FRAME = 2048


def says_length(handle: BinaryIO) -> bool:
    """Whether a file has such a header. Without one FFmpeg guesses, and is off by any factor."""
    head = handle.read(10)
    tag = 0
    if head[:3] == b"ID3" and len(head) == 10:
        for byte in head[6:]:
            tag = tag << 7 | byte & 0x7F
        tag += 10
    handle.seek(tag)
    first = handle.read(_FIRST_FRAME)
    return any(name in first for name in _TOLD)


def counted(container: Any, stream: Any) -> float:
    """Return the length of a file in seconds; its frames are read for it, but not decoded.

    What is damaged counts up to there.
    """
    import av

    total = 0
    try:
        for packet in container.demux(stream):
            total += packet.duration or 0
    except (av.error.FFmpegError, ValueError):
        pass
    return float(total * stream.time_base)
