"""What a document lane does: read a PDF page by page in processes of its own."""

from __future__ import annotations

import time

from services.config import Settings
from services.documents.passwords import Passwords
from services.documents.process import DocumentProcess
from services.documents.reader import How, read_document
from services.jobs.claims import Claims
from services.jobs.models import Job, Kind
from services.logs import about_job


class DocumentWorker:
    """Reads documents, one at a time.

    Args:
        passwords: What people entered for documents that need one.
    """

    kind = Kind.DOCUMENT

    def __init__(self, settings: Settings, passwords: Passwords | None = None) -> None:
        self._process = DocumentProcess(
            settings.document_memory_mb, settings.page_timeout, background=True
        )
        self._ocr = DocumentProcess(
            settings.ocr_memory_mb, settings.ocr_timeout, programs=True, background=True
        )
        self._timeout = settings.document_timeout
        self._passwords = passwords or Passwords()

    @about_job
    def run(self, job: Job, claims: Claims) -> None:
        """Read one document and save it."""

        def on_page(read: int, count: int, stage: str) -> bool:
            return claims.progress(job, read / count if count else 0.0, stage)

        begun = time.monotonic()
        how = How(
            reader=job.options.reader,
            password=self._passwords.get(job.id),
            timeout=self._timeout,
            ocr=job.options.ocr,
            languages=job.options.ocr_languages,
        )
        try:
            claims.check_original(job)
            document = read_document(self._process, job.path, job.name, on_page, how, self._ocr)
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
        """End the processes."""
        self._process.close()
        self._ocr.close()
