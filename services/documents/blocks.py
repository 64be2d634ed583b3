"""Takes a document's pages apart into headings, captions, tables and lines of text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from services.documents.document import Caption, Document, Page
from services.documents.flow import line_breaks
from services.documents.placing import placed_tables

_LARGER = 1.15
"""How much larger than the text a line is at least that is a heading."""
_LONGEST = 120
"""Characters of a heading at most."""


@dataclass(frozen=True)
class Heading:
    """A heading of the document, or of a part of it that is `level` deep, from 1 on."""

    level: int
    text: str


@dataclass(frozen=True)
class Table:
    """A table as rows of cells."""

    rows: list[list[str]]


@dataclass(frozen=True)
class Line:
    """A line of text, empty between paragraphs; `flows` on into the next one in prose."""

    text: str
    flows: bool = False


Block = Heading | Caption | Table | Line


def blocks(document: Document) -> Iterator[tuple[Page, list[Block]]]:
    """Yield each page with its blocks in the order of its text.

    A line is a heading if the document's outline names it, or if its type is larger than the
    text's. Running headers and footers are left out. Tables stand in their place where their
    words are lines of the text, and otherwise at the end.
    """
    named = {(entry.page, _plain(entry.title)): entry.level for entry in document.outline}
    sizes = _heading_sizes(document)
    for page in document.pages:
        placed, others = placed_tables(page)
        tables = {one.first: Table(one.table) for one in placed}
        captions = {caption.line: caption for caption in page.captions}
        within = {c.line + after for c in page.captions for after in range(1, c.lines)}
        within |= {at for one in placed for at in range(one.first + 1, one.end)}
        lines, breaks = page.text.split("\n"), line_breaks(page)
        body: list[Block] = []
        for at in range(page.header, len(lines) - page.footer):
            if at in within:
                continue
            line = lines[at].strip()
            if special := tables.get(at) or captions.get(at):
                body.append(special)
                continue
            box = page.boxes[at] if at < len(page.boxes) else None
            level = named.get((page.number, _plain(line)), 0) if line else 0
            if level := level or _level(line, box, sizes):
                body.append(Heading(level, line))
            else:
                body.append(Line(line, flows=breaks[at] == " "))
        yield page, [*body, *map(Table, others)]


def _level(line: str, box: list[float] | None, sizes: list[float]) -> int:
    """Return the level of the heading that a line is by its size; 0 for text."""
    if box is None or not 2 < len(line) <= _LONGEST:
        return 0
    return next((n for n, size in enumerate(sizes, 1) if box[4] >= size * 0.97), 0)


def _heading_sizes(document: Document) -> list[float]:
    """Return the sizes of type that are headings, the largest first, three at most."""
    letters: Counter[float] = Counter()
    for page in document.pages:
        if page.source == "ocr":
            continue  # heights of boxes, which vary with the letters in them
        for line, box in zip(page.text.split("\n"), page.boxes, strict=False):
            if box is not None:
                letters[round(box[4])] += len(line)
    if not letters:
        return []
    text = letters.most_common(1)[0][0]
    larger = (size for size in letters if size >= text * _LARGER)
    return sorted(larger, reverse=True)[:3]


def _plain(text: str) -> str:
    """Return a heading without its number, its case and its signs."""
    return re.sub(r"^(chapter|appendix)?\W*[\dA-Z]?[\d.]*\s+|\W+", "", text, flags=re.I).casefold()
