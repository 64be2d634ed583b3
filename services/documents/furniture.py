"""Finds running headers and footers: lines that come again at the edges of many pages."""

from __future__ import annotations

import re
import sys
from collections import Counter

from services.documents.document import Page

_LINES = 2
"""Lines at an edge that are looked at."""
_LEAST = 3
"""Pages on which a line has to come again."""
_NEAR = 8
"""A line comes again if it does so within so many pages: chapters have headers of their own."""


class Furniture:
    """Looks at the pages of a document one after the other, and then says what came again.

    Two lines are one if they differ in nothing but their digits.
    """

    def __init__(self) -> None:
        self._tops: list[list[tuple[str, int]]] = []
        self._bottoms: list[list[tuple[str, int]]] = []

    def look_at(self, page: Page) -> None:
        """Take the next page."""
        self._tops.append(_edge(page, from_end=False))
        self._bottoms.append(_edge(page, from_end=True))

    def found(self) -> list[tuple[int, int]]:
        """Return for each page how many of its lines are a running header, and a footer."""
        return list(zip(_depths(self._tops), _depths(self._bottoms), strict=True))


def _edge(page: Page, from_end: bool) -> list[tuple[str, int]]:
    """Return the outermost lines with text, and how many lines deep each is."""
    lines = page.text.split("\n")
    if from_end:
        lines.reverse()
    found = [(line, depth) for depth, line in enumerate(lines, start=1) if line.strip()]
    if len(found) <= 2 * _LINES:
        found = found[:1] if len(found) > 2 else []
    return [
        (sys.intern(re.sub(r"\d+|\b[ivxlc]+\b", "#", line.strip())), depth)
        for line, depth in found[:_LINES]
    ]


def _depths(edges: list[list[tuple[str, int]]]) -> list[int]:
    """Return for each page how many lines at its edge are furniture."""
    counts = Counter(line for edge in edges for line, _ in edge)
    again: set[tuple[int, str]] = set()  # page and line, where the line comes again nearby
    last: dict[str, int] = {}
    for index, edge in enumerate(edges):
        for line in {line for line, _ in edge if counts[line] >= _LEAST}:
            before = last.get(line)
            if before is not None and index - before <= _NEAR:
                again |= {(before, line), (index, line)}
            last[line] = index
    depths = []
    for index, edge in enumerate(edges):
        depth = 0
        for line, deep in edge:
            if (index, line) not in again:
                break
            depth = deep
        depths.append(depth)
    return depths
