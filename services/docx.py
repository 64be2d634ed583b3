"""Writes a text as a document for word processors (Office Open XML)."""

from __future__ import annotations

import io
import re
import unicodedata
from collections.abc import Sequence
from typing import Any

_UNFIT = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"
)
"""What XML does not allow, or advises against. https://www.w3.org/TR/xml/#charsets"""


class Docx:
    """A document that grows from its top; its texts may hold any characters.

    Args:
        title: Its heading.
    """

    def __init__(self, title: str) -> None:
        from docx import Document
        from docx.shared import Pt

        self._document = Document()
        self._document.core_properties.title = _fit(title)[:255]
        self._document.core_properties.author = "Scriptorium"
        self._document.core_properties.comments = ""
        self._document.styles["Normal"].paragraph_format.space_after = Pt(8)
        self.heading(1, title)

    def heading(self, level: int, text: str) -> None:
        """Add a heading; those of the text below the title begin with level 2."""
        _add(self._document.add_heading(level=min(level, 9)), text)

    def paragraph(self, text: str, *, lead: str = "", italic: bool = False) -> None:
        """Add a paragraph, which `lead` begins in bold; line ends in it stay."""
        paragraph = self._document.add_paragraph()
        if lead:
            _add(paragraph, f"{lead}  ", bold=True)
        _add(paragraph, text, italic=italic or None)
        if _right_to_left(text):
            paragraph._p.get_or_add_pPr().append(_element("w:bidi"))

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Add a table with lines around its cells; short rows end in empty cells."""
        table = self._document.add_table(0, max(map(len, rows)), style="Table Grid")
        for row in rows:
            cells = table.add_row().cells
            for cell, text in zip(cells, row, strict=False):
                _add(cell.paragraphs[0], text)
        self._document.add_paragraph()  # two tables without one between them would be one

    def as_bytes(self) -> bytes:
        """Return the file."""
        out = io.BytesIO()
        self._document.save(out)
        return out.getvalue()


def _add(
    paragraph: Any, text: str, *, bold: bool | None = None, italic: bool | None = None
) -> None:
    run = paragraph.add_run(_fit(text))
    run.bold, run.italic = bold, italic
    run.font.rtl = True if _right_to_left(text) else None


def _fit(text: str) -> str:
    return _UNFIT.sub("", text)


def _right_to_left(text: str) -> bool:
    """Whether the first letter says so (rule P2 of the Unicode bidirectional algorithm)."""
    strong = (unicodedata.bidirectional(c) for c in text)
    return next((kind for kind in strong if kind in ("L", "R", "AL")), "L") != "L"


def _element(name: str) -> Any:
    from docx.oxml import OxmlElement

    return OxmlElement(name)
