"""The front of the services: what pages, routes, scripts and the command line call."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from services.audio.edits import Edit
from services.config import Settings
from services.documents.process import DocumentProcess
from services.errors import AccountError, NotAllowed
from services.files import operations
from services.files.disk import Room
from services.files.janitor import HOUR
from services.files.workspace import StoredFile, Workspace
from services.jobs import keeping
from services.jobs.inspect import Inspection, Inspector
from services.jobs.models import FELL_SHORT, Batch, JobFilter, Kind, Options, State
from services.jobs.once import Once
from services.people.models import Scope
from services.retention import data_problem, shortest_limit
from services.shelves import Shelves
from services.store.database import portions
from services.uploads.intake import Intake

_MOST_AT_ONCE = 4
"""PDFs that are looked at at once, each in a process of its own."""


class Front(Shelves):
    """Gives work to the store and shows what comes of it; a `Runtime` does the work.

    Any number of processes may have one on the same data, beside the server or without it.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings)
        self._temp_room = Room(
            settings.temp_root,
            settings.disk_reserve,
            _bytes(settings.temp_limit_gb),
            lambda: data_problem(settings, 1.0),
        )
        self.upload_limit = _bytes(settings.upload_limit_gb)
        """Bytes that one uploaded file may have; None for as many as fit."""
        self._intake = Intake(
            self._temp_room,
            settings.workspace_hours * HOUR,
            self.upload_limit,
            _bytes(settings.owner_upload_limit_gb),
            self._store.is_submitted,
        )
        # Processes of its own: a look at an upload does not wait for a page that is rendered.
        self._inspector = Inspector(
            DocumentProcess(settings.document_memory_mb, settings.page_timeout)
            for _ in range(_MOST_AT_ONCE)
        )

    def close(self) -> None:
        """End the processes and close the store."""
        self._inspector.close()
        super().close()

    # --- giving work --------------------------------------------------------------------

    def new_workspace(self) -> Workspace:
        """Make a workspace for uploads; it lives until its batch is done, or a day."""
        self.require(Scope.SUBMIT)
        return Workspace.create(self._temp_room, self.person.name)

    def drop(self, workspace: Workspace) -> None:
        """Have a workspace removed that nobody comes back for, unless a batch has it."""
        if not self._store.is_submitted(workspace.path):
            workspace.drop()
            self._tidy()

    def open_workspace(self, name: str) -> Workspace | None:
        """Return one's own workspace of that name, if it is there and no batch has it yet."""
        self.require(Scope.SUBMIT)
        workspace = Workspace(self.settings.temp_root / Path(name).name, self._temp_room)
        mine = self.person.everything or workspace.owner == self.person.name
        free = workspace.exists and not self._store.is_submitted(workspace.path)
        return workspace if mine and free else None

    @property
    def uploads(self) -> Intake:
        """The uploads of the person whose view this is.

        Raises:
            NotAllowed: they may not give work.
        """
        self.require(Scope.SUBMIT)
        return self._intake.seen_by(self.person.name)

    def uploaded(self, upload_ids: Iterable[str]) -> tuple[Workspace, list[StoredFile]]:
        """Gather finished uploads of one's own, for `submit` with both that this returns.

        Raises:
            KeyError: one of the ids is unknown, unfinished, or in a batch already.
            DiskFull: there is no room to bring them together.
        """
        return self.uploads.collect(upload_ids)

    def inspect(self, file: StoredFile) -> Inspection:
        """Say what an uploaded file is, how long, and whether it can be processed."""
        return self._inspector.inspect(file.path, file.name)

    def default_options(self) -> Options:
        """Return what a batch carries when nothing else is chosen: with the team's terms."""
        settings = self.settings
        return Options(
            engine=settings.engine,
            nemo_input=settings.nemo_input,
            reader=settings.document_reader,
            ocr=settings.ocr,
            ocr_languages=settings.ocr_languages,
            hotwords=tuple(dict.fromkeys((*self.people.terms(), *settings.hotwords))),
            speakers=settings.speakers,
            track=settings.track,
        )

    def common_options(self, wanted: JobFilter) -> Options:
        """Return what one's jobs of a filter carry; where they differ, the server's settings."""
        several = self._store.options(self._changeable(wanted))
        return Options.common(several, self.default_options())

    def submit(
        self,
        files: Iterable[Path | StoredFile],
        owner: str = "",
        options: Options | None = None,
        workspace: Workspace | None = None,
        once: Once | None = None,
    ) -> Batch:
        """Queue files as one batch; one that cannot be processed becomes a failed job.

        Args:
            files: Files anywhere, which are copied first, or ones already in `workspace`.
            owner: Whose batch it is, where the services themselves submit it; else whose view
                this is.
            options: The settings that its jobs carry; the server's own when not given.
            workspace: Where the stored files lie; a new one when not given.
            once: The key of the submission; one that was sent before returns its batch, which
                has another workspace.

        Raises:
            DiskFull: there is no room for the copies; nothing was submitted.
            KeyReused: the key came with something else before; nothing was submitted.
            AlreadySubmitted: a batch has the workspace; nothing was submitted.
        """
        self.require(Scope.SUBMIT)
        owner = (self.person.everything and owner) or self.person.name
        workspace = workspace or self.new_workspace()
        workspace.keep()  # whatever was said of its session: now a batch needs it
        jobs = self._inspector.new_jobs(workspace, files)
        workspace.sync()
        batch = self._store.add_batch(
            owner, workspace.path, options or self.default_options(), jobs, once
        )
        self._wake()
        return batch

    def submitted(self, once: Once) -> Batch | None:
        """Return the batch that a submission with this key has made already, or None.

        Raises:
            KeyReused: the key came with something else before.
        """
        self.require(Scope.SUBMIT)
        return self._store.submitted(self.person.name, once)

    # --- changing what was given -------------------------------------------------------

    def retry(self, batch_id: str, options: Options | None = None) -> int:
        """Queue again what failed or was cancelled in a batch; return how many jobs."""
        return self.rerun(JobFilter(batch_id, FELL_SHORT), options)

    def retry_job(self, job_id: str, options: Options | None = None) -> int:
        """Queue a job that ended again; return 1, or 0 if it has not ended or cannot be."""
        return self.rerun(JobFilter(ids=(job_id,)), options)

    def rerun(self, wanted: JobFilter, options: Options | None = None) -> int:
        """Queue again all jobs that a filter means and that have ended; return how many.

        Args:
            wanted: Which jobs.
            options: What they carry from now on; what they carried before when not given.
        """
        count = self._store.requeue(self._store.ids(self._changeable(wanted)), options, State)
        self._wake()
        return count

    def set_options(self, wanted: JobFilter, options: Options) -> int:
        """Give the jobs of a filter that still wait other options; return how many."""
        return self._store.set_options(self._store.ids(self._changeable(wanted)), options)

    def move_to_front(self, wanted: JobFilter) -> int:
        """Put the jobs of a filter that still wait before all others; return how many."""
        self.require(Scope.ADMIN)  # it is before everybody else's
        return self._store.move_to_front(self._store.ids(self._visible(wanted)))

    def move_job_to_front(self, job_id: str) -> int:
        """Put a job that waits before all others; return 1, or 0 if it does not wait."""
        return self.move_to_front(JobFilter(ids=(job_id,)))

    def pause(self) -> None:
        """Let no job begin until `resume`; what runs goes on."""
        self.require(Scope.ADMIN)
        self._store.pause(self.person.name)
        self.log_action("pause")

    def resume(self) -> None:
        """Let jobs begin again."""
        self.require(Scope.ADMIN)
        self.log_action("resume")
        self._store.resume()
        self._wake()

    def unlock(self, job_id: str, password: str) -> int:
        """Try a document that needs a password again, with this one; return 1, or 0 if it cannot.

        The password stays in the memory of this process and nowhere else.

        Raises:
            PasswordNeeded: it is not the right one.
            ScriptoriumError: the document cannot be opened.
        """
        job = self.own_job(job_id)
        original = self._results.original(job) if job else None
        if job is None or original is None or job.kind is not Kind.DOCUMENT:
            return 0
        self._inspector.unlock(original, job.name, password)
        self._passwords.put(job_id, password)
        return 1 if job.state is State.DONE else self.retry_job(job_id)

    def cancel(self, job_id: str) -> int:
        """Cancel a queued or running job; return 1, or 0 if it had ended."""
        return self._cancel(self._changeable_ids([job_id]))

    def cancel_batch(self, batch_id: str) -> int:
        """Cancel what has not ended in a batch, searches for speakers too; return how many."""
        return self._cancel(self._store.ids(self._changeable(JobFilter(batch_id))))

    def _cancel(self, ids: list[str]) -> int:
        return self._store.cancel(ids) + self._diarizations.cancel(ids)

    def delete(self, job_ids: Iterable[str]) -> int:
        """Delete jobs in whatever state, with their results and originals; return how many."""
        return self._delete(self._changeable_ids(job_ids))

    def _delete(self, ids: list[str]) -> int:
        batches = self._store.batches_of(ids)
        count = self._store.delete({id: self._results.directory(id) for id in ids})
        # A batch goes with its last job, and what was shared of it too.
        gone = [batch_id for batch_id in batches if self._store.batch(batch_id) is None]
        self.people.shares.forget(gone, ids)
        self.log_action("delete", detail=f"{count} files")
        self._tidy()
        return count

    def delete_batch(self, batch_id: str) -> int:
        """Delete a batch with all its jobs, results and originals; return how many jobs."""
        return self._delete(self._store.ids(self._changeable(JobFilter(batch_id))))

    def delete_mine(self) -> int:
        """Delete everything of one's own: batches, results, uploads; return how many files."""
        mine = self._changeable(JobFilter())
        self.people.shares.forget_by(self.person.name)
        self.uploads.give_up()
        return self._delete(self._store.ids(mine))

    def edit(
        self, job_id: str, version: str, changes: Iterable[Edit], names: dict[str, str | None]
    ) -> dict[str, Any]:
        """Correct a transcript; see `Transcripts.change`.

        Raises:
            KeyError: the job has no transcript.
            EditConflict: somebody else changed it meanwhile; nothing was saved.
            NotAllowed: it was shared to be read only.
        """
        self._require_transcript(job_id)
        job = self.job(job_id)
        if job is None or not self.may_correct(job):
            raise NotAllowed("This was shared with you to read; only its owner can correct it.")
        return self._transcripts.change(job_id, version, changes, names)

    def find_speakers(self, job_id: str) -> bool:
        """Have the speakers of a transcript told apart, or once more; False where there is none.

        It is a stage of its own: whatever becomes of it, the transcript stays.
        """
        self.require(Scope.SUBMIT)
        asked = self.own_job(job_id) is not None and self._diarizations.ask(job_id)
        self._wake()
        return asked

    def stop_finding_speakers(self, job_id: str) -> bool:
        """End the search for speakers; False where none is under way."""
        self.require(Scope.SUBMIT)
        return self.own_job(job_id) is not None and self._diarizations.cancel([job_id]) > 0

    def forget_speakers(self, job_id: str) -> bool:
        """Remove the speakers that were found; the names that people gave stay for another search.

        Returns False where there is no such transcript.
        """
        self.require(Scope.SUBMIT)
        if self.own_job(job_id) is None:
            return False
        path = self._results.speakers_file(job_id)
        self._diarizations.forget(job_id, lambda: operations.discard(path))
        self._wake_indexer()
        return True

    def keep_batch(self, batch_id: str, days: float | None) -> bool:
        """Keep a batch for so many days after its files ended; see `keeping.keep`.

        Raises:
            NotAllowed: that is longer than this instance keeps such files, and they are no admin.
        """
        self.require(Scope.SUBMIT)
        longest = shortest_limit(self.settings)
        longer = days is not None and longest is not None and not 0 < days <= longest
        if longer and not self.may(Scope.ADMIN):
            raise NotAllowed(f"This instance keeps files for {longest:g} days; ask an admin.")
        return self.own_batch(batch_id) is not None and keeping.keep(self._store, batch_id, days)

    def discard(self, batch_id: str) -> bool:
        """Give up the originals of what failed or was cancelled in a batch.

        They cannot be tried again then. Returns False while something in it has not ended.
        """
        discarded = self.own_batch(batch_id) is not None and self._store.discard(batch_id)
        self._tidy()
        return discarded

    def inherit(self, owner: str, heir: str) -> int:
        """Give all batches of one owner to somebody; return how many files.

        Raises:
            AccountError: there is nobody with the heir's name.
        """
        self._require_everything()
        if self.people.accounts.get(heir) is None:
            raise AccountError(f"There is nobody with the name “{heir}”.")
        ids = self._store.inherit(owner, heir)
        self.people.shares.inherit(owner, heir)
        for some in portions(ids):
            self.index_again(some)  # the library knows owners too
        return len(ids)

    # --- inside -------------------------------------------------------------------------

    def _tidy(self) -> None:
        """Say that files are not needed any more; the server's janitor looks every minute."""

    def _wake(self) -> None:
        """Say that there is new work; the server's lanes look for it every second anyway."""


def _bytes(gigabytes: float | None) -> int | None:
    return None if gigabytes is None else int(gigabytes * 1e9)
