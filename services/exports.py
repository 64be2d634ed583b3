"""Results as files for other programs: one by one, or a batch in a ZIP."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable
from pathlib import Path, PurePath
from typing import BinaryIO

from services.audio.exports import FORMATS as TRANSCRIPT_FORMATS
from services.audio.transcript import Transcript
from services.documents.exports import FORMATS as DOCUMENT_FORMATS
from services.documents.exports import formats as document_formats
from services.files.names import clean_name
from services.jobs.results import Result

MIME = {
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
    "csv": "text/csv; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}


def formats(result: Result) -> list[str]:
    """Return the formats that a result can be written in."""
    if isinstance(result, Transcript):
        return list(TRANSCRIPT_FORMATS)
    return document_formats(result)


def render(result: Result, format: str, name: str) -> str:
    """Return a result in `format`; `name` is the file that it was made from.

    Raises:
        KeyError: the result cannot be written in that format.
    """
    if isinstance(result, Transcript):
        return TRANSCRIPT_FORMATS[format](result, name)
    return DOCUMENT_FORMATS[format](result, name)


def file_name(name: str, format: str) -> str:
    """Return the name of an export, made from the original's."""
    return clean_name(f"{PurePath(clean_name(name)).stem}.{format}")


def write_zip(target: BinaryIO, results: Iterable[tuple[str, Result]]) -> None:
    """Write every format of each (name, result) into a ZIP, a folder per format.

    Files of the same name are numbered, so that none overwrites another.
    """
    used: dict[str, int] = {}
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, result in results:
            stem = Path(file_name(name, "txt")).stem
            used[stem.casefold()] = number = used.get(stem.casefold(), 0) + 1
            unique = stem if number == 1 else f"{stem} ({number})"
            for format in formats(result):
                archive.writestr(f"{format}/{unique}.{format}", render(result, format, name))
