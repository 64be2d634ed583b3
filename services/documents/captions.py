"""Finds the captions of figures and tables: “Figure 3: …” beside something that is drawn.

A line is one only if it begins a block of its own, names itself as captions do, and stands beside
an image, a drawing or the rules of a table: a sentence that happens to begin a line with
“Figure 3.” is none.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from services.documents.document import Caption
from services.documents.layout import Box, Line, pieces_of

_NEAR = 60.0
"""Points between a caption and what it belongs to: room for the labels of an axis."""
_ASIDE = 150.0
"""Points that a short caption may stand to the side of what it is under or above."""
_MOST_LINES = 12
_SAME_SIZE = 0.08
_PAPER = 0.8
"""Share of a page from which on what is drawn is its ground, and no figure."""

_LABEL = re.compile(
    r"((?i:figure|fig\.?|table|tab\.|plate|chart|scheme|exhibit"
    r"|abbildung|abb\.|tabelle|tableau|figura|tabla|cuadro|tabella|tabela|figuur|tabel)"
    r"\s*(?:[A-Z]{1,2}[.-]?)?(?:\d+(?:[.\-\u2013]\d+)*[a-z]?|[IVXL]+\b))"
    # After the number comes a sign, the end of the line, or a title: a sentence goes on small.
    r"(?:\s*[:.|)\u2013\u2014](?=\s|$)|\s*$|(?=\s+[(\"“]?[A-ZÀ-ÞА-Я]))\s*"
)
_LEADER = re.compile(r"(?:\.\s?){4,}")
"""The dots of a list of figures."""


def captions(
    lines: Sequence[Line | None], texts: Sequence[str], drawn: Sequence[Box], page_area: float
) -> list[Caption]:
    """Return the captions on a page, in the order of its text.

    Args:
        lines: The page's lines, None where a paragraph ends.
        texts: The text of each of them.
        drawn: What is drawn on the page: images, shapes, rules.
        page_area: Of the page, in square points.
    """
    found: list[Caption] = []
    for at, text in enumerate(texts[: len(lines)]):
        named = _LABEL.match(text)
        if named is None or _LEADER.search(text) or not _begins_block(lines, at):
            continue
        figures = [box for box in drawn if _area(box) < _PAPER * page_area]
        end = _end(lines, at)
        block = [one for one in lines[at:end] if one is not None]
        if any(_beside(block, box) for box in figures):
            title = " ".join([text[named.end() :], *texts[at + 1 : end]]).strip()
            found.append(Caption(named[1], title, at, end - at))
    return found


def _begins_block(lines: Sequence[Line | None], at: int) -> bool:
    line, before = lines[at], lines[at - 1] if at else None
    return line is not None and (before is None or not _same_type(before, line))


def _end(lines: Sequence[Line | None], at: int) -> int:
    """Return the index behind the last line of the block that begins at `at`."""
    first = lines[at]
    end = at + 1
    while end < min(len(lines), at + _MOST_LINES):
        line, before = lines[end], lines[end - 1]
        if line is None or before is None or first is None:
            break
        if not _same_type(first, line) or line.top < before.top or len(pieces_of(line)) > 1:
            break  # other type, another column, or the first row of the table
        end += 1
    return end


def _same_type(one: Line, other: Line) -> bool:
    return abs(one.size - other.size) <= _SAME_SIZE * max(one.size, other.size)


def _beside(block: list[Line], box: Box) -> bool:
    """Whether something drawn is above, below, around or next to the lines of a caption."""
    left, right = min(line.left for line in block), max(line.right for line in block)
    top, bottom = block[0].top, max(line.bottom for line in block)
    across = max(box[0] - right, left - box[2])
    down = max(box[1] - bottom, top - box[3])
    return (across <= _ASIDE and down <= _NEAR) or (down <= 0 and across <= _NEAR)


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
