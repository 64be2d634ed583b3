"""Search inside one document: where a phrase is, whatever its case and line ends."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from services.documents.document import Document

_AROUND = 30


@dataclass(frozen=True)
class Hit:
    """A place where the phrase is: its page, and the words around it."""

    page: int
    before: str
    match: str
    after: str


def find(document: Document, query: str, limit: int) -> list[Hit]:
    """Return where `query` is, in the order of reading, `limit` places at most."""
    if not query.strip():
        return []
    pattern = _pattern(query)
    hits: list[Hit] = []
    for page in document.pages:
        for found in pattern.finditer(page.text):
            start, end = found.span()
            before = _flat(page.text[max(0, start - _AROUND) : start])
            after = _flat(page.text[end : end + _AROUND])
            if start > _AROUND:
                before = before.partition(" ")[2]  # no half of a word
            if end + _AROUND < len(page.text):
                after = after.rpartition(" ")[0]
            hits.append(Hit(page.number, before, _flat(found[0]), after))
            if len(hits) == limit:
                return hits
    return hits


def spans(line: str, query: str) -> list[tuple[int, int]]:
    """Return where in one line `query` is, as (start, end)."""
    return [found.span() for found in _pattern(query).finditer(line)] if query.strip() else []


@functools.lru_cache(maxsize=64)
def _pattern(query: str) -> re.Pattern[str]:
    words = (re.escape(word) for word in query.split())
    return re.compile(r"\s+".join(words), re.IGNORECASE)


def _flat(text: str) -> str:
    return re.sub(r"(?:\s?\.){5,}", " … ", re.sub(r"\s+", " ", text))
