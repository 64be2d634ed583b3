"""The last stage of a job: its result becomes part of the library.

A job is done when its result is on disk; whatever happens here leaves that as it is.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace

from services.audio.transcript import Transcript
from services.errors import ScriptoriumError
from services.jobs.entries import IndexEntries, Labels
from services.jobs.models import Job
from services.jobs.results import Result, Results
from services.library.enrich import Enrichment
from services.library.library import Library, Prepared
from services.library.models import Source
from services.logs import about_job

log = logging.getLogger(__name__)

AGAIN_IN = (10.0, 60.0, 600.0)
"""Pauses before a job that could not be indexed is tried again, in seconds."""

IDLE_SECONDS = 5.0

PATIENCE = 30.0
"""Seconds that results wait at most while the cores are needed to transcribe."""

LOOK_SECONDS = 0.5
"""Pause until it is asked again whether they are."""

WRITING = 4
"""Results that wait for a language model or the writer at once."""

Enrich = Callable[[str, Enrichment], Enrichment]


class Indexer:
    """The thread that feeds the library with the results of jobs that are done.

    Args:
        interval: Seconds between looks at the store; `wake` makes it look at once.
        enrich: Returns what a text is about, given what was found out offline, which is kept
            when not given; it may wait for a language model, and several run at once.
        first: Called at each round, before anything else.
        busy: Whether a speech model needs the cores, which embedding would take from it. People
            wait for transcripts first; to find them can come half a minute later.
        patience: Seconds that results wait for that at most.
    """

    def __init__(
        self,
        entries: IndexEntries,
        results: Results,
        library: Library,
        enrich: Enrich | None = None,
        interval: float = IDLE_SECONDS,
        first: Callable[[], object] = lambda: None,
        busy: Callable[[], bool] = lambda: False,
        patience: float = PATIENCE,
    ) -> None:
        self._enrich = enrich or (lambda text, offline: offline)
        self._busy = busy
        self._patience = patience
        self._waits_since: float | None = None
        self._writing = ThreadPoolExecutor(WRITING, "enrich")
        self._entries = entries
        self._results = results
        self._library = library
        self._interval = interval
        self._first = first
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._run, name="indexer", daemon=True)

    def start(self) -> None:
        """Take up what was being indexed at the last stop, then what is missing."""
        self._entries.recover()
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something to index."""
        self._wake.set()

    def stop(self) -> None:
        """Put back what is being read; what is computed already is still written."""
        self._stopping.set()
        self._wake.set()
        self._library.process.close()  # a long file would be waited for otherwise
        if self._thread.is_alive():
            self._thread.join()
        self._writing.shutdown()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if self._step():
                    continue
                self._library.process.end_when_idle()
            except Exception:
                log.exception("the indexer's round failed; the next one tries again")
            if self._waits_since is None:
                self._wake.wait(self._interval)
            else:
                self._stopping.wait(LOOK_SECONDS)

    def _has_to_wait(self, now: float) -> bool:
        """Whether the cores are another's; never for longer than patience, then all is indexed."""
        if not self._busy():
            self._waits_since = None
            return False
        if self._waits_since is None:
            self._waits_since = now
        return now - self._waits_since < self._patience

    def _step(self) -> bool:
        """Do one thing; return False when there was nothing to do."""
        self._first()
        if gone := self._entries.unwanted():
            self._library.delete(gone).result()
            self._entries.forget(gone)
        for named, labels, changed_at in self._entries.unwritten():
            name = labels.name or named.name
            self._library.label(named.id, name, labels.tags, labels.collections).result()
            self._entries.written(named.id, changed_at)
        if self._has_to_wait(time.monotonic()):
            return False
        job = self._entries.take()
        if job is None:
            self._waits_since = None  # all is indexed: from here on patience begins anew
            return False
        try:
            result = self._results.load(job.id)
            prepared = self._library.prepare(result.as_dict())
        except Exception as error:
            self._failed(job, error)
        else:
            self._writing.submit(self._enrich_and_write, job, prepared, language_of(result))
        return True

    @about_job
    def _enrich_and_write(self, job: Job, prepared: Prepared, language: str | None) -> None:
        try:
            text = "\n".join(one.text for one in prepared.chunks)
            about = self._enrich(text, prepared.enrichment)
            about = replace(about, language=language or about.language)
            labels = self._entries.labels([job.id]).get(job.id, Labels())
            written = self._library.write(describe(job, about, labels), prepared)
        except Exception as error:
            self._failed(job, error)
        else:
            written.add_done_callback(lambda done: self._settle(job, about, done))

    @about_job
    def _settle(self, job: Job, about: Enrichment, written: Future[int]) -> None:
        if error := written.exception():
            self._failed(job, error)
            return
        self._entries.finish(
            job.id,
            written.result(),
            title=about.title,
            language=about.language,
            summary=about.summary,
            keywords=list(about.keywords),
            actions=list(about.actions),
            enriched_by=about.made_by,
        )
        log.info("indexed: %s (%s)", job.name, job.id)

    @about_job
    def _failed(self, job: Job, error: BaseException) -> None:
        if self._stopping.is_set():
            self._entries.put_back(job.id)
            return
        known = isinstance(error, ScriptoriumError)
        log.warning("not indexed: %s (%s): %s", job.name, job.id, error, exc_info=not known)
        tries = self._entries.of([job.id])[job.id].tries
        self._entries.fail(
            job.id,
            str(error) if known else f"internal error ({type(error).__name__}: {error})",
            AGAIN_IN[tries - 1] if tries <= len(AGAIN_IN) else None,
        )


def language_of(result: Result) -> str | None:
    """Return the language that the speech engine found; None for a document."""
    return result.language if isinstance(result, Transcript) else None


def describe(job: Job, about: Enrichment, labels: Labels) -> Source:
    """Return a job's result as the library files it."""
    return Source(
        id=job.id,
        name=labels.name or job.name,
        owner=job.owner,
        batch=job.batch_id,
        kind=str(job.kind),
        added=job.created_at,
        language=about.language,
        tags=labels.tags,
        collections=labels.collections,
    )
