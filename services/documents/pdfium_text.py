"""Reads the text of pages with PDFium, with the place of every line. In worker processes only."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from typing import Any

import pypdfium2 as pdfium
import pypdfium2.raw as raw

from services.documents.layout import Box, Line, Word, arrange, is_rtl, paragraphs
from services.documents.text import clean

READER = f"pdfium {pdfium.PDFIUM_INFO.build}"

_LINE = re.compile(r"[^\r\n]+")
_WORD = re.compile(r"[^\s\x00]+")
_measure = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p)(
    ctypes.cast(raw.FPDFText_GetLooseCharBox, ctypes.c_void_p).value or 0
)
"""Writes left, top, right and bottom of a character. It is called for every word of a document,
and with addresses in half the time: there is nothing to convert."""
_MOST_OBJECTS = 50_000
_MOST_RULES = 1_000
_THICK = 3.0
"""Points that a line is thick at most."""


@dataclass(frozen=True)
class Content:
    """What a page is made of: objects of each kind, and the share of it that images cover."""

    texts: int
    paths: int
    images: int
    image_share: float
    ruled: bool
    """Whether lines or boxes are drawn on it as around the cells of tables."""
    drawn: list[Box]
    """Where images, shapes and rules are."""


@dataclass(frozen=True)
class FoundText:
    """A page's lines, None where a paragraph ends, with the page's size as it is shown."""

    lines: list[Line | None]
    width: float
    height: float
    content: Content


class PdfiumFile:
    """A file that PDFium has open; `close` frees it.

    Raises:
        PdfiumError: it cannot be opened.
    """

    def __init__(self, content: Any, password: str | None) -> None:
        self._document = pdfium.PdfDocument(content, password=password)
        self.count = len(self._document)
        self.in_memory = isinstance(content, bytes)
        self._content = content

    def close(self) -> None:
        """Free the file."""
        self._document.close()
        if not self.in_memory:
            self._content.close()

    def page(self, number: int) -> Any:
        """Return page `number` (from 1) as PDFium has it; the caller closes it."""
        return self._document[number - 1]

    def text(self, number: int) -> FoundText:
        """Return the text of page `number` (from 1) in reading order."""
        page = self._document[number - 1]
        try:
            width, height = page.get_size()
            shown = _Shown(page)
            if shown.rotation:
                page.set_rotation(0)  # or PDFium puts the lines of a turned page out of order
            text_page = page.get_textpage()
            try:
                lines = _lines(text_page, shown)
            finally:
                text_page.close()
            content = _content(page, shown)
        finally:
            page.close()
        return FoundText(paragraphs(arrange(lines)), width, height, content)

    def content(self, number: int) -> Content:
        """Say what page `number` (from 1) is made of."""
        page = self._document[number - 1]
        try:
            return _content(page, _Shown(page))
        finally:
            page.close()


class _Shown:
    """Turns PDFium's coordinates of a page into points from the top left as it is shown."""

    def __init__(self, page: Any) -> None:
        self.left, self._bottom, self._right, self.top = page.get_bbox()
        self.rotation = page.get_rotation()

    def __call__(
        self, left: float, bottom: float, right: float, top: float
    ) -> tuple[float, float, float, float]:
        a, b = left - self.left, right - self.left
        c, d = bottom - self._bottom, top - self._bottom
        wide, high = self._right - self.left, self.top - self._bottom
        if self.rotation == 90:
            return c, a, d, b
        if self.rotation == 180:
            return wide - b, c, wide - a, d
        if self.rotation == 270:
            return high - d, wide - b, high - c, wide - a
        return a, high - d, b, high - c


def _lines(text_page: Any, shown: _Shown) -> list[list[Word]]:
    """Return the words of each line, in the order of the file.

    This is where most of the time of a page goes, and so it is written for speed.
    """
    text, index = _characters(text_page)
    box = memoryview(bytearray(16)).cast("f")
    handle = ctypes.cast(text_page.raw, ctypes.c_void_p).value
    target = ctypes.addressof((ctypes.c_float * 4).from_buffer(box))
    measure, new_word = _measure, tuple.__new__
    upright, page_left, page_top = shown.rotation == 0, shown.left, shown.top
    turned = shown.rotation % 180 == 90  # a line of type is as high as its characters are wide
    lines = []
    for line in _LINE.finditer(text):
        words = []
        plain = line[0].isascii() and line[0].isprintable()
        for found in _WORD.finditer(text, *line.span()):
            start, end = found.span()
            end -= 1
            if index is not None:
                start, end = index[start], index[end]
            measure(handle, start, target)
            left, top, right, bottom = box
            first = left
            size = right - left if turned else top - bottom
            if end != start:
                measure(handle, end, target)
                last_left, last_top, last_right, last_bottom = box
                if last_left < left:
                    left = last_left
                if last_bottom < bottom:
                    bottom = last_bottom
                if last_right > right:
                    right = last_right
                if last_top > top:
                    top = last_top
            word = found[0]
            if not (plain or (word.isascii() and word.isprintable())):
                # PDFium leaves some words as they are drawn; letters tell by where they stand.
                if end > start and first < last_left and is_rtl(word):
                    word = word[::-1]
                word = clean(word)
                if not word:
                    continue
            if upright:
                left, right = left - page_left, right - page_left
                top, bottom = page_top - top, page_top - bottom
            else:
                left, top, right, bottom = shown(left, bottom, right, top)
            words.append(new_word(Word, (word, left, top, right, bottom, size)))
        lines.append(words)
    return lines


def _characters(text_page: Any) -> tuple[str, list[int] | None]:
    """Return the text and, where they differ, the index that PDFium gives each character."""
    text: str = text_page.get_text_range()
    count = text_page.count_chars()
    if len(text) == count:
        return text, None
    # Characters beyond the first plane, and ones without a meaning, shift what follows.
    read = raw.FPDFText_GetUnicode
    handle = text_page.raw
    characters, index = [], []
    high = 0
    for at in range(count):
        code = read(handle, at)
        if 0xD800 <= code < 0xDC00:
            high = code
            continue
        if 0xDC00 <= code < 0xE000 and high:
            code = 0x10000 + ((high - 0xD800) << 10) + (code - 0xDC00)
        high = 0
        if code:
            characters.append(chr(code))
            index.append(at)
    return "".join(characters), index


def _content(page: Any, shown: _Shown) -> Content:
    width, height = page.get_size()
    left, bottom, right, top = page.get_bbox()
    images = paths = texts = 0
    levels: set[int] = set()
    uprights: set[int] = set()
    covered = 0.0
    drawn = []
    edges = [ctypes.c_float() for _ in range(4)]
    references = [ctypes.byref(edge) for edge in edges]
    count = min(raw.FPDFPage_CountObjects(page.raw), _MOST_OBJECTS)
    for at in range(count):
        item = raw.FPDFPage_GetObject(page.raw, at)
        kind = raw.FPDFPageObj_GetType(item)
        if kind == raw.FPDF_PAGEOBJ_TEXT:
            texts += 1
        elif kind == raw.FPDF_PAGEOBJ_PATH:
            paths += 1
            if paths <= _MOST_RULES and raw.FPDFPageObj_GetBounds(item, *references):
                x0, y0, x1, y1 = (edge.value for edge in edges)
                drawn.append(shown(x0, y0, x1, y1))
                if x1 - x0 > 15:  # a level line, or a box
                    levels.update(_edges(y0, y1))
                if y1 - y0 > 5:  # an upright line, or a box
                    uprights.update(_edges(x0, x1))
        elif kind in (raw.FPDF_PAGEOBJ_IMAGE, raw.FPDF_PAGEOBJ_FORM):
            images += kind == raw.FPDF_PAGEOBJ_IMAGE
            if raw.FPDFPageObj_GetBounds(item, *references):
                x0, y0, x1, y1 = (edge.value for edge in edges)
                drawn.append(shown(x0, y0, x1, y1))
                wide = max(0.0, min(x1, right) - max(x0, left))
                high = max(0.0, min(y1, top) - max(y0, bottom))
                covered += wide * high
    share = min(1.0, covered / max(width * height, 1.0))
    ruled = len(levels) >= 3 and len(uprights) >= 3  # two rows and two columns
    return Content(texts, paths, images, share, ruled, drawn[:_MOST_RULES])


def _edges(low: float, high: float) -> tuple[int, ...]:
    """Return where the edges of a shape are; of a line, which may be a thin box, its middle."""
    if high - low <= _THICK:
        return (round((low + high) / 2),)
    return round(low), round(high)
