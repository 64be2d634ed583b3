"""Lets the lines of a paragraph flow: a page on a screen is not as wide as the one on paper."""

from __future__ import annotations

from itertools import groupby

from services.documents.document import Page

_FULL = 0.85
"""Share of its paragraph's width from which on a line counts as full."""
_PROSE = 0.6
"""Share of full lines from which on a paragraph is prose, and no list, verse or program."""


def line_breaks(page: Page) -> list[str]:
    """Return what comes after each line of the page's text: a line end, or a blank in prose."""
    lines = page.text.split("\n")
    breaks = ["\n"] * len(lines)
    if len(page.boxes) != len(lines):
        return breaks
    body = range(page.header, len(lines) - page.footer)
    for has_text, group in groupby(body, key=lambda at: bool(page.boxes[at] and lines[at])):
        paragraph = list(group)
        if not has_text or len(paragraph) < 2:
            continue
        boxes = [box for at in paragraph if (box := page.boxes[at])]
        wide = max(box[2] for box in boxes) - min(box[0] for box in boxes)
        full = [box[2] - box[0] >= _FULL * wide for box in boxes[:-1]]
        if sum(full) >= _PROSE * len(full):
            for at, is_full in zip(paragraph, full, strict=False):
                breaks[at] = " " if is_full else "\n"
    return breaks
