"""Finds out who speaks when, in a thread of its own that touches no transcript."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from services.audio.decode import Decoder, Samples
from services.audio.engines import Report
from services.audio.speakers import Speakers, Turn, renumbered
from services.errors import DeviceLost, DiskFull, PermanentError, ScriptoriumError
from services.jobs.diarization import Diarizations
from services.jobs.models import Job
from services.jobs.results import Results
from services.jobs.turns import Turns, User
from services.logs import about_job

log = logging.getLogger(__name__)

IDLE_SECONDS = 5.0
PATIENCE = 60.0
"""Seconds that recordings wait while a speech model has the cores: transcripts come first."""
ROOM_SECONDS = 10.0
"""Pause after a disk was full."""
TELL_SECONDS = 0.5


class Model(Protocol):
    """A loaded model that tells speakers apart."""

    model: str

    def turns(
        self,
        blocks: Iterable[Samples],
        heard: Callable[[float], None],
        turn: Callable[[], AbstractContextManager[None]],
    ) -> Sequence[Turn]:
        """Return who speaks when; see `Sortformer.turns`."""

    def close(self) -> None:
        """Free the memory that it takes."""


class Stopped(Exception):
    """The work was ended from outside."""


class Diarizer:
    """Takes one recording after the other. What it finds lies beside the transcript.

    Args:
        load: Loads the model, at the first recording.
        turns: Lets it use the GPU in turn with a language model.
        busy: Whether a speech model computes on the CPU now.
        idle_minutes: Minutes without work after which the model is freed; None for never.
        done: Called after each recording whose speakers were found.
    """

    def __init__(
        self,
        diarizations: Diarizations,
        results: Results,
        load: Callable[[Report], Model],
        turns: Turns,
        busy: Callable[[], bool] = lambda: False,
        idle_minutes: float | None = None,
        done: Callable[[], None] = lambda: None,
        patience: float = PATIENCE,
    ) -> None:
        self._diarizations = diarizations
        self._results = results
        self._load = load
        self._turns = turns
        self._busy = busy
        self._idle = float("inf") if idle_minutes is None else 60 * idle_minutes
        self._done = done
        self._patience = patience
        self._model: Model | None = None
        self.lost: str | None = None
        """Why it takes nothing for as long as this process lives: it has lost the GPU."""
        self._used_at = self._waits_since = time.monotonic()
        self._told = 0.0
        self._stopping, self._wake = threading.Event(), threading.Event()
        self._unwanted = threading.Event()
        self._thread = threading.Thread(target=self._run, name="diarizer", daemon=True)

    def start(self) -> None:
        """Take up what was under way at the last stop, then what waits."""
        self._diarizations.recover()
        self._thread.start()

    def wake(self) -> None:
        """Say that there may be something to do."""
        self._wake.set()

    def ask_to_free(self) -> None:
        """Have the model freed as soon as it has nothing to do; any thread may ask."""
        self._unwanted.set()
        self._wake.set()

    def stop(self) -> None:
        """Put back what is under way, and wait for the thread."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.clear()
            try:
                if not self._step():
                    self._free_if_idle()
                    self._wake.wait(IDLE_SECONDS)
            except Exception:
                log.exception("the search for speakers failed; the next round tries again")
                self._stopping.wait(IDLE_SECONDS)
        self._free()

    def _step(self) -> bool:
        """Do one recording; False when there was none to do, or it has to wait."""
        if self.lost:
            return False
        if self._busy() and time.monotonic() - self._waits_since < self._patience:
            return False
        job = self._diarizations.take()
        if job is not None:
            self._diarize(job)
        self._waits_since = time.monotonic()
        return job is not None

    @about_job
    def _diarize(self, job: Job) -> None:
        try:
            self._finish(job, self._found(job))
        except Stopped:
            if self._stopping.is_set():
                self._diarizations.put_back(job.id)
        except DiskFull as error:
            log.warning("speakers of %s (%s): %s", job.name, job.id, error)
            self._diarizations.put_back(job.id)
            self._stopping.wait(ROOM_SECONDS)
        except Exception as error:
            if self._stopping.is_set():  # a download that is ended says so in words of its own
                self._diarizations.put_back(job.id)
                return
            if isinstance(error, DeviceLost):
                self.lost = str(error)
            known = isinstance(error, ScriptoriumError)
            log.warning("no speakers of %s (%s): %s", job.name, job.id, error, exc_info=not known)
            kind = type(error).__name__
            self._diarizations.fail(
                job.id,
                str(error)
                if known
                else f"The speakers were not found because of an internal error ({kind}: {error}). "
                "Try again; if it fails again, report it with the server's log.",
            )
        finally:
            self._used_at = time.monotonic()

    def _found(self, job: Job) -> Speakers:
        original = self._results.original(job)
        if original is None:
            raise PermanentError(f"“{job.name}” is not kept any more: nothing can be listened to.")
        model = self._loaded(job)
        decoder = Decoder(original, job.name, track=self._results.track(job.id))

        def heard(seconds: float) -> None:
            length = decoder.declared or job.length or seconds
            self._tell(job, seconds / length if length else 0.0, "listening for speakers")

        self._tell(job, 0.0, "listening for speakers")
        turns = model.turns(decoder.blocks(), heard, lambda: self._turns.take(User.SPEECH))
        before = self._results.speakers(job.id)
        return Speakers(model.model, tuple(renumbered(turns, before.turns if before else ())))

    def _finish(self, job: Job, found: Speakers) -> None:
        if self._diarizations.finish(
            job.id, found.model, found.count, lambda: self._results.keep_speakers(job.id, found)
        ):
            log.info("%d speakers: %s (%s)", found.count, job.name, job.id)
            self._done()

    def _loaded(self, job: Job) -> Model:
        if self._model is None:
            self._tell(job, 0.0, "loading the model")

            def report(detail: str, share: float | None) -> None:
                self._tell(job, share or 0.0, detail)

            self._model = self._load(report)
        return self._model

    def _tell(self, job: Job, share: float, stage: str) -> None:
        """Say how far it is, twice a second at most.

        Raises:
            Stopped: nobody wants it any more, or the server stops.
        """
        if self._stopping.is_set():
            raise Stopped
        now = time.monotonic()
        if now - self._told < TELL_SECONDS and share:
            return
        self._told = now
        if not self._diarizations.set_progress(job.id, share, stage):
            raise Stopped

    def _free_if_idle(self) -> None:
        late = time.monotonic() - self._used_at >= self._idle
        if self._unwanted.is_set() or late:
            self._free()

    def _free(self) -> None:
        self._unwanted.clear()
        if self._model is not None:
            self._model.close()
            self._model = None
