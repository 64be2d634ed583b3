"""Writes a document as text, Markdown, JSON, or the CSV of its tables."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable

from services.cells import as_text
from services.documents.document import Document, Page
from services.documents.placing import Placed, placed_tables

_LARGER = 1.15
"""How much larger than the text a line is at least that is a heading."""
_LONGEST = 120
"""Characters of a heading at most."""


def to_txt(document: Document, title: str) -> str:
    """Return the text, pages parted by form feeds as in plain-text tradition."""
    return "\f".join(page.text.rstrip() + "\n" for page in document.pages)


def to_markdown(document: Document, title: str) -> str:
    """Return the text with its title, what the file says of itself, headings and tables.

    A line is a heading if the document's outline names it, or if its type is larger than the
    text's. Captions are paragraphs of their own, and tables stand in their place. Running headers
    and footers are left out; comments mark where pages begin.
    """
    lines = [f"# {document.metadata.get('title') or title}", ""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in document.metadata.items()]
    if document.about:
        for heading, text in document.about.lines():
            lines += ["", f"**{heading}:** {' '.join(text.split())}"]
    named = {(entry.page, _plain(entry.title)): entry.level for entry in document.outline}
    sizes = _heading_sizes(document)
    for page in document.pages:
        lines += ["", f"<!-- page {page.number} -->", ""]
        if page.error:
            lines.append(f"*{page.error}*")
        placed, others = placed_tables(page)
        lines += _body(page, named, sizes, placed)
        for table in others:
            lines += ["", *_markdown_table(table)]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def to_json(document: Document, title: str) -> str:
    """Return everything, as other programs read it."""
    return json.dumps(document.as_dict(), ensure_ascii=False, indent=2)


def to_csv(document: Document, title: str) -> str:
    """Return the tables: each row with its page, the table's number on it, and its cells."""
    target = io.StringIO()
    target.write("\ufeff")  # Excel takes a file without it for one in the system's old encoding
    writer = csv.writer(target)
    for page in document.pages:
        for number, table in enumerate(page.tables, start=1):
            writer.writerows([page.number, number, *map(as_text, row)] for row in table)
    return target.getvalue()


FORMATS: dict[str, Callable[[Document, str], str]] = {
    "txt": to_txt,
    "md": to_markdown,
    "json": to_json,
    "csv": to_csv,
}


def formats(document: Document) -> list[str]:
    """Return the formats that a document can be written in: CSV only where it has tables."""
    without = () if any(page.tables for page in document.pages) else ("csv",)
    return [name for name in FORMATS if name not in without]


def _body(
    page: Page,
    named: dict[tuple[int | None, str], int],
    sizes: list[float],
    placed: list[Placed],
) -> list[str]:
    """Return the lines of a page in Markdown, without running headers and footers."""
    lines = page.text.split("\n")
    body = []
    captions = {caption.line: caption for caption in page.captions}
    within = {c.line + after for c in page.captions for after in range(1, c.lines)}
    tables = {one.first: one.table for one in placed}
    within |= {at for one in placed for at in range(one.first + 1, one.end)}
    for index in range(page.header, len(lines) - page.footer):
        line = lines[index].strip()
        if index in within:
            continue
        if index in tables:
            body += ["", *_markdown_table(tables[index]), ""]
            continue
        if index in captions:
            body += ["", f"**{captions[index].label}** {captions[index].text}".rstrip(), ""]
            continue
        box = page.boxes[index] if index < len(page.boxes) else None
        level = named.get((page.number, _plain(line)), 0) if line else 0
        if not level and box is not None and 2 < len(line) <= _LONGEST:
            level = next((n for n, size in enumerate(sizes, 1) if box[4] >= size * 0.97), 0)
        # What means something in Markdown at the beginning of a line must not do so here.
        safe = re.sub(r"^(#+|[-+*>]|\d+[.)])(?=\s)", r"\\\1", line)
        body += ["", f"{'#' * min(level + 1, 6)} {line}", ""] if level else [safe]
    return body


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


def _markdown_table(table: list[list[str]]) -> list[str]:
    """Return a table as GitHub's Markdown has it; its first row is the head."""
    columns = max(map(len, table))
    rows = [
        [cell.replace("|", "\\|").replace("\n", "<br>") for cell in row]
        + [""] * (columns - len(row))
        for row in table
    ]
    rows.insert(1, ["---"] * columns)
    return [f"| {' | '.join(row)} |" for row in rows]
