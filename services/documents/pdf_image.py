"""Renders pages of a PDF as images with PDFium. Runs in a worker process only."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pypdfium2 as pdfium

from services.errors import UnreadableDocument
from services.files.operations import write_atomic

MOST_PIXELS = 4_000_000
"""Of one image; a page can claim to be a kilometre wide."""


def render_page(path: Path, number: int, target: Path, width: int) -> None:
    """Write page `number` (from 1) as a PNG about `width` pixels wide.

    Raises:
        UnreadableDocument: PDFium cannot open the file or the page.
    """
    try:
        with pdfium.PdfDocument(path) as document:
            page = document[number - 1]
            points_wide, points_high = page.get_size()
            scale = width / points_wide
            pixels = points_wide * points_high * scale * scale
            if pixels > MOST_PIXELS:
                scale *= math.sqrt(MOST_PIXELS / pixels)
            image = page.render(scale=scale).to_pil()
    except (pdfium.PdfiumError, IndexError, ZeroDivisionError) as error:
        raise UnreadableDocument(f"Page {number} cannot be shown.") from error
    content = io.BytesIO()
    image.save(content, "PNG")
    write_atomic(target, content.getvalue())
