"""Renders pages of a PDF as images with PDFium. Runs in a worker process only."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

from services.documents.pdf_file import DamagedDocument, PdfFile
from services.documents.pdfium_text import PdfiumFile
from services.errors import UnreadableDocument
from services.files.operations import write_atomic

MOST_PIXELS = 4_000_000
"""Of one image; a page can claim to be a kilometre wide."""

_last: tuple[tuple[Path, int, str | None], PdfiumFile] | None = None
"""The file that was rendered last: page after page is asked for, and opening takes longest."""


def render_page(
    path: Path, number: int, password: str | None, *, width: int = 0, dpi: int = 0
) -> tuple[Any, float]:
    """Return page `number` (from 1) as a Pillow image, and its scale in pixels per point.

    Args:
        width: The image's width in pixels, or
        dpi: its pixels per inch. Either way it has no more than MOST_PIXELS.

    Raises:
        UnreadableDocument: the file or the page cannot be opened.
        PasswordNeeded: `password` does not open the file.
    """
    opened = _opened(path, password)
    try:
        page = opened.page(number)
        try:
            points_wide, points_high = page.get_size()
            scale = width / points_wide if width else dpi / 72
            pixels = points_wide * points_high * scale * scale
            if pixels > MOST_PIXELS:
                scale *= math.sqrt(MOST_PIXELS / pixels)
            return page.render(scale=scale).to_pil(), scale
        finally:
            page.close()
    except (RuntimeError, IndexError, ZeroDivisionError, ValueError) as error:
        raise UnreadableDocument(f"Page {number} cannot be shown.") from error
    finally:
        if not opened.in_memory:
            _forget()  # an open file could not be deleted on Windows


def write_page(path: Path, number: int, target: Path, width: int, password: str | None) -> None:
    """Write page `number` (from 1) as a PNG about `width` pixels wide.

    Raises:
        UnreadableDocument: the file or the page cannot be opened.
        PasswordNeeded: `password` does not open the file.
    """
    image, _ = render_page(path, number, password, width=width)
    content = io.BytesIO()
    image.save(content, "PNG", compress_level=3)
    write_atomic(target, content.getvalue())


def _opened(path: Path, password: str | None) -> PdfiumFile:
    global _last
    try:
        key = (path, path.stat().st_mtime_ns, password)
    except OSError as error:
        raise UnreadableDocument("The file is not kept any more.") from error
    if _last is not None and _last[0] == key:
        return _last[1]
    _forget()
    try:
        pdf = PdfFile(path, path.name, password)
    except DamagedDocument as error:
        pdf = error.pdf  # PDFium may open it all the same
    if pdf.limited:
        raise UnreadableDocument("This file goes beyond the limits within which it is safe.")
    try:
        opened = PdfiumFile(pdf.content, password)
    except RuntimeError as error:
        raise UnreadableDocument("The pages of this file cannot be shown.") from error
    _last = (key, opened)
    return opened


def _forget() -> None:
    global _last
    if _last is not None:
        _last[1].close()
        _last = None
