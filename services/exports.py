"""Results as files for other programs: one by one, or a batch in a ZIP."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import BinaryIO

from services.audio.checkpoints import shown
from services.audio.exports import FORMATS as TRANSCRIPT_FORMATS
from services.audio.exports import Style
from services.audio.transcript import Transcript
from services.documents.exports import FORMATS as DOCUMENT_FORMATS
from services.documents.exports import formats as document_formats
from services.files.names import clean_name
from services.jobs.models import Kind
from services.jobs.results import Result

MIME = {
    "txt": "text/plain; charset=utf-8",
    "md": "text/markdown; charset=utf-8",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
}


def formats(result: Result) -> list[str]:
    """Return the formats that a result can be written in."""
    if isinstance(result, Transcript):
        return list(TRANSCRIPT_FORMATS)
    return document_formats(result)


def formats_of(kinds: Collection[Kind]) -> list[str]:
    """Return the formats that at least one result of these kinds can be written in."""
    found: dict[str, None] = {}
    for kind, its in ((Kind.AUDIO, TRANSCRIPT_FORMATS), (Kind.DOCUMENT, DOCUMENT_FORMATS)):
        if kind in kinds:
            found |= dict.fromkeys(its)
    return list(found)


def render(result: Result, format: str, name: str, style: Style | None = None) -> bytes:
    """Return a result in `format`; `name` is the file that it was made from.

    Raises:
        KeyError: the result cannot be written in that format.
    """
    made: str | bytes
    if isinstance(result, Transcript):
        result = replace(result, model=shown(result.model))
        made = TRANSCRIPT_FORMATS[format](result, name, style or Style())
    else:
        made = DOCUMENT_FORMATS[format](result, name)
    # A text may hold half of a character: a document's, or what a program wrote for us.
    return made.encode("utf-8", errors="replace") if isinstance(made, str) else made


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


def write_zip(
    target: BinaryIO,
    results: Sequence[tuple[str, Callable[[], Result]]],
    wanted: Collection[str] = (),
    style: Style | None = None,
) -> None:
    """Write results into a ZIP, a folder per format.

    Args:
        results: The name of each file and what loads its result, one after the other.
        wanted: The formats; all that a result has when empty.
        style: What transcripts show beside their words.
    """
    stems = unique_stems(name for name, _ in results)
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for stem, (name, load) in zip(stems, results, strict=True):
            result = load()
            for format in formats(result):
                if not wanted or format in wanted:
                    data = render(result, format, name, style)
                    archive.writestr(f"{format}/{stem}.{format}", data)
