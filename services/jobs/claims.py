"""Claims: the jobs that a lane holds, and how each of them is settled."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from services.errors import (
    DeviceLost,
    DiskFull,
    PermanentError,
    ScriptoriumError,
    StoreUnavailable,
    is_transient,
    kind_of,
)
from services.files import operations
from services.files.workspace import is_unchanged
from services.jobs.models import Job, Kind
from services.jobs.results import Result, Results, track_of
from services.jobs.store import JobStore
from services.logs import about_job

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.5

STORE_SECONDS = 2.0
"""Pause after the store could not be reached, before it is told a result again."""


class Claims:
    """The jobs that a lane holds, and the only way for a worker to settle them."""

    def __init__(
        self,
        store: JobStore,
        results: Results,
        stopping: threading.Event,
        settled: Callable[[], None],
    ) -> None:
        self._store = store
        self._results = results
        self._stopping = stopping
        self._settled = settled
        self._held: dict[str, Job] = {}
        self._told: dict[str, tuple[float, str]] = {}
        self._failures: dict[str, BaseException] = {}
        self.no_room: str | None = None
        """Why a job had to be put back, when a disk was full."""

    @property
    def stopping(self) -> bool:
        """Whether the lane shall end its work."""
        return self._stopping.is_set()

    def take(self, kind: Kind, like: Job | None = None) -> Job | None:
        """Claim the next job; with `like`, only one that is heard in the same way."""
        job = self._store.claim(kind, like.options if like else None)
        if job is None:
            return None
        if not job.path.is_file():  # of one that was done before, only the kept original is left
            job = replace(job, path=self._results.original(job) or job.path)
        self._held[job.id] = job
        return job

    @property
    def held(self) -> list[Job]:
        """The jobs that are not settled yet."""
        return list(self._held.values())

    def check_original(self, job: Job) -> None:
        """Check that a job's file is still what was submitted.

        Raises:
            PermanentError: it is gone, or somebody wrote into it.
        """
        if not job.path.is_file():
            raise PermanentError(f"“{job.name}” is not kept any more. Upload it again.")
        if not is_unchanged(job.path, job.sha256):
            raise PermanentError(
                f"“{job.name}” was changed after it was submitted. Submit it again."
            )

    def progress(self, job: Job, share: float, stage: str) -> bool:
        """Say how far a job is, from 0 to 1; return False when work on it has to end.

        The store is asked twice a second at most, so this may be called often.
        """
        if self._stopping.is_set() or job.id not in self._held:
            return False
        now = time.monotonic()
        at, said = self._told.get(job.id, (0.0, ""))
        if now - at < PROGRESS_SECONDS and said == stage:
            return True
        self._told[job.id] = (now, stage)
        try:
            if self._store.set_progress(job, share, stage):
                return True
        except StoreUnavailable:
            return True  # the work goes on; its result waits for the store
        self._forget(job)  # a person cancelled it
        return False

    def progress_of_all(self, work: Sequence[tuple[Job, float, str]]) -> set[str]:
        """Say how far jobs are, as `progress` does; return the ids of those to go on with."""
        if self._stopping.is_set():
            return set()
        mine = [one for one in work if one[0].id in self._held]
        held = self._store.set_all_progress(mine) if mine else set()
        for job, _, _ in mine:
            if job.id not in held:
                self._forget(job)  # a person cancelled it
        return held

    @about_job
    def done(
        self,
        job: Job,
        result: Result,
        *,
        length: float,
        engine: str,
        model: str,
        took: float,
        outline: bytes = b"",
    ) -> None:
        """Save a result and mark its job done, unless it is not this lane's any more.

        Args:
            took: The work that it cost, in seconds.
            outline: Of a recording's sound, where it is known already; see `audio.peaks`.
        """
        staged = self._results.stage(job, result, outline)
        other_track = self._results.track(job.id) != track_of(result)
        published = False

        def publish() -> None:
            nonlocal published
            if not published:  # the store may go away after it, and is then told again
                self._results.publish(job, staged)
                published = True

        try:
            finished = self._when_reached(
                lambda: self._store.finish(
                    job,
                    publish,
                    length=length,
                    engine=engine,
                    model=model,
                    note=" ".join(result.notes) or None,
                    took=took,
                    other_track=other_track,
                )
            )
        except BaseException:
            operations.discard(staged)
            raise
        if not finished:
            deleted = self._store.job(job.id) is None
            operations.discard(self._results.directory(job.id) if deleted else staged)
        log.info("%s: %s (%s)", "done" if finished else "not wanted any more", job.name, job.id)
        self._forget(job)

    @about_job
    def failed(self, job: Job, error: BaseException) -> None:
        """Mark a job failed with the sentence of its error; a stack trace goes to the log.

        Where a disk was full or the store away the job is put back instead, and goes on later; so
        it is where the GPU was lost, which counts as a stop of the server.
        """
        self._failures[job.id] = error  # if the store cannot be told now, `settle_rest` tells it
        if isinstance(error, DeviceLost):
            log.warning("put back: %s (%s): %s", job.name, job.id, error)
            self._store.interrupted(job, "the GPU was lost while it ran")
            self._forget(job)
            return
        if isinstance(error, (DiskFull, StoreUnavailable)):
            log.warning("put back: %s (%s): %s", job.name, job.id, error)
            if isinstance(error, DiskFull):
                self.no_room = str(error)
            self._store.release(job, str(error))
            self._forget(job)
            return
        known = isinstance(error, ScriptoriumError)
        log.warning(
            "failed: %s (%s): %s", job.name, job.id, error, exc_info=None if known else error
        )
        text = (
            str(error)
            if known
            else (
                f"“{job.name}” could not be processed because of an internal error "
                f"({type(error).__name__}: {error}). Try again; if it fails again, "
                "report it with the server's log."
            )
        )
        self._store.fail(job, text, transient=is_transient(error), kind=kind_of(error))
        self._forget(job)

    def settle_rest(self, error: BaseException | None) -> None:
        """Put back, or fail with `error`, whatever the worker left unsettled."""
        for job in list(self._held.values()):
            if self._stopping.is_set():
                self._store.release(job)
                self._forget(job)
            else:
                unsettled = error or RuntimeError("the worker did not settle this job")
                self.failed(job, self._failures.get(job.id, unsettled))

    def _when_reached(self, call: Callable[[], bool]) -> bool:
        """Call until the store can be reached, or the lane shall end."""
        while True:
            try:
                return call()
            except StoreUnavailable as error:
                log.warning("%s", error)
                if self._stopping.wait(STORE_SECONDS):
                    raise

    def _forget(self, job: Job) -> None:
        self._held.pop(job.id, None)
        self._failures.pop(job.id, None)
        self._told.pop(job.id, None)
        self._settled()
