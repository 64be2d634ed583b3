"""Writes a document as text, Markdown, Word, JSON, or the CSV of its tables."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from itertools import chain

from services.cells import as_text
from services.documents.blocks import Block, Heading, Line, Table, blocks
from services.documents.document import Caption, Document
from services.docx import Docx


def to_txt(document: Document, title: str) -> str:
    """Return the text, pages parted by form feeds as in plain-text tradition."""
    return "\f".join(page.text.rstrip() + "\n" for page in document.pages)


def to_markdown(document: Document, title: str) -> str:
    """Return the text with its title, what the file says of itself, headings and tables.

    Captions are paragraphs of their own; comments mark where pages begin.
    """
    lines = [f"# {document.metadata.get('title') or title}", ""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in document.metadata.items()]
    if document.about:
        for heading, text in document.about.lines():
            lines += ["", f"**{heading}:** {' '.join(text.split())}"]
    for page, body in blocks(document):
        lines += ["", f"<!-- page {page.number} -->", ""]
        if page.error:
            lines.append(f"*{page.error}*")
        lines += chain.from_iterable(map(_markdown, body))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).rstrip() + "\n"


def to_docx(document: Document, title: str) -> bytes:
    """Return the same content for word processors, which make pages of their own."""
    facts = dict(document.metadata)
    made = Docx(facts.pop("title", "") or title)
    for name, value in facts.items():
        made.paragraph(value, lead=f"{name.replace('_', ' ').capitalize()}:")
    for heading, text in document.about.lines() if document.about else ():
        made.paragraph(" ".join(text.split()), lead=f"{heading}:")
    for page, body in blocks(document):
        if page.error:
            made.paragraph(page.error, italic=True)
        for block in _paragraphs(body):
            match block:
                case Heading():
                    made.heading(block.level + 1, block.text)
                case Caption():
                    made.paragraph(block.text, lead=block.label)
                case Table():
                    made.table(block.rows)
                case Line():
                    made.paragraph(block.text)
    return made.as_bytes()


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


FORMATS: dict[str, Callable[[Document, str], str | bytes]] = {
    "txt": to_txt,
    "md": to_markdown,
    "docx": to_docx,
    "json": to_json,
    "csv": to_csv,
}


def formats(document: Document) -> list[str]:
    """Return the formats that a document can be written in: CSV only where it has tables."""
    without = () if any(page.tables for page in document.pages) else ("csv",)
    return [name for name in FORMATS if name not in without]


def _paragraphs(body: list[Block]) -> Iterator[Block]:
    """Yield the blocks with the lines of each paragraph joined: those of prose by blanks."""
    held = ""
    for block in [*body, Line("")]:
        if isinstance(block, Line) and block.text:
            held += block.text + (" " if block.flows else "\n")
            continue
        if held:
            yield Line(held.rstrip())
            held = ""
        if not isinstance(block, Line):
            yield block


def _markdown(block: Block) -> list[str]:
    """Return a block's lines in Markdown."""
    match block:
        case Heading():
            return ["", f"{'#' * min(block.level + 1, 6)} {block.text}", ""]
        case Caption():
            return ["", f"**{block.label}** {block.text}".rstrip(), ""]
        case Table():
            return ["", *_markdown_table(block.rows), ""]
        case Line():
            # What means something at the beginning of a line must not do so here.
            return [re.sub(r"^(#+|[-+*>]|\d+[.)])(?=\s)", r"\\\1", block.text)]


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
