"""Counts what a document's pages are while they are read, and says it in sentences."""

from __future__ import annotations

from collections import Counter

from services.documents.document import Page

_NAMED = 10
"""Failed pages that a note names."""


class Tally:
    """Takes the pages of a document one after the other."""

    def __init__(self) -> None:
        self._pages = 0
        self._readers: Counter[str] = Counter()
        self._failed: list[int] = []
        self._scans = 0
        self._sure = 0.0
        self._empty = True

    def add(self, page: Page) -> None:
        """Count the next page."""
        self._pages += 1
        if page.reader:
            self._readers[page.reader] += 1
        if page.error:
            self._failed.append(page.number)
        if page.source == "ocr":
            self._scans += 1
            self._sure += page.confidence or 0
        self._empty = self._empty and not page.text.strip()

    @property
    def readers(self) -> list[str]:
        """What read the pages, what read most of them first."""
        return [reader for reader, _ in self._readers.most_common()]

    @property
    def notes(self) -> list[str]:
        """What a person should know of them."""
        notes = []
        if self._failed:
            more = ", …" if len(self._failed) > _NAMED else ""
            shown = ", ".join(map(str, self._failed[:_NAMED])) + more
            failed, pages = len(self._failed), self._pages
            notes.append(f"{failed} of {pages} pages could not be read: {shown}.")
        if self._scans:
            what = "1 page is a scan" if self._scans == 1 else f"{self._scans} pages are scans"
            sure = self._sure / self._scans
            notes.append(f"{what}, read by OCR with a confidence of {sure:.0%}.")
        if self._empty:
            notes.append("No text was found: the pages may be scans or drawings.")
        return notes
