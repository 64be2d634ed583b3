"""Files made of documents when somebody asks: images of pages, PDFs of some pages or of many files.

They are made in worker processes. Images are kept beside the result; the others are short-lived.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from services.config import Settings
from services.documents.document import NEEDS_PASSWORD, Document
from services.documents.parts import by_ranges, chapters, file_names
from services.documents.passwords import Passwords
from services.documents.process import DocumentProcess
from services.documents.ranges import parse_pages
from services.errors import PermanentError, ScriptoriumError
from services.files import operations
from services.files.scratch import scratch_path
from services.jobs.models import Job, Kind, State
from services.jobs.results import Results

IMAGE_WIDTH = 1200
"""Of the image of a page, in pixels."""

_MOST_IMAGES = 200
"""Images of pages that are kept for each document; the oldest go first."""
_PATIENCE = 120.0
"""Seconds that a PDF may take to be made."""


class DocumentFiles:
    """Makes files of documents; any thread may call it.

    Args:
        passwords: What people entered for documents that need one.
    """

    def __init__(self, settings: Settings, results: Results, passwords: Passwords) -> None:
        self._results = results
        self._passwords = passwords
        memory = settings.document_memory_mb
        self._renderer = DocumentProcess(memory, settings.page_timeout)
        self._editor = DocumentProcess(memory, _PATIENCE)
        self._rendering, self._editing = threading.Lock(), threading.Lock()

    def close(self) -> None:
        """End the processes."""
        self._renderer.close()
        self._editor.close()

    def locked(self, job_id: str, document: Document) -> bool:
        """Whether nothing can be made of a document before its password was entered."""
        return NEEDS_PASSWORD in document.findings and self._passwords.get(job_id) is None

    def image(self, job: Job | None, number: int) -> Path:
        """Return the PNG of a document's page, rendering it at the first call.

        Raises:
            ScriptoriumError: there is no such page, or it cannot be shown.
        """
        job, source = self._document(job)
        target = self._results.page_image(job.id, number)
        with self._rendering:
            if not target.is_file():
                self._run(
                    self._renderer,
                    "render",
                    **source,
                    number=number,
                    target=str(target),
                    width=IMAGE_WIDTH,
                )
                _drop_oldest(target.parent)
        return target

    def pages(self, job: Job | None, ranges: str) -> Path:
        """Return a new PDF of some pages, written as `1-3, 7, 12-`; the caller removes it.

        Raises:
            ScriptoriumError: there are no such pages, or the document cannot be opened.
        """
        job, source = self._document(job)
        numbers = parse_pages(ranges, int(job.length or 0))
        return self._made("pages", **source, numbers=numbers)

    def split(self, job: Job | None, ranges: str | None) -> Path:
        """Return a new ZIP with a PDF for each of `ranges`, or for each chapter where that is None.

        The caller removes it.

        Raises:
            ScriptoriumError: there are no such pages, no chapters, or the document cannot be
                opened.
        """
        job, source = self._document(job)
        count = int(job.length or 0)
        if ranges is None:
            document = self._results.load(job.id)
            found = chapters(document.outline, count) if isinstance(document, Document) else []
            if not found:
                raise PermanentError(f"“{job.name}” has no chapters to split it into.")
        else:
            found = by_ranges(ranges, count)
        parts = [(name, part.numbers) for name, part in zip(file_names(found), found, strict=True)]
        return self._made("split", ".zip", **source, parts=parts)

    def searchable(self, job: Job | None) -> Path:
        """Return a new PDF of a document with what OCR read in it; the caller removes it.

        Raises:
            ScriptoriumError: the document cannot be opened.
        """
        job, source = self._document(job)
        return self._made("searchable", **source, result=str(self._results.file(job.id)))

    def merged(self, jobs: Sequence[Job]) -> Path:
        """Return a new PDF of all documents among these jobs, in their order.

        Raises:
            ScriptoriumError: there is none, or one of them cannot be opened.
        """
        documents = [job for job in jobs if job.kind is Kind.DOCUMENT and job.state is State.DONE]
        if not documents:
            raise PermanentError("There are no documents to put together.")
        return self._made("merge", sources=[self._document(job)[1] for job in documents])

    def _document(self, job: Job | None) -> tuple[Job, dict[str, Any]]:
        """Return the job of a document, and what a worker needs to open it."""
        original = self._results.original(job) if job else None
        if job is None or original is None or job.kind is not Kind.DOCUMENT:
            raise ScriptoriumError("There is no such document.")
        password = self._passwords.get(job.id)
        return job, {"path": str(original), "name": job.name, "password": password}

    def _made(self, operation: str, suffix: str = ".pdf", **request: Any) -> Path:
        target = scratch_path(operation + suffix)
        try:
            with self._editing:
                self._run(self._editor, operation, **request, target=str(target))
        except BaseException:
            operations.discard(target)
            raise
        return target

    @staticmethod
    def _run(process: DocumentProcess, operation: str, **request: Any) -> None:
        for _ in process.call(operation, **request):
            pass


def _drop_oldest(directory: Path) -> None:
    """Keep the number of images small: they can be rendered again."""
    images = list(directory.glob("*.png"))
    if len(images) <= _MOST_IMAGES:
        return
    with contextlib.suppress(OSError):  # one that just went
        images.sort(key=lambda path: path.stat().st_mtime)
    for path in images[: len(images) - _MOST_IMAGES]:
        operations.discard(path)
