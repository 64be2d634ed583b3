"""Reads a whole document through worker processes."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from services.documents.document import (
    NEEDS_PASSWORD,
    Document,
    OutlineEntry,
    PackedPages,
    Page,
    page_from,
)
from services.documents.furniture import Furniture
from services.documents.process import DocumentProcess
from services.documents.tally import Tally
from services.errors import UnreadableDocument, WorkerDied

READERS = {"auto": ("pdfium", "pypdf"), "pypdf": ("pypdf",), "pdfium": ("pdfium",)}
"""What reads a page, in this order, until one gives good text. PDFium comes first because it
reads more words right and is faster; `benchmarks/results/documents.txt` compares them."""

_BEAT = 1.0

Progress = Callable[[int, int, str], bool]
"""Takes the pages read, the pages in all and what is being done; False ends the reading."""


@dataclass(frozen=True)
class How:
    """How a document is read.

    Args:
        reader: `auto`, `pypdf` or `pdfium`.
        password: Opens the file, if it needs one.
        timeout: Seconds for the whole file; what is not read then is missing from the result.
        ocr: What reads scans: `auto`, `tesseract`, `rapidocr` or `off`.
        languages: Of scans, as Tesseract names them, joined by `+`.
    """

    reader: str = "auto"
    password: str | None = None
    timeout: float = float("inf")
    ocr: str = "auto"
    languages: str = "eng"


class Stopped(Exception):
    """The reading was ended from outside."""


def read_document(
    process: DocumentProcess,
    path: Path,
    name: str,
    on_page: Progress,
    how: How = How(),
    ocr: DocumentProcess | None = None,
) -> Document | None:
    """Return the document at `path`.

    A page that ends the worker process costs only itself: reading goes on behind it.

    Args:
        process: Reads the text.
        ocr: Reads what is scanned; without it, scans stay without text.
        name: What the person calls the file, for messages.

    Returns:
        The document, or None when `on_page` ended the reading.

    Raises:
        UnreadableDocument: the file cannot be opened.
        PasswordNeeded: it needs a password, or another one.
    """
    reading = _Reading(process, path, name, on_page, how, ocr)
    try:
        return reading.document()
    except Stopped:
        return None


class _Reading:
    """One document while it is read."""

    def __init__(
        self,
        process: DocumentProcess,
        path: Path,
        name: str,
        on_page: Progress,
        how: How,
        ocr: DocumentProcess | None,
    ) -> None:
        self._ocr = ocr if how.ocr != "off" else None
        self._process = process
        self._path = path
        self._name = name
        self._on_page = on_page
        self._how = how
        self._end = time.monotonic() + how.timeout
        self._opened: dict[str, Any] = {}
        self._pages = PackedPages()
        self._furniture = Furniture()
        self._tally = Tally()
        self._actions: set[str] = set()
        self._readers = READERS[how.reader]
        self._ruled: list[int] = []

    def document(self) -> Document:
        """Read the pages, and put them together."""
        while not self._opened or len(self._pages) < self._opened["count"]:
            try:
                self._read_on()
            except WorkerDied as error:
                self._after_death(error)
        self._find_tables()
        return self._assembled()

    def _read_on(self) -> None:
        events = self._process.call(
            "read",
            beat=_BEAT,
            path=str(self._path),
            name=self._name,
            password=self._how.password,
            first=len(self._pages) + 1,
            readers=self._readers,
        )
        try:
            for event in events:
                if event["event"] == "opened":
                    self._opened = self._opened or event
                    self._actions.update(event["actions"])
                elif event["event"] == "page":
                    self._take(event)
                self._tell("reading")
                if time.monotonic() > self._end:
                    self._give_up_rest()
                    return
        finally:
            events.close()  # type: ignore[attr-defined]  # a generator: ends what is not finished

    def _take(self, event: dict[str, Any]) -> None:
        page = page_from(event["page"])
        self._actions.update(event["actions"])
        if event["ruled"]:
            self._ruled.append(page.number)
        if event["scan"] and self._ocr is not None:
            page = self._scanned(page, self._ocr)
        self._add(page)

    def _add(self, page: Page) -> None:
        self._pages.append(page)
        self._furniture.look_at(page)
        self._tally.add(page)

    def _scanned(self, page: Page, process: DocumentProcess) -> Page:
        """Return a page that is a scan with what OCR reads on it."""
        events = process.call(
            "ocr",
            beat=_BEAT,
            path=str(self._path),
            number=page.number,
            password=self._how.password,
            engine=self._how.ocr,
            languages=self._how.languages,
        )
        seen = None
        try:
            with closing(events):  # type: ignore[type-var]
                for event in events:
                    self._tell("reading a scan")
                    if event["event"] == "page":
                        seen = page_from(event["page"])
        except (WorkerDied, UnreadableDocument) as error:
            reason = str(error).rstrip(".")
            return replace(page, error=f"This page is a scan and cannot be read: {reason}.")
        if seen is None or not seen.text.strip():
            return page
        return replace(
            page,
            text=seen.text,
            source="ocr",
            reader=seen.reader,
            width=seen.width,
            height=seen.height,
            boxes=seen.boxes,
            confidence=seen.confidence,
            error=None,
            tables=[],
            captions=[],
        )

    def _tell(self, stage: str) -> None:
        if not self._on_page(len(self._pages), self._opened.get("count", 0), stage):
            raise Stopped

    def _after_death(self, error: WorkerDied) -> None:
        """Go on behind a page that ended the worker, or at it with what is left to try."""
        if not self._opened:
            raise UnreadableDocument(
                f"“{self._name}” cannot be opened: {error}. It may be damaged or built to do harm; "
                "print it to a new PDF and upload that."
            ) from error
        # What ended pypdf is not for PDFium, which has no limits of its own.
        left = tuple(reader for reader in self._readers if reader != "pdfium")
        if left and left != self._readers:
            self._readers = left
            return
        number = len(self._pages) + 1
        self._add(Page(number, "", error=f"This page cannot be read: {error}."))

    def _find_tables(self) -> None:
        """Add the tables of pages that may have some; a page that ends the worker has none."""
        while self._ruled and time.monotonic() < self._end:
            events = self._process.call(
                "tables",
                beat=_BEAT,
                path=str(self._path),
                name=self._name,
                password=self._how.password,
                numbers=self._ruled,
            )
            try:
                with closing(events):  # type: ignore[type-var]
                    for event in events:
                        self._tell("looking for tables")
                        if event["event"] == "tables":
                            index = event["number"] - 1
                            if event["tables"]:  # else those that were found without lines stay
                                page = replace(self._pages[index], tables=event["tables"])
                                self._pages[index] = page
                            self._ruled.remove(event["number"])
                        if time.monotonic() > self._end:
                            return
                return
            except WorkerDied:
                self._ruled.pop(0)
            except UnreadableDocument:
                return

    def _give_up_rest(self) -> None:
        reason = f"This page was not read: the document took longer than {self._how.timeout:.0f} s."
        for number in range(len(self._pages) + 1, self._opened.get("count", 0) + 1):
            self._add(Page(number, "", error=reason))

    def _assembled(self) -> Document:
        opened = self._opened
        self._pages.furniture = self._furniture.found()
        return Document(
            metadata=opened["metadata"],
            pages=self._pages,
            outline=[OutlineEntry(**entry) for entry in opened["outline"]],
            engine=", ".join(self._tally.readers),
            notes=self._tally.notes,
            findings=_findings(opened, self._actions),
            attachments=opened["attachments"],
            fields=opened["fields"],
        )


def _findings(opened: dict[str, Any], actions: set[str]) -> list[str]:
    found = sorted(actions)
    if count := len(opened["attachments"]):
        found.append("1 attached file" if count == 1 else f"{count} attached files")
    if opened["locked"]:
        found.append(NEEDS_PASSWORD)
    elif opened["encrypted"]:
        found.append("encryption that needs no password")
    if opened["repaired"]:
        found.append("damage, repaired before reading")
    return found
