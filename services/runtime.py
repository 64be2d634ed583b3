"""The runtime: builds every service once and owns their life."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Self

from filelock import FileLock, Timeout

from services import exports
from services.audio.engines.host import Choice, EngineHost, EngineStatus, Hub
from services.config import Settings
from services.documents.process import DocumentProcess
from services.errors import DiskFull, ScriptoriumError, SettingsError
from services.files import operations
from services.files.disk import Room
from services.files.janitor import HOUR, Janitor, Waiting
from services.files.retry import set_retry_waits
from services.files.temp import use_temp_root
from services.files.workspace import StoredFile, Workspace
from services.jobs.audio_worker import AudioWorker
from services.jobs.document_worker import DocumentWorker
from services.jobs.estimate import Estimate, estimate
from services.jobs.inspect import Inspection, Inspector
from services.jobs.lane import Lane
from services.jobs.models import Batch, BatchSummary, Job, Kind, NewJob, Options, State
from services.jobs.results import Result, Results
from services.jobs.store import JobStore

log = logging.getLogger(__name__)

PAGE_IMAGE_WIDTH = 1200

running: list[Runtime] = []
"""The runtime that this process serves, if any. Pages are scripts: this is how they find it."""


class Runtime:
    """The front of the services: what pages, routes, scripts and tests call.

    Use it as a context manager, or call `start` and `stop`.

    Raises:
        SettingsError: on start, when another server uses the same data directory.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        # The temporary files have a lock too: two servers with data of their own may be told
        # to share a directory for them, and each would sweep what the other uses.
        self._locks = [
            FileLock(directory / "scriptorium.lock", timeout=0)
            for directory in (settings.data_dir, settings.temp_root)
        ]
        self._render_lock = threading.Lock()

    def start(self) -> Self:
        """Start the lanes, and the janitor."""
        settings = self.settings
        set_retry_waits(settings.retry_waits)
        self._acquire()
        if warning := use_temp_root(settings.temp_root):
            log.warning(warning)
        limit = settings.temp_limit_gb
        self._temp_room = Room(
            settings.temp_root, settings.disk_reserve, int(limit * 1e9) if limit else None
        )
        self._data_room = Room(settings.data_dir, settings.disk_reserve)
        self._store = JobStore(settings.store_url)
        self._results = Results(settings.results_dir)
        if freed := self._store.recover(settings.attempts):
            log.info("%d jobs of the last run were taken up again", freed)
        self._host = EngineHost(settings, Hub(settings.nemo_model, settings.hub_timeout))
        self._janitor = Janitor(
            settings.temp_root,
            leased=lambda: self._store.workspaces(leased=True),
            submitted=lambda: self._store.workspaces(leased=False),
            max_age=settings.workspace_hours * HOUR,
        )
        # Rendering and inspecting have processes of their own: neither waits for a long read.
        memory, patience = settings.document_memory_mb, settings.page_timeout
        self._renderer = DocumentProcess(memory, patience)
        self._inspecting = DocumentProcess(memory, patience)
        self._inspector = Inspector(self._inspecting)
        self._lanes = [self._lane("audio", AudioWorker(settings, self._host))] + [
            self._lane(f"documents-{number}", DocumentWorker(settings))
            for number in range(1, settings.document_workers + 1)
        ]
        self.engine_choice(self.default_options())  # ask the hub early, if it is needed at all
        self._janitor.start()
        for lane in self._lanes:
            lane.start()
        return self

    def stop(self) -> None:
        """Put back what runs, stop every thread and process, and free the data directory."""
        for lane in self._lanes:
            lane.ask_to_stop()
        for lane in self._lanes:
            lane.stop()
        self._janitor.stop()
        for process in (self._renderer, self._inspecting):
            process.close()
        self._store.close()
        for lock in self._locks:
            lock.release()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _lane(self, name: str, worker: AudioWorker | DocumentWorker) -> Lane:
        return Lane(
            name,
            worker,
            self._store,
            self._results,
            settled=self._janitor.wake,
            no_room=lambda: self._data_room.missing() or self._temp_room.missing(),
        )

    def _acquire(self) -> None:
        for lock in self._locks:
            directory = operations.make_dir(Path(lock.lock_file).parent)
            try:
                lock.acquire()
            except Timeout:
                for held in self._locks:
                    held.release()
                raise SettingsError(
                    f"Another Scriptorium already uses {directory}. Stop it, or give this one "
                    "directories of its own with SCRIPTORIUM_DATA (and SCRIPTORIUM_TEMP_DIR)."
                ) from None

    # --- giving work --------------------------------------------------------------------

    def new_workspace(self) -> Workspace:
        """Make a workspace for uploads; it lives until its batch is done, or a day."""
        return Workspace.create(self._temp_room)

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

    def places(self) -> dict[str, int]:
        """Return each queued job's place in its queue, by id; 1 is next."""
        return self._store.places()

    def estimate(self, jobs: Sequence[Job]) -> Estimate:
        """Judge how far these jobs are and how long they will still take."""
        return estimate(jobs, time.time())

    def counts(self) -> dict[tuple[Kind, State], int]:
        """Return the number of jobs of each kind in each state."""
        return self._store.counts()

    def engine_status(self) -> EngineStatus:
        """Return what the speech engine is doing."""
        return self._host.status

    def engine_choice(self, options: Options) -> Choice | None:
        """Return the engine and model that these options stand for now.

        None while the hub is being asked whether `auto` can mean NeMo.
        """
        return self._host.choose(options.engine, options.model, wait=False)

    def waiting_workspaces(self) -> dict[Path, Waiting]:
        """Return the workspaces that could not be removed yet."""
        return dict(self._janitor.waiting)

    def paused(self) -> str | None:
        """Return why no jobs are taken now, a full disk; None when they are."""
        return next((lane.paused for lane in self._lanes if lane.paused), None)

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

    def _wake(self) -> None:
        for lane in self._lanes:
            lane.wake()
