"""From words with boxes to lines in the order in which people read them.

A PDF's words come in the order in which its producer drew them, which nearly always is the order
of reading. It is left alone but where words of two columns take turns: then, between lines that
cross the gutter, each column is read to its end (the band-and-gutter case of the recursive X-Y
cut of Nagy and Seth, 1984).
"""

from __future__ import annotations

import unicodedata
from itertools import pairwise
from statistics import median, median_low
from typing import NamedTuple

_GAP = 1.6
"""Space between words, in sizes of type, from which on they are two pieces of a line."""

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in points from the top left corner of the page as it is shown."""


class Word(NamedTuple):
    """A word and its box, in points from the top left corner of the page as it is shown."""

    text: str
    left: float
    top: float
    right: float
    bottom: float
    size: float


class Line:
    """Words on one line, in the order in which they are read, with the box around them."""

    __slots__ = ("bottom", "left", "parts", "right", "size", "top", "words")

    def __init__(self, words: list[Word]) -> None:
        self.words = words
        self.parts: list[Line] | None = None
        _, lefts, tops, rights, bottoms, sizes = zip(*words, strict=True)
        self.left: float = min(lefts)
        self.top: float = min(tops)
        self.right: float = max(rights)
        self.bottom: float = max(bottoms)
        self.size: float = sorted(sizes)[len(sizes) // 2]

    @property
    def text(self) -> str:
        """The words with spaces between them."""
        return " ".join([word.text for word in self.words])

    def box(self) -> list[float]:
        """Return left, top, right, bottom and size of type, to a tenth of a point."""
        edges = (self.left, self.top, self.right, self.bottom, self.size)
        return [round(value, 1) for value in edges]


def arrange(lines: list[list[Word]]) -> list[Line]:
    """Return lines in reading order, from the lines that a reader of the file found."""
    found = [Line(words) for words in lines if words]
    parts = [piece for line in found for piece in pieces_of(line)]
    if len(parts) == len(found):
        return found  # no line has a gap in it: nothing runs across a gutter
    gutter = _gutter(parts)
    if gutter is None or not _takes_turns(parts, gutter):
        return found
    return _by_columns(parts, gutter)


def is_rtl(text: str) -> bool:
    """Whether most letters of `text` are written from right to left."""
    if text.isascii():
        return False
    kinds = [unicodedata.bidirectional(character) for character in text]
    return kinds.count("R") + kinds.count("AL") > kinds.count("L")


def paragraphs(lines: list[Line]) -> list[Line | None]:
    """Return the lines with None where the space to the next one shows a new paragraph.

    That is more space than there usually is between the lines of this page.
    """
    gaps = [after.top - before.bottom for before, after in pairwise(lines)]
    usual = median_low([max(gap, 0.0) for gap in gaps]) if len(gaps) > 1 else 0.0
    spaced: list[Line | None] = lines[:1]  # type: ignore[assignment]
    for gap, before, line in zip(gaps, lines, lines[1:], strict=False):
        size = max(line.size, before.size)
        wider = gap > 0.55 * size and gap > 1.35 * usual + 0.1 * size
        if wider or gap < -2 * line.size:  # or up again, to another column
            spaced.append(None)
        spaced.append(line)
    return spaced


def pieces_of(line: Line) -> list[Line]:
    """Return the parts of a line that wide gaps keep apart: the cells of a row, or columns."""
    if line.parts is None:
        line.parts = _pieces(line)
    return line.parts


def _pieces(line: Line) -> list[Line]:
    parts = []
    begun = 0
    words = line.words
    before = words[0]
    for at, word in enumerate(words):
        gap = word.left - before.right if word.left > before.left else before.left - word.right
        if gap > _GAP * word.size and gap > _GAP * before.size:
            parts.append(Line(words[begun:at]))
            begun = at
        before = word
    return [*parts, Line(words[begun:])] if parts else [line]


def _gutter(pieces: list[Line]) -> float | None:
    """Return the middle of the white strip between two columns of prose, or None."""
    prose = [piece for piece in pieces if len(piece.words) >= 3]
    if len(prose) < 6:
        return None
    best: tuple[int, float] | None = None
    for place in {round(piece.left, 1) for piece in prose}:
        x = place - 1.0
        left = [p for p in prose if p.right <= x]
        right = [p for p in prose if p.left >= x]
        crossing = len(prose) - len(left) - len(right)
        if min(len(left), len(right)) < 3 or crossing > len(prose) // 3:
            continue
        overlap = min(max(p.bottom for p in left), max(p.bottom for p in right)) - max(
            min(p.top for p in left), min(p.top for p in right)
        )
        if overlap < 3 * median(p.size for p in prose):
            continue  # one above the other, and not beside it
        weight = min(len(left), len(right)) - crossing
        if best is None or weight > best[0]:
            best = (weight, (max(p.right for p in left) + min(p.left for p in right)) / 2)
    return None if best is None else best[1]


def _takes_turns(pieces: list[Line], gutter: float) -> bool:
    """Whether the words of the two columns come in turns and not one column after the other."""
    sides = [piece.left >= gutter for piece in pieces if not _crosses(piece, gutter)]
    turns = sum(a != b for a, b in pairwise(sides))
    return turns > max(3, len(sides) // 4)


def _crosses(piece: Line, gutter: float) -> bool:
    return piece.left < gutter < piece.right


def _by_columns(pieces: list[Line], gutter: float) -> list[Line]:
    """Return the pieces column by column within the bands that crossing lines part."""
    ordered: list[Line] = []
    band: list[Line] = []

    def flush() -> None:
        rtl = sum(is_rtl(piece.text) for piece in band) * 2 > len(band)
        for side in (rtl, not rtl):
            column = [piece for piece in band if (piece.left >= gutter) == side]
            ordered.extend(_merge(sorted(column, key=lambda p: p.top)))
        band.clear()

    for piece in sorted(pieces, key=lambda p: p.top):
        if _crosses(piece, gutter):
            flush()
            ordered.append(piece)
        else:
            band.append(piece)
    flush()
    return ordered


def _merge(pieces: list[Line]) -> list[Line]:
    """Return pieces that stand on one line within their column as that line."""
    merged: list[Line] = []
    for piece in pieces:
        if merged and piece.top < merged[-1].top + 0.5 * merged[-1].size:
            merged[-1] = Line(
                sorted(
                    merged[-1].words + piece.words,
                    key=lambda w: w.left,
                    reverse=is_rtl(piece.text),
                )
            )
        else:
            merged.append(piece)
    return merged
