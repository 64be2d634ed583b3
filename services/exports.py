"""Results as files for other programs: one by one, or a batch in a ZIP."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path, PurePath
from typing import BinaryIO

from services.audio.exports import FORMATS as TRANSCRIPT_FORMATS
from services.audio.transcript import Transcript
from services.documents.exports import FORMATS as DOCUMENT_FORMATS
from services.files.names import clean_name
from services.jobs.results import Result

MIME = {
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


def formats(result: Result) -> list[str]:
    """Return the formats that a result can be written in."""
    return list(TRANSCRIPT_FORMATS if isinstance(result, Transcript) else DOCUMENT_FORMATS)


def render(result: Result, format: str, name: str) -> str:
    """Return a result in `format`; `name` is the file that it was made from.

    Raises:
        KeyError: the result cannot be written in that format.
    """
    if isinstance(result, Transcript):
        return TRANSCRIPT_FORMATS[format](result, name)
    return DOCUMENT_FORMATS[format](result, name)


def all_formats() -> list[str]:
    """Return every format that some result can be written in."""
    return list(MIME)


def file_name(name: str, format: str) -> str:
    """Return the name of an export, made from the original's."""
    return clean_name(f"{PurePath(clean_name(name)).stem}.{format}")


def unique_stems(names: Iterable[str]) -> list[str]:
    """Return a name without an extension for each file name, in their order, no two the same.

    Those that would be are numbered; capital and small letters count as the same, as they do on
    Windows.
    """
    wanted = [Path(file_name(name, "txt")).stem for name in names]
    own = {stem.casefold() for stem in wanted}
    used: set[str] = set()
    stems = []
    for stem in wanted:
        unique, number = stem, 1
        while unique.casefold() in used or (number > 1 and unique.casefold() in own):
            number += 1
            unique = f"{stem} ({number})"
        used.add(unique.casefold())
        stems.append(unique)
    return stems


def write_zip(target: BinaryIO, results: Sequence[tuple[str, Callable[[], Result]]]) -> None:
    """Write every format of each result into a ZIP, a folder per format.

    Args:
        results: The name of each file and what loads its result, one after the other.
    """
    stems = unique_stems(name for name, _ in results)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for stem, (name, load) in zip(stems, results, strict=True):
            result = load()
            for format in formats(result):
                archive.writestr(f"{format}/{stem}.{format}", render(result, format, name))
