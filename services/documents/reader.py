"""Reads a whole document through a worker process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from services.documents.document import Document, OutlineEntry, Page
from services.documents.process import DocumentProcess
from services.errors import UnreadableDocument, WorkerDied


def read_document(
    process: DocumentProcess, path: Path, name: str, on_page: Callable[[int, int], bool]
) -> Document | None:
    """Return the document at `path`.

    A page that ends the worker process costs only itself: reading goes on behind it.

    Args:
        name: What the person calls the file, for messages.
        on_page: Called with the pages read and the pages in all; False ends the reading.

    Returns:
        The document, or None when `on_page` ended the reading.

    Raises:
        UnreadableDocument: the file cannot be opened.
    """
    pages: list[Page] = []
    opened = None
    while True:
        count = 0
        try:
            for event in process.call("read", path=str(path), name=name, first=len(pages) + 1):
                if event.pop("event") == "opened":
                    opened, count = event, event["count"]
                else:
                    pages.append(Page(**event))
                if not on_page(len(pages), opened["count"] if opened else 0):
                    process.close()
                    return None
            break
        except WorkerDied as error:
            if count == 0:
                raise UnreadableDocument(
                    f"“{name}” cannot be opened: {error}. It may be damaged or built to do harm; "
                    "print it to a new PDF and upload that."
                ) from error
            pages.append(Page(len(pages) + 1, "", error=f"This page cannot be read: {error}."))
            if len(pages) >= count:
                break
    assert opened is not None
    return Document(
        metadata=opened["metadata"],
        pages=pages,
        outline=[OutlineEntry(**entry) for entry in opened["outline"]],
        engine=opened["engine"],
        notes=_notes(pages),
    )


def _notes(pages: list[Page]) -> list[str]:
    notes = []
    if failed := [str(page.number) for page in pages if page.error]:
        shown = ", ".join(failed[:10]) + (", …" if len(failed) > 10 else "")
        notes.append(f"{len(failed)} of {len(pages)} pages could not be read: {shown}.")
    if not any(page.text.strip() for page in pages):
        notes.append("No text was found: the pages may be scans or drawings.")
    return notes
