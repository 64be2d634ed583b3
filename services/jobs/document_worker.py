"""What a document lane does: read a PDF page by page in a process of its own."""

from __future__ import annotations

import time

from services.config import Settings
from services.documents.process import DocumentProcess
from services.documents.reader import read_document
from services.jobs.lane import Claims
from services.jobs.models import Job, Kind


class DocumentWorker:
    """Reads documents, one at a time."""

    kind = Kind.DOCUMENT

    def __init__(self, settings: Settings) -> None:
        self._process = DocumentProcess(settings.document_memory_mb, settings.page_timeout)

    def run(self, job: Job, claims: Claims) -> None:
        """Read one document and save it."""

        def on_page(read: int, count: int) -> bool:
            return claims.progress(job, read / count if count else 0.0, "reading")

        begun = time.monotonic()
        try:
            claims.check_original(job)
            document = read_document(self._process, job.path, job.name, on_page)
            if document is not None:
                claims.done(
                    job,
                    document,
                    length=len(document.pages),
                    engine=document.engine,
                    model="",
                    took=time.monotonic() - begun,
                )
        except Exception as error:
            claims.failed(job, error)

    def idle(self) -> None:
        """Keep the process: it holds little."""

    def close(self) -> None:
        """End the process."""
        self._process.close()
