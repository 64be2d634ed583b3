"""What an original is sent as: by what it is, never by what somebody called it."""

from __future__ import annotations

from pathlib import Path

from services.files.operations import open_to_read
from services.jobs.models import Kind

_LOOKED_AT = 64

_BEGINNINGS = (
    (0, b"RF64", "audio/wav"),
    (8, b"WAVE", "audio/wav"),
    (8, b"AVI ", "video/x-msvideo"),
    (8, b"AIFF", "audio/aiff"),
    (8, b"AIFC", "audio/aiff"),
    (0, b"fLaC", "audio/flac"),
    (0, b"OggS", "audio/ogg"),
    (0, b"ID3", "audio/mpeg"),
    (4, b"ftypqt", "video/quicktime"),
    (4, b"ftyp", "video/mp4"),
    (4, b"moov", "video/quicktime"),
    (4, b"mdat", "video/quicktime"),
    (0, b"\x30\x26\xb2\x75", "video/x-ms-asf"),
    (0, b"\x00\x00\x01\xba", "video/mpeg"),
    (0, b"#!AMR", "audio/amr"),
    (0, b"caff", "audio/x-caf"),
)
"""Where a file of sound or pictures says what it is, how, and its type."""


def media_type(kind: Kind, path: Path) -> str | None:
    """Return the type under which a browser may show a file; None for one to keep only.

    None of them is a page, a script or a picture that holds one. A recording need not be what its
    first bytes say: it is sound or pictures then all the same, or nothing.
    """
    if kind is Kind.DOCUMENT:
        return "application/pdf"
    if kind is not Kind.AUDIO:
        return None
    with open_to_read(path) as file:
        head = file.read(_LOOKED_AT)
    for at, sign, named in _BEGINNINGS:
        if head[at:].startswith(sign):
            return named
    if head.startswith(b"\x1a\x45\xdf\xa3"):  # Matroska names its kind soon after
        return "video/webm" if b"webm" in head else "video/x-matroska"
    if head[:1] == b"\xff" and head[1:2] >= b"\xe0":  # frames of MPEG: layer 0 is AAC
        return "audio/aac" if head[1] & 6 == 0 else "audio/mpeg"
    return None
