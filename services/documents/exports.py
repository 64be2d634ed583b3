"""Writes a document as text, Markdown or JSON."""

from __future__ import annotations

import json
from collections.abc import Callable

from services.documents.document import Document


def to_txt(document: Document, title: str) -> str:
    """Return the text, pages parted by form feeds as in plain-text tradition."""
    return "\f".join(page.text.rstrip() + "\n" for page in document.pages)


def to_markdown(document: Document, title: str) -> str:
    """Return the text with its title, what the file says of itself, and a heading per page."""
    lines = [f"# {document.metadata.get('title') or title}", ""]
    lines += [f"- {name.replace('_', ' ')}: {value}" for name, value in document.metadata.items()]
    for page in document.pages:
        lines += ["", f"## Page {page.number}", "", page.error or page.text]
    return "\n".join(lines) + "\n"


def to_json(document: Document, title: str) -> str:
    """Return everything, as other programs read it."""
    return json.dumps(document.as_dict(), ensure_ascii=False, indent=2)


FORMATS: dict[str, Callable[[Document, str], str]] = {
    "txt": to_txt,
    "md": to_markdown,
    "json": to_json,
}
