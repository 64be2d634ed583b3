"""Tells the store what the model's thread has done, so that the model need not wait for a disk."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable

from services.audio.engines import Engine
from services.jobs.claims import Claims
from services.jobs.recording import Heard, Recording, assemble
from services.jobs.stretches import Stretches
from services.logs import about

log = logging.getLogger(__name__)

PROGRESS_SECONDS = 0.5
LONG = 60.0
"""Seconds from which a recording's outline is kept at once; of a shorter one it is soon made."""

MOST_TASKS = 64
"""Things to write that may wait; then the model waits for the disk after all."""


class Clerk:
    """A thread that saves results, failures, stretches and progress.

    Args:
        claims: The jobs in work.
        engine: What transcribes them; only its names are read.
        stretches: Where parts of long recordings are kept.
        notes: Sentences for every transcript.
    """

    def __init__(
        self, claims: Claims, engine: Engine, stretches: Stretches, notes: list[str]
    ) -> None:
        self._claims = claims
        self._engine = engine
        self._stretches = stretches
        self._notes = notes
        self._tasks: queue.Queue[Callable[[], None] | None] = queue.Queue(MOST_TASKS)
        self._watched: dict[str, Recording] = {}
        self._thread = threading.Thread(target=self._work, name="clerk", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def stop(self) -> None:
        """Return when everything is written."""
        self._tasks.put(None)
        self._thread.join()

    def watch(self, recording: Recording) -> None:
        """Tell how far a recording is, and mark it as over when a person cancels it."""
        self._watched[recording.job.id] = recording

    def done(self, recording: Recording) -> None:
        """Save a recording's transcript."""
        self._tasks.put(lambda: self._done(recording))

    def failed(self, recording: Recording, error: Exception) -> None:
        """Save why a recording failed."""
        self._tasks.put(lambda: self._failed(recording, error))

    def keep(self, recording: Recording, heard: list[Heard], resume: int) -> None:
        """Save a stretch of a recording, so that a restart need not begin anew."""
        self._tasks.put(lambda: self._keep(recording, heard, resume))

    def _work(self) -> None:
        told = time.monotonic()
        while True:
            try:
                task = self._tasks.get(timeout=PROGRESS_SECONDS)
                if task is None:
                    return
                task()
            except queue.Empty:
                pass
            except Exception:  # the store itself failed; the lane settles what is left
                log.exception("a result could not be told to the store")
            if time.monotonic() - told >= PROGRESS_SECONDS:
                self._tell()
                told = time.monotonic()

    def _tell(self) -> None:
        watched = list(self._watched.values())
        try:
            going_on = self._claims.progress_of_all(
                [(one.job, one.progress, one.stage) for one in watched]
            )
        except Exception:
            log.exception("progress could not be told to the store")
            return
        for recording in watched:
            if recording.job.id not in going_on:
                recording.over = True
                self._watched.pop(recording.job.id, None)

    def _done(self, recording: Recording) -> None:
        self._watched.pop(recording.job.id, None)
        try:
            transcript = assemble(recording, self._engine, self._notes)
            self._claims.done(
                recording.job,
                transcript,
                length=transcript.duration,
                engine=transcript.engine,
                model=transcript.model,
                took=recording.took,
                outline=recording.outline.peaks if transcript.duration > LONG else b"",
            )
            self._stretches.discard(recording.job)
        except Exception as error:  # a full disk, a lock: this job's result, not the others'
            self._claims.failed(recording.job, error)

    def _failed(self, recording: Recording, error: Exception) -> None:
        self._watched.pop(recording.job.id, None)
        self._claims.failed(recording.job, error)

    def _keep(self, recording: Recording, heard: list[Heard], resume: int) -> None:
        if recording.over:
            return
        try:
            self._stretches.add(recording.job, heard, resume)
        except Exception as error:  # no room, a lock: the whole still has a chance
            with about(recording.job.id):
                log.warning("a stretch of %s was not kept: %s", recording.job.name, error)
