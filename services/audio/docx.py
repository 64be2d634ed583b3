"""Writes a text as a document for word processors (Office Open XML)."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Iterable
from typing import Any


def write(title: str, origin: str, body: Iterable[tuple[str, str, str]]) -> bytes:
    """Return a document.

    Args:
        title: Its heading; one line, as all texts here, without control characters.
        origin: A line below it.
        body: (time, speaker, text) of each paragraph; time and speaker may be empty.
    """
    from docx import Document
    from docx.shared import Pt

    document = Document()
    document.core_properties.title = title[:255]
    document.core_properties.author = "Scriptorium"
    document.core_properties.comments = ""
    document.styles["Normal"].paragraph_format.space_after = Pt(8)
    _add(document.add_heading(level=1), title)
    _add(document.add_paragraph(), origin, italic=True)
    for time, speaker, text in body:
        paragraph = document.add_paragraph()
        lead = " · ".join(part for part in (time, speaker) if part)
        if lead:
            _add(paragraph, f"{lead}  ", bold=True)
        _add(paragraph, text)
        if _right_to_left(text):
            paragraph._p.get_or_add_pPr().append(_element("w:bidi"))
    out = io.BytesIO()
    document.save(out)
    return out.getvalue()


def _add(paragraph: Any, text: str, **form: bool) -> None:
    run = paragraph.add_run(text)
    for name, value in form.items():
        setattr(run, name, value)
    run.font.rtl = True if _right_to_left(text) else None


def _right_to_left(text: str) -> bool:
    """Whether the first letter says so (rule P2 of the Unicode bidirectional algorithm)."""
    strong = (unicodedata.bidirectional(c) for c in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def _element(name: str) -> Any:
    from docx.oxml import OxmlElement

    return OxmlElement(name)
