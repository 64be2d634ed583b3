"""The front of the services: what pages, routes, scripts and the command line call."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

from services import exports
from services.config import Settings
from services.documents.process import DocumentProcess
from services.errors import DiskFull, ScriptoriumError
from services.files import operations
from services.files.disk import Room
from services.files.retry import set_retry_waits
from services.files.workspace import StoredFile, Workspace
from services.jobs.estimate import Estimate, estimate
from services.jobs.inspect import Inspection, Inspector
from services.jobs.models import Batch, BatchSummary, Event, Job, Kind, NewJob, Options, State
from services.jobs.results import Result, Results
from services.jobs.store import JobStore

PAGE_IMAGE_WIDTH = 1200


class Front:
    """Gives work to the store and shows what comes of it; a `Runtime` does the work.

    Any number of processes may have one on the same data, beside the server or without it.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        set_retry_waits(settings.retry_waits)
        limit = settings.temp_limit_gb
        self._temp_room = Room(
            settings.temp_root, settings.disk_reserve, int(limit * 1e9) if limit else None
        )
        self._store = JobStore(
            settings.store_url,
            crash_limit=settings.attempts,
            retry_waits=settings.job_retry_waits,
        )
        self._results = Results(settings.results_dir)
        # Rendering and inspecting have processes of their own: neither waits for a long read.
        memory, patience = settings.document_memory_mb, settings.page_timeout
        self._renderer = DocumentProcess(memory, patience)
        self._inspecting = DocumentProcess(memory, patience)
        self._inspector = Inspector(self._inspecting)
        self._render_lock = threading.Lock()

    def close(self) -> None:
        """End the processes and close the store."""
        for process in (self._renderer, self._inspecting):
            process.close()
        self._store.close()

    # --- giving work --------------------------------------------------------------------

    def new_workspace(self) -> Workspace:
        """Make a workspace for uploads; it lives until its batch is done, or a day."""
        return Workspace.create(self._temp_room)

    def open_workspace(self, name: str) -> Workspace | None:
        """Return the workspace of that name, if it is there and no batch has it yet."""
        workspace = Workspace(self.settings.temp_root / Path(name).name, self._temp_room)
        taken = self._store.workspaces(leased=False)
        return workspace if workspace.exists and workspace.path not in taken else None

    def inspect(self, file: StoredFile) -> Inspection:
        """Say what an uploaded file is, how long, and whether it can be processed."""
        return self._inspector.inspect(file.path, file.name)

    def default_options(self) -> Options:
        """Return what a batch carries when nothing else is chosen."""
        return Options(engine=self.settings.engine, nemo_input=self.settings.nemo_input)

    def submit(
        self,
        files: Sequence[Path | StoredFile],
        owner: str = "local",
        options: Options | None = None,
        workspace: Workspace | None = None,
    ) -> Batch:
        """Queue files as one batch; one that cannot be processed becomes a failed job.

        Args:
            files: Files anywhere, which are copied first, or ones already in `workspace`.
            owner: Whose batch it is.
            options: The settings that its jobs carry; the server's own when not given.
            workspace: Where the stored files lie; a new one when not given.

        Raises:
            DiskFull: there is no room for the copies; nothing was submitted.
        """
        workspace = workspace or self.new_workspace()
        workspace.keep()  # whatever was said of its session: now a batch needs it
        jobs = [self._new_job(workspace, file) for file in files]
        batch = self._store.add_batch(
            owner, workspace.path, options or self.default_options(), jobs
        )
        self._wake()
        return batch

    def retry(self, batch_id: str) -> int:
        """Queue again what failed or was cancelled in a batch; return how many jobs."""
        return self._requeue(
            job.id
            for job in self._store.jobs(batch_id)
            if job.state in (State.FAILED, State.CANCELLED)
        )

    def retry_job(self, job_id: str) -> int:
        """Queue a failed or cancelled job again; return 1, or 0 if it was neither."""
        return self._requeue([job_id])

    def cancel(self, job_id: str) -> int:
        """Cancel a queued or running job; return 1, or 0 if it had ended."""
        return self._store.cancel([job_id])

    def cancel_batch(self, batch_id: str) -> int:
        """Cancel what has not ended in a batch; return how many jobs."""
        return self._store.cancel(job.id for job in self._store.jobs(batch_id))

    def discard(self, batch_id: str) -> bool:
        """Give up the originals of what failed or was cancelled in a batch.

        They cannot be tried again then. Returns False while something in it has not ended.
        """
        discarded = self._store.discard(batch_id)
        self._tidy()
        return discarded

    # --- seeing what happens ------------------------------------------------------------

    def batch(self, batch_id: str) -> Batch | None:
        """Return a batch, or None."""
        return self._store.batch(batch_id)

    def batches(self, limit: int = 50, offset: int = 0) -> list[BatchSummary]:
        """Return the newest batches first."""
        return self._store.batches(limit, offset)

    def count_batches(self) -> int:
        """Return the number of batches."""
        return self._store.count_batches()

    def jobs(self, batch_id: str) -> list[Job]:
        """Return a batch's jobs in the order of their submission."""
        return self._store.jobs(batch_id)

    def job(self, job_id: str) -> Job | None:
        """Return a job, or None."""
        return self._store.job(job_id)

    def history(self, job_id: str) -> list[Event]:
        """Return the changes of a job's state, the first one first."""
        return self._store.history(job_id)

    def places(self) -> dict[str, int]:
        """Return each queued job's place in its queue, by id; 1 is next."""
        return self._store.places()

    def estimate(self, jobs: Sequence[Job]) -> Estimate:
        """Judge how far these jobs are and how long they will still take."""
        return estimate(jobs, time.time())

    def counts(self) -> dict[tuple[Kind, State], int]:
        """Return the number of jobs of each kind in each state."""
        return self._store.counts()

    def wait(self, batch_id: str, timeout: float) -> None:
        """Return when every job of a batch has ended.

        Raises:
            TimeoutError: `timeout` seconds have passed.
        """
        end = time.monotonic() + timeout
        while not all(job.state.over for job in self._store.jobs(batch_id)):
            if time.monotonic() > end:
                raise TimeoutError(f"batch {batch_id} has not ended within {timeout:.0f} s")
            time.sleep(0.05)

    # --- results ------------------------------------------------------------------------

    def result(self, job_id: str) -> Result | None:
        """Return a job's result; None unless it is done."""
        job = self._store.job(job_id)
        if job is None or job.state is not State.DONE:
            return None
        return self._results.load(job_id)

    def original(self, job_id: str) -> Path | None:
        """Return the file that a job was made from; None when it is not kept any more."""
        job = self._store.job(job_id)
        return self._results.original(job) if job else None

    def export(self, job_id: str, format: str) -> str:
        """Return a result as text in `format`.

        Raises:
            KeyError: the job has no result, or none in this format.
        """
        job, result = self._store.job(job_id), self.result(job_id)
        if job is None or result is None:
            raise KeyError(job_id)
        return exports.render(result, format, job.name)

    def write_zip(self, batch_id: str, target: Path) -> None:
        """Write all results of a batch, in every format, to a ZIP at `target`."""
        done = [job for job in self._store.jobs(batch_id) if job.state is State.DONE]
        with operations.atomic_writer(target) as handle:
            exports.write_zip(handle, ((job.name, self._results.load(job.id)) for job in done))

    def page_image(self, job_id: str, number: int) -> Path:
        """Return the PNG of a document's page, rendering it at the first call.

        Raises:
            ScriptoriumError: there is no such page, or it cannot be shown.
        """
        job = self._store.job(job_id)
        original = self._results.original(job) if job else None
        if job is None or original is None or job.kind is not Kind.DOCUMENT:
            raise ScriptoriumError("There is no such page.")
        target = self._results.page_image(job_id, number)
        with self._render_lock:
            if not target.is_file():
                request = {"path": str(original), "number": number, "target": str(target)}
                for _ in self._renderer.call("render", width=PAGE_IMAGE_WIDTH, **request):
                    pass
        return target

    # --- inside -------------------------------------------------------------------------

    def _new_job(self, workspace: Workspace, file: Path | StoredFile) -> NewJob:
        try:
            stored = file if isinstance(file, StoredFile) else workspace.add_path(file)
        except DiskFull:
            raise  # not a fault of the file: nothing is submitted, and the person is told
        except (OSError, ScriptoriumError) as error:
            path = file.path if isinstance(file, StoredFile) else file
            reason = error.strerror if isinstance(error, OSError) else error
            return NewJob(path.name, Kind.UNKNOWN, path, "", 0, error=f"“{path.name}”: {reason}.")
        found = self.inspect(stored)
        return NewJob(
            stored.name,
            found.kind,
            stored.path,
            stored.sha256,
            stored.size,
            found.length,
            found.problem,
        )

    def _requeue(self, job_ids: Iterable[str]) -> int:
        count = self._store.requeue(job_ids)
        self._wake()
        return count

    def _tidy(self) -> None:
        """Say that files are not needed any more; the server's janitor looks every minute."""

    def _wake(self) -> None:
        """Say that there is new work; the server's lanes look for it every second anyway."""
