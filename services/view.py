"""What there is to see: batches, jobs, their history and their results."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from services import exports
from services.audio.exports import Style
from services.audio.speakers import Speakers
from services.config import Settings
from services.documents.passwords import Passwords
from services.errors import NotAllowed, ScriptoriumError
from services.files import operations
from services.files.retry import set_retry_waits
from services.jobs.diarization import Diarization, Diarizations
from services.jobs.document_files import DocumentFiles
from services.jobs.endings import Ending
from services.jobs.estimate import Estimate, estimate
from services.jobs.models import (
    BatchSummary,
    Event,
    Job,
    JobFilter,
    Kind,
    Pause,
    State,
    Work,
)
from services.jobs.results import Result, Results
from services.jobs.sounds import Sounds
from services.jobs.transcripts import Transcripts
from services.people.models import Scope
from services.team import Team


class View(Team):
    """Shows the store and the results; any number of processes may look at the same data."""

    def __init__(self, settings: Settings) -> None:
        set_retry_waits(settings.retry_waits)
        super().__init__(settings)
        self._results = Results(settings.results_dir)
        self._transcripts = Transcripts(self._results)
        self._sounds = Sounds(self._results)
        self._diarizations = Diarizations(settings.store_url)
        self._passwords = Passwords()
        self.documents = DocumentFiles(settings, self._results, self._passwords)

    def close(self) -> None:
        """End the processes and close the store."""
        self._sounds.close()
        self.documents.close()
        self._diarizations.close()
        super().close()

    # --- seeing what happens ------------------------------------------------------------

    def batches(self, limit: int = 50, offset: int = 0) -> list[BatchSummary]:
        """Return the newest batches first."""
        return self._store.batches(limit, offset, self._seen())

    def count_batches(self) -> int:
        """Return the number of batches."""
        return self._store.count_batches(self._seen())

    def jobs(self, batch_id: str) -> list[Job]:
        """Return a batch's jobs in the order of their submission."""
        return [self._told(job) for job in self._store.jobs(batch_id, self._seen())]

    def beginning_with(self, text: str) -> tuple[list[str], list[str]]:
        """Return the ids of batches and of jobs that begin like this, two of each at most."""
        self._require_everything()
        return self._store.beginning_with(text)

    def history(self, job_id: str) -> list[Event]:
        """Return the changes of a job's state, the first one first."""
        found = self._store.history(job_id) if self.job(job_id) else []
        return [replace(one, reason=one.reason and self.said(one.reason)) for one in found]

    def find(self, wanted: JobFilter, limit: int = 50, offset: int = 0) -> list[Job]:
        """Return the jobs that a filter means: a batch's in their order, else the newest first."""
        return [self._told(job) for job in self._store.find(self._visible(wanted), limit, offset)]

    def count(self, wanted: JobFilter) -> dict[State, int]:
        """Return how many jobs a filter means, by their state."""
        return self._store.count(self._visible(wanted))

    def count_kinds(self, wanted: JobFilter) -> dict[tuple[Kind, State], int]:
        """Return how many jobs a filter means, of each kind in each state."""
        return self._store.counts(self._visible(wanted))

    def models(self) -> list[str]:
        """Return the models that made the results at hand."""
        return self._store.models(self._seen())

    def work(self, batch_id: str) -> list[Work]:
        """Return what an estimate needs of a batch's jobs."""
        return self._store.work(batch_id, self._seen())

    def earlier(self, sha256s: Iterable[str]) -> dict[str, Job]:
        """Return one's own newest job with a result for each of these contents, by SHA-256."""
        self._seen()
        return self._store.earlier(sha256s, self.person.name)

    def kept(self, batch_id: str) -> tuple[int, int]:
        """Return how many originals a batch keeps for another try, and their size in bytes."""
        return self._store.kept(batch_id) if self.batch(batch_id) else (0, 0)

    def queue_pause(self) -> Pause | None:
        """Return since when the queue stands still and who stopped it; None when it moves."""
        return self._store.paused()

    def endings(self, after: float) -> list[Ending]:
        """Return when one's own batches ended after that time, the latest first, five at most."""
        self._seen()
        return self._store.endings(self.person.name, after)

    def places(self) -> dict[str, int]:
        """Return each queued job's place in its queue, by id; 1 is next."""
        reach, places = self._seen(), self._store.places()
        if reach is None:
            return places
        seen = self._store.ids(JobFilter(states=(State.QUEUED,), reach=reach))
        return {id: places[id] for id in seen if id in places}

    def estimate(self, jobs: Sequence[Job | Work]) -> Estimate:
        """Judge how far these jobs are and how long they will still take."""
        return estimate(jobs, time.time())

    def counts(self) -> dict[tuple[Kind, State], int]:
        """Return the number of everybody's jobs of each kind in each state."""
        self.require(Scope.ADMIN)
        return self._store.counts()

    def wait(self, batch_id: str, timeout: float) -> None:
        """Return when every job of a batch has ended.

        Raises:
            TimeoutError: `timeout` seconds have passed.
        """
        end = time.monotonic() + timeout
        while not all(state.over for state in self.count(JobFilter(batch_id))):
            if time.monotonic() > end:
                raise TimeoutError(f"batch {batch_id} has not ended within {timeout:.0f} s")
            time.sleep(0.05)

    # --- results ------------------------------------------------------------------------

    def result(self, job_id: str) -> Result | None:
        """Return a job's result, None while it has none.

        A job that is done again has the earlier one until the new one is whole.
        """
        job = self.job(job_id)
        return self._results.load(job_id) if job and job.result_at is not None else None

    def stamp(self, job_id: str) -> str:
        """Return what is another for every result that a job had; empty while it has none."""
        job = self.job(job_id)
        return self._results.stamp(job_id) if job and job.result_at is not None else ""

    def corrected(self, job_id: str) -> Result | None:
        """Return a job's result as people corrected it, None while it has none."""
        job = self.job(job_id)
        return self._corrected(job) if job and job.result_at is not None else None

    def previous(self, job_id: str) -> Result | None:
        """Return the result that the newest one replaced; None when there was none."""
        return self._results.previous(job_id) if self.job(job_id) else None

    def can_run_again(self, job: Job) -> bool:
        """Whether a job has ended and the file that it was made from is still there."""
        return job.retryable and self._results.original(job) is not None

    def original(self, job_id: str) -> Path | None:
        """Return the file that a job was made from; None when it is not kept any more."""
        job = self.job(job_id)
        return self._results.original(job) if job else None

    def export(self, job_id: str, format: str, style: Style | None = None) -> bytes:
        """Return a result, a transcript with its edits, as a file in `format`.

        Raises:
            KeyError: the job has no result, or none in this format.
        """
        job, result = self.job(job_id), self.corrected(job_id)
        if job is None or result is None:
            raise KeyError(job_id)
        return exports.render(result, format, job.name, style)

    def write_zip(
        self,
        batch_id: str,
        target: Path,
        formats: Collection[str] = (),
        style: Style | None = None,
    ) -> None:
        """Write all results of a batch to a ZIP at `target`, in every format or the ones given."""
        done = [job for job in self.jobs(batch_id) if job.result_at]
        results = [(job.name, partial(self._corrected, job)) for job in done]
        with operations.atomic_writer(target) as handle:
            exports.write_zip(handle, results, formats, style)

    def reader(self, job_id: str) -> dict[str, Any]:
        """Return a transcript for its reader's page; see `Transcripts.view`.

        Raises:
            KeyError: the job has no transcript.
        """
        self._require_transcript(job_id)
        return self._transcripts.view(job_id)

    def diarization(self, job_id: str) -> Diarization | None:
        """Return how far the search for a recording's speakers is; None where nobody asked."""
        return self._diarizations.of(job_id) if self.job(job_id) else None

    def diarizations(self, batch_id: str) -> dict[str, Diarization]:
        """Return the searches for speakers in a batch that have not ended, by job."""
        return self._diarizations.under_way(batch_id, self._seen())

    def speakers(self, job_id: str) -> Speakers | None:
        """Return who speaks when in a recording; None where that was not found out."""
        return self._results.speakers(job_id) if self.job(job_id) else None

    def peaks(self, job_id: str) -> Path:
        """Return the file with the outline of a recording's sound, made at the first call.

        Raises:
            KeyError: there is no such recording any more.
            UnreadableMedia: it cannot be decoded.
        """
        job, original = self._recording(job_id)
        return self._transcripts.peaks(job, original)

    def sound(self, job_id: str) -> Path | None:
        """Return a copy of a recording that every browser plays; None while it is being made.

        Raises:
            KeyError: there is no such recording any more.
            ScriptoriumError: it could not be made.
        """
        job, original = self._recording(job_id)
        return self._sounds.copy(job, original)

    def has_pictures(self, job_id: str) -> bool:
        """Whether a recording is a video, by what its file holds; False where it is not kept."""
        try:
            from services.audio.decode import probe

            job, original = self._recording(job_id)
            return probe(original, job.name).video
        except (KeyError, ScriptoriumError, OSError):
            return False

    def page_image(self, job_id: str, number: int) -> Path:
        """Return the PNG of a document's page, rendering it at the first call.

        Raises:
            ScriptoriumError: there is no such page, or it cannot be shown.
        """
        return self.documents.image(self.job(job_id), number)

    def _corrected(self, job: Job) -> Result:
        if job.kind is Kind.AUDIO:
            return self._transcripts.corrected(job.id)
        return self._results.load(job.id)

    def _recording(self, job_id: str) -> tuple[Job, Path]:
        job = self.job(job_id)
        original = self._results.original(job) if job else None
        if job is None or original is None or job.kind is not Kind.AUDIO:
            raise KeyError(job_id)
        return job, original

    def _require_transcript(self, job_id: str) -> None:
        job = self.job(job_id)
        if job is None or job.result_at is None or job.kind is not Kind.AUDIO:
            raise KeyError(job_id)

    def _require_everything(self) -> None:
        if not self.person.everything:
            raise NotAllowed("This is for the command line of this machine.")
