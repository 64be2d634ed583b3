"""The text of each page by the reader that is best for it. Runs in worker processes only."""

from __future__ import annotations

import contextlib
import functools
import logging
from dataclasses import dataclass, field
from typing import Any

from services.documents import fonts
from services.documents.aligned import aligned_tables
from services.documents.captions import captions
from services.documents.document import Caption, Page
from services.documents.pdf_file import PdfFile
from services.documents.pdf_structure import Marks
from services.documents.pdfium_text import Content, PdfiumFile
from services.documents.text import Hyphens, junk_share

log = logging.getLogger(__name__)

_JUNK = 0.3
"""Share of junk from which on text counts as unreadable."""
_FEW = 50
"""Letters up to which a page that images cover counts as a scan: a stamp or a page number."""
_ENOUGH = 2_000
_MUCH = 0.4
"""Share of a page that images cover at least where it is a scan."""
_OUTLINES = 300
"""Drawn shapes from which on a page without text may hold text as shapes."""
_SMALL_STREAM = 60_000
"""Bytes that inflate to less than pypdf's limit whatever they hold (deflate's ratio is 1032)."""


_FORGET_AFTER = 250
"""Pages after which what was read of the file is forgotten, so that memory stays flat."""
_LIMIT = "it goes beyond what a file may unpack to"
_LOST = "it is empty, and the file is damaged or cut off: what it showed may be lost"


@dataclass(frozen=True)
class ReadPage:
    """A page, and what else there is to do with it."""

    page: Page
    scan: bool
    """Whether only OCR can read it."""
    ruled: bool
    """Whether it may hold tables."""
    actions: set[str]
    """What could act on it, in words."""


@dataclass
class _Attempt:
    text: str = ""
    reader: str = ""
    boxes: list[list[float] | None] | None = None
    size: tuple[float, float] = (0.0, 0.0)
    content: Content | None = None
    error: str | None = None
    captions: list[Caption] = field(default_factory=list)
    tables: list[list[list[str]]] = field(default_factory=list)

    @functools.cached_property
    def letters(self) -> int:
        """Letters and digits; of a long text only those at its beginning, until they are many."""
        first = sum(map(str.isalnum, self.text[: 4 * _FEW]))
        return first if first > _FEW else sum(map(str.isalnum, self.text[:_ENOUGH]))

    @functools.cached_property
    def junk(self) -> float:
        return junk_share(self.text)


class PageTexts:
    """Reads the pages of an open file.

    PDFium never gets a file that pypdf stopped at one of its limits: it has none of its own.

    Args:
        readers: What reads, in order: of `pdfium` and `pypdf`.
    """

    def __init__(self, pdf: PdfFile, readers: tuple[str, ...], password: str | None) -> None:
        self._pdf = pdf
        self._readers = readers
        self._password = password
        self._pdfium: PdfiumFile | None = None
        self._pdfium_error: str | None = None
        self._hyphens = Hyphens()
        self._labels = pdf.labels()
        fonts.keep()

    def close(self) -> None:
        """Free what PDFium holds, and the fonts."""
        fonts.forget()
        self._close_pdfium()

    def _forget(self) -> None:
        """Free what the libraries have read of the file, which they keep until they are told."""
        fonts.forget()
        self._pdf.forget()
        if self._pdf.in_memory:  # else it is one open file, which goes with what reads it
            self._close_pdfium()

    def _close_pdfium(self) -> None:
        if self._pdfium is not None:
            self._pdfium.close()
            self._pdfium = None

    def read(self, number: int) -> ReadPage:
        """Return page `number`, from 1; one that cannot be read carries its error."""
        if number % _FORGET_AFTER == 0:
            self._forget()
        tried, within = [], not self._pdf.limited
        for reader in self._readers:
            attempt = self._with_pdfium(number) if reader == "pdfium" else self._with_pypdf(number)
            tried.append(attempt)
            if attempt.error is None and _good(attempt):
                break
        best = min(tried, key=_badness)
        best = tried[-1] if best.error else best  # the safest reader's reason
        content = self._content(number, tried, best)
        if within and self._pdf.limited and not best.letters:
            best.error = best.error or f"This page cannot be read: {_LIMIT}"
        scan = _is_scan(best, content)
        marks = Marks(self._pdf, number)
        text, boxes = self._with_entries(number, best, marks.entries)
        if not text and _is_blank(content) and self._pdf.has_lost(number):
            best.error = best.error or f"This page cannot be read: {_LOST}"
        page = Page(
            number,
            text,
            error=None if best.error is None or scan else best.error,
            reader=best.reader,
            label=self._labels[number - 1] if number <= len(self._labels) else None,
            width=round(best.size[0], 1),
            height=round(best.size[1], 1),
            boxes=boxes,
            links=marks.links,
            annotations=marks.notes,
            images=content.images if content else 0,
            tables=best.tables,
            captions=best.captions,
        )
        return ReadPage(page, scan, content is not None and content.ruled, marks.actions)

    def _with_entries(
        self, number: int, best: _Attempt, entries: list[tuple[str, float]]
    ) -> tuple[str, list[list[float] | None]]:
        """Return text and boxes with what is filled into a form, on the line beside its field.

        No reader counts that as text of the page.
        """
        boxes = list(best.boxes or [])
        lines = best.text.split("\n") if best.text else []
        page = self._pdf.attempt(lambda: self._pdf.page(number)) if entries else None
        for value, middle in entries:
            beside = None
            if page is not None and not page.rotation:
                height = float(page.cropbox.top) - middle
                near = (n for n, box in enumerate(boxes) if box and box[1] <= height <= box[3])
                beside = next(near, None)
            if beside is None:
                lines.append(value)
                boxes += [None] * bool(boxes)
            else:
                lines[beside] += f" {value}"
        return "\n".join(lines), boxes

    def _with_pypdf(self, number: int) -> _Attempt:
        try:
            text = self._pdf.page_text(number)
        except MemoryError:
            raise
        except Exception as error:
            self._pdf.note_limit(error)
            log.info("page %d of %s", number, self._pdf.name, exc_info=True)
            return _Attempt(reader="pypdf", error=_sentence(error))
        lines = self._hyphens.join([line.rstrip() for line in text.splitlines()])
        size = self._pdf.attempt(lambda: _size(self._pdf.page(number))) or (0.0, 0.0)
        return _Attempt("\n".join(lines), "pypdf", size=size)

    def _with_pdfium(self, number: int) -> _Attempt:
        opened = self._opened(number)
        if opened is None:
            reason = self._pdfium_error or _LIMIT
            return _Attempt(reader="pdfium", error=f"This page cannot be read: {reason}")
        try:
            found = opened.text(number)
        except Exception as error:
            return _Attempt(reader="pdfium", error=_sentence(error))
        lines = self._hyphens.join([line.text if line else "" for line in found.lines])
        drawn = found.content.drawn
        return _Attempt(
            "\n".join(lines),
            "pdfium",
            [line.box() if line else None for line in found.lines],
            (found.width, found.height),
            found.content,
            captions=captions(found.lines, lines, drawn, found.width * found.height),
            tables=aligned_tables(found.lines, drawn),
        )

    def _content(self, number: int, tried: list[_Attempt], best: _Attempt) -> Content | None:
        """Return what the page is made of, where that is known or has to be found out."""
        for attempt in tried:
            if attempt.content is not None:
                return attempt.content
        if best.letters > _FEW and best.junk < _JUNK:
            return None  # pypdf alone read it, and well: PDFium need not see it
        opened = self._opened(number)
        if opened is not None:
            with contextlib.suppress(Exception):
                return opened.content(number)
        return None

    def _opened(self, number: int) -> PdfiumFile | None:
        """Return the file as PDFium has it open, or None where it must not or cannot open it."""
        if self._pdf.limited or not self._within_limits(number):
            return None
        if self._pdfium is None and self._pdfium_error is None:
            try:
                self._pdfium = PdfiumFile(self._pdf.content, self._password)
            except Exception as error:
                self._pdfium_error = str(error)
        if self._pdfium is not None and number > self._pdfium.count:
            return None
        return self._pdfium

    def _within_limits(self, number: int) -> bool:
        """Whether pypdf can unpack what the page draws, which no bomb lets it do."""
        self._pdf.attempt(lambda: _unpack(self._pdf.page(number)))
        return not self._pdf.limited


def _unpack(page: Any) -> None:
    contents = page.get("/Contents")
    contents = getattr(contents, "get_object", lambda: None)()
    for stream in contents if isinstance(contents, list) else [contents]:
        stream = getattr(stream, "get_object", lambda: None)()
        if stream is None:
            continue
        filters = stream.get("/Filter")
        nested = isinstance(filters, list) and len(filters) > 1
        if nested or int(stream.get("/Length", _SMALL_STREAM)) >= _SMALL_STREAM:
            stream.get_data()


def _sentence(error: Exception) -> str:
    return f"This page cannot be read: {str(error) or type(error).__name__}"


def _size(page: Any) -> tuple[float, float]:
    wide, high = float(page.cropbox.width), float(page.cropbox.height)
    return (high, wide) if page.rotation % 180 else (wide, high)


def _good(attempt: _Attempt) -> bool:
    if attempt.letters:
        return attempt.junk < _JUNK
    return attempt.content is None or not attempt.content.texts


def _badness(attempt: _Attempt) -> tuple[bool, bool, float]:
    return attempt.error is not None, not attempt.letters, attempt.junk


def _is_blank(content: Content | None) -> bool:
    return content is None or not (content.texts or content.paths or content.images)


def _is_scan(best: _Attempt, content: Content | None) -> bool:
    """Whether there is something to read on the page that is not in its text."""
    if content is None:
        return False
    if best.letters and best.junk >= _JUNK:
        return True
    if best.letters > _FEW:
        return False
    if content.image_share >= _MUCH:
        return True
    return not best.letters and (content.texts > 0 or content.paths >= _OUTLINES)
