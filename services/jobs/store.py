"""The job store: how jobs come in, run and end."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, exists, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from services.errors import AlreadySubmitted
from services.jobs import diarization, queue
from services.jobs.history import record
from services.jobs.models import Batch, Job, Kind, NewJob, Options, State
from services.jobs.once import Once, earlier, remember
from services.jobs.requests import QUEUED, Requests
from services.jobs.schema import JOBS, BatchRow, JobRow, to_batch, to_job
from services.jobs.statements import BEGIN, DONE, HELD, PAUSED, PROGRESS, RECORD, RUNNING
from services.store.connection import changed_rows, connect


def new_id() -> str:
    """Return an id that nobody can guess: 128 random bits in hex."""
    return secrets.token_hex(16)


class JobStore(Requests):
    """Batches and jobs, and every change of their states, each with its line in the history.

    Each method is one transaction and may be called from any thread. Who claims a job gets it with
    a `run`; once the job was cancelled, freed or deleted, nothing that is said of that run counts.

    Args:
        url: SQLAlchemy URL.
        clock: Returns the time in seconds since the epoch.
        crash_limit: Stops of the server in a row, each while a job ran, from which on that job
            runs alone; if it brings the server down once more, it has failed.
        retry_waits: Pauses after which a job that failed for a passing reason is tried again, in
            seconds; their number is the number of tries.
        owner_limit: Jobs of one owner that may run at the same time; None for any number.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.time,
        crash_limit: int = 3,
        retry_waits: Sequence[float] = (),
        owner_limit: int | None = None,
    ) -> None:
        super().__init__(url, clock)
        # To wait for the disk takes as long as hearing a minute of speech. After a power cut a job
        # that was begun is queued again whether the store knows of it or not, and the pulse makes
        # it last some seconds later.
        self._engines.append(connect(url, writes=True, lasting=False))
        self._passing = sessionmaker(self._engines[-1])
        self._crash_limit = crash_limit
        self._retry_waits = tuple(retry_waits)
        self._owner_limit = owner_limit

    # --- coming in --------------------------------------------------------------------

    def add_batch(
        self,
        owner: str,
        workspace: Path,
        options: Options,
        jobs: Sequence[NewJob],
        once: Once | None = None,
    ) -> Batch:
        """Store a batch with its jobs, all queued but those that carry an error.

        With `once`, of several that carry the same key the first is stored, and the others get
        what it became.

        Raises:
            KeyReused: the key came with something else before.
            AlreadySubmitted: a batch has the workspace, by a request that was faster.
        """
        given = (owner, workspace, options, jobs, once)
        try:
            return self._add_batch(*given)
        except IntegrityError:
            if once is None:
                raise
            return self._add_batch(*given)  # the key came twice at once, and is stored by now

    def submitted(self, owner: str, once: Once) -> Batch | None:
        """Return the batch that an owner's key made already, or None; see `add_batch`."""
        with self.write() as session:
            found = earlier(session, owner, once, self._clock())
            return to_batch(found) if found else None

    def _add_batch(
        self,
        owner: str,
        workspace: Path,
        options: Options,
        jobs: Sequence[NewJob],
        once: Once | None,
    ) -> Batch:
        now = self._clock()
        row = BatchRow(
            id=new_id(),
            owner=owner,
            created_at=now,
            workspace=str(workspace),
            options=options.as_dict(),
        )
        with self.write() as session:
            if once is not None:
                if found := earlier(session, owner, once, now):
                    return to_batch(found)
                remember(session, owner, once, row.id, now)
            if session.scalar(select(exists().where(BatchRow.workspace == row.workspace))):
                raise AlreadySubmitted("These files are in a batch already. Look at your batches.")
            session.add(row)
            session.flush()
            rows = [self._new_row(row, position, job) for position, job in enumerate(jobs)]
            if rows:
                session.execute(insert(JobRow), rows)
            for error in {job.error for job in jobs}:
                added = [(one["id"], 0, one["state"]) for one in rows if one["error"] == error]
                record(session, added, now, error)
            return to_batch(row)

    def _new_row(self, batch: BatchRow, position: int, job: NewJob) -> dict[str, Any]:
        return {
            "id": new_id(),
            "batch_id": batch.id,
            "position": position,
            "owner": batch.owner,
            "name": job.name,
            "kind": job.kind,
            "path": str(job.path),
            "sha256": job.sha256,
            "size": job.size,
            "length": job.length,
            "state": State.FAILED if job.error else State.QUEUED,
            "error": job.error,
            "error_kind": "permanent" if job.error else None,
            "options": batch.options,
            "created_at": batch.created_at,
            "queued_at": batch.created_at,
            "finished_at": batch.created_at if job.error else None,
        }

    # --- running ----------------------------------------------------------------------

    def claim(self, kind: Kind, options: Options | None = None) -> Job | None:
        """Take the next queued job of `kind` and mark it running, or return None.

        No two callers get the same job; see `queue` for the order. With `options`, only a job
        that a model hears alike with its own is taken. One during which the server stopped too
        often waits until nothing else runs or could, and then runs alone.
        """
        usual, suspect = (0, self._crash_limit - 1), (self._crash_limit, queue.MOST_CRASHES)
        now = self._clock()
        with self._passing.begin() as session:
            if session.scalar(PAUSED) is not None:
                return None
            others, suspects = session.execute(RUNNING, {"crash_limit": self._crash_limit}).one()
            if suspects:
                return None
            for crashes in (usual,) if others else (usual, suspect):
                found = queue.next_in_line(session, kind, now, crashes, options, self._owner_limit)
                if found:
                    return self._begin(session, found, now)
        return None

    def _begin(self, session: Session, job_id: str, now: float) -> Job:
        row = session.execute(BEGIN, {"job_id": job_id, "new_run": new_id(), "now": now}).one()
        record(session, [(row.id, row.attempts, row.state)], now)
        queue.take_turn(session, Kind(row.kind), row.owner, row.batch_id)
        return to_job(row)

    def set_progress(self, job: Job, progress: float, stage: str) -> bool:
        """Store how far a claimed job is; return False when it is not the caller's any more."""
        return job.id in self.set_all_progress([(job, progress, stage)])

    def set_all_progress(self, work: Sequence[tuple[Job, float, str]]) -> set[str]:
        """Store how far claimed jobs are; return the ids of those that are still the caller's."""
        held = set()
        with self._passing.begin() as session:
            for job, progress, stage in work:
                share = min(max(progress, 0.0), 1.0)
                values = {**_claim(job), "share": share, "now_at": stage}
                if changed_rows(session.execute(PROGRESS, values)) == 1:
                    held.add(job.id)
        return held

    def renew(self, jobs: Sequence[Job]) -> None:
        """Say that claimed jobs are still being worked on."""
        with self.write() as session:
            for job in jobs:
                seen = update(JOBS).where(*HELD).values(seen_at=self._clock())
                session.execute(seen, _claim(job))

    def finish(
        self,
        job: Job,
        publish: Callable[[], None] = lambda: None,
        *,
        length: float,
        engine: str,
        model: str,
        note: str | None,
        took: float | None = None,
        other_track: bool = False,
    ) -> bool:
        """Mark a claimed job done; return False when it is not the caller's any more.

        Args:
            job: As it was claimed.
            publish: Puts the result, which is on disk, into its place. It is called when the job
                is known to be the caller's and nobody can change that; if it raises, the job
                stays as it is.
            length: Seconds of audio, or pages, as reading the file showed.
            engine: What made the result.
            model: With which model.
            note: What a person should know about the result.
            took: The work that it cost, in seconds.
            other_track: Whether it is of another sound track than the result before: its speakers
                are others, and are looked for anew.
        """
        now = self._clock()
        values: dict[str, Any] = {
            **_claim(job),
            "now": now,
            "its_length": length,
            "its_engine": engine,
            "its_model": model,
            "its_note": note,
            "its_took": took,
        }
        with self.write() as session:
            done = session.execute(DONE, values).all()
            if not done:
                return False
            record(session, done, now)
            if other_track:
                diarization.end(session, job.id)
            if job.options.speakers and job.kind is Kind.AUDIO:
                diarization.ask(session, job.id, now)
            publish()
            return True

    def fail(self, job: Job, error: str, *, transient: bool, kind: str | None = None) -> bool:
        """Mark a claimed job failed, with the sentence that tells a person why.

        Where the reason may pass, the job is queued for another try after a pause instead, until
        its tries are used up. Returns False when the job is not the caller's any more.

        Args:
            kind: What the job waits for, where that is more than `transient` or `permanent` say.
        """
        kind = kind or ("transient" if transient else "permanent")
        with self.write() as session:
            tried = session.scalar(select(JobRow.retries).where(JobRow.id == job.id)) or 0
            if not transient or tried >= len(self._retry_waits):
                now = self._clock()
                changes = {"state": State.FAILED, "stage": "", "run": None, "finished_at": now}
            else:
                again = self._clock() + self._retry_waits[tried]
                changes = {**QUEUED, "retries": tried + 1, "not_before": again}
            told = {"error": error, "error_kind": kind, "crashes": 0}
            return self._settle(session, job, error, {**changes, **told})

    def release(self, job: Job, reason: str | None = None) -> None:
        """Put a claimed job back because it cannot go on now; this try does not count.

        Args:
            job: As it was claimed.
            reason: What it waits for, for a person; None when the server stops.
        """
        changes = {**QUEUED, "attempts": JOBS.c.attempts - 1, "crashes": 0, "error": reason}
        with self.write() as session:
            self._settle(session, job, reason or "the server was stopped", changes)

    def recover(self, unseen_since: float | None = None) -> int:
        """Free the jobs that nothing works on any more; return how many.

        They are queued again. One that ran alone, because it was running at too many crashes
        before, has failed: it is what brings the server down.

        Args:
            unseen_since: Seconds since the epoch: those whose last sign of life is older. All of
                them when not given, which is right at the start of the only server.
        """
        conditions: list[ColumnElement[bool]] = [JobRow.state == State.RUNNING]
        if unseen_since is None:
            return self._free(conditions, "the server stopped while it ran")
        conditions.append(JobRow.seen_at < unseen_since)
        return self._free(conditions, "what worked on it showed no sign of life")

    def interrupted(self, job: Job, reason: str) -> None:
        """Free a claimed job in whose work this process broke, as `recover` does after a crash."""
        self._free([JobRow.id == job.id, JobRow.run == job.run], reason)

    # --- inside -----------------------------------------------------------------------

    def _free(self, conditions: list[ColumnElement[bool]], reason: str) -> int:
        """Queue these jobs again, but for those that ran alone and have failed."""
        now = self._clock()
        error = (
            f"The server stopped {self._crash_limit} times while it read this file, or its GPU "
            "was lost, and once more when it read nothing else. The file is kept; report it with "
            "the server's log."
        )
        failed = {
            "state": State.FAILED,
            "stage": "",
            "run": None,
            "finished_at": now,
            "error": error,
            "error_kind": "permanent",
        }
        queued = {**QUEUED, "crashes": JobRow.crashes + 1}
        count = 0
        with self.write() as session:
            for more, values, why in (
                ([JobRow.crashes >= self._crash_limit], failed, error),
                ([], queued, reason),
            ):
                freed = session.execute(
                    update(JOBS).where(*conditions, *more).values(**values).returning(*RECORD)
                ).all()
                record(session, freed, now, why)
                count += len(freed)
        return count

    def _settle(self, session: Session, job: Job, reason: str, changes: dict[str, Any]) -> bool:
        """Change a claimed job, with a line in its history; False when it is another's by now."""
        changed = update(JOBS).where(*HELD).values(**changes).returning(*RECORD)
        done = session.execute(changed, _claim(job)).all()
        record(session, done, self._clock(), reason)
        return len(done) == 1


def _claim(job: Job) -> dict[str, str | None]:
    """Return what `HELD` asks for: the job as its claimer has it."""
    return {"job_id": job.id, "by": job.run}
