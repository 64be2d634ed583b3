"""The job store: every change of the truth about batches and jobs."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import case, func, select, update
from sqlalchemy.orm import Session

from services.jobs.connection import changed_rows
from services.jobs.models import Batch, Job, Kind, NewJob, Options, State
from services.jobs.reading import StoreReader
from services.jobs.schema import BatchRow, EventRow, JobRow, TurnRow, to_batch, to_job


def new_id() -> str:
    """Return an id that nobody can guess: 128 random bits in hex."""
    return secrets.token_hex(16)


_QUEUED: dict[str, Any] = {"state": State.QUEUED, "stage": "", "progress": 0.0}


class JobStore(StoreReader):
    """Batches and jobs, and every change of their states, each with its line in the history.

    Each method is one transaction and may be called from any thread.

    Args:
        url: SQLAlchemy URL.
        clock: Returns the time in seconds since the epoch.
        crash_limit: Stops of the server in a row, each while a job ran, from which on that job
            runs alone; if it brings the server down once more, it has failed.
        retry_waits: Pauses after which a job that failed for a passing reason is tried again, in
            seconds; their number is the number of tries.
    """

    def __init__(
        self,
        url: str,
        clock: Callable[[], float] = time.time,
        crash_limit: int = 3,
        retry_waits: Sequence[float] = (),
    ) -> None:
        super().__init__(url)
        self._clock = clock
        self._crash_limit = crash_limit
        self._retry_waits = tuple(retry_waits)

    # --- submitting -------------------------------------------------------------------

    def add_batch(
        self, owner: str, workspace: Path, options: Options, jobs: Sequence[NewJob]
    ) -> Batch:
        """Store a batch with its jobs, all queued but those that carry an error."""
        now = self._clock()
        row = BatchRow(
            id=new_id(),
            owner=owner,
            created_at=now,
            workspace=str(workspace),
            options=options.as_dict(),
        )
        with self._writer.begin() as session:
            session.add(row)
            session.flush()
            rows = [
                JobRow(
                    id=new_id(),
                    batch_id=row.id,
                    position=position,
                    owner=owner,
                    name=job.name,
                    kind=job.kind,
                    path=str(job.path),
                    sha256=job.sha256,
                    size=job.size,
                    length=job.length,
                    state=State.FAILED if job.error else State.QUEUED,
                    error=job.error,
                    error_kind="permanent" if job.error else None,
                    options=options.as_dict(),
                    created_at=now,
                    queued_at=now,
                    finished_at=now if job.error else None,
                )
                for position, job in enumerate(jobs)
            ]
            session.add_all(rows)
            session.flush()
            session.add_all(
                EventRow(job_id=job.id, at=now, state=job.state, attempt=0, reason=job.error)
                for job in rows
            )
            return to_batch(row)

    # --- running ----------------------------------------------------------------------

    def claim(self, kind: Kind, options: Options | None = None) -> Job | None:
        """Take the next queued job of `kind` and mark it running, or return None.

        Owners take turns; within an owner the oldest job comes first. With `options`, only a
        job that carries exactly these is taken. No two callers get the same job. One during which
        the server stopped too often waits until nothing else runs, and then runs alone.
        """
        suspect = JobRow.crashes >= self._crash_limit
        now = self._clock()
        with self._writer.begin() as session:
            running = select(func.count(), func.sum(case((suspect, 1), else_=0))).where(
                JobRow.state == State.RUNNING
            )
            others, suspects = session.execute(running).one()
            if suspects:
                return None
            ready = [JobRow.kind == kind, JobRow.state == State.QUEUED, JobRow.not_before <= now]
            if others:
                ready.append(~suspect)
            owners = list(session.scalars(select(JobRow.owner).where(*ready).distinct()))
            turns: dict[str, int] = dict(
                session.execute(select(TurnRow.owner, TurnRow.number).where(TurnRow.kind == kind))
                .tuples()
                .all()
            )
            for owner in sorted(owners, key=lambda owner: (turns.get(owner, 0), owner)):
                candidate = session.execute(
                    select(JobRow.id, JobRow.options)
                    .where(*ready, JobRow.owner == owner)
                    .order_by(suspect, JobRow.queued_at, JobRow.position)
                    .limit(1)
                    .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer
                ).one_or_none()
                if candidate is None:
                    continue
                if options is not None and Options.from_dict(candidate.options) != options:
                    continue
                row = session.execute(
                    update(JobRow)
                    .where(JobRow.id == candidate.id, JobRow.state == State.QUEUED)
                    .values(
                        state=State.RUNNING,
                        attempts=JobRow.attempts + 1,
                        started_at=now,
                        finished_at=None,
                        progress=0.0,
                        stage="",
                        error=None,
                        error_kind=None,
                        note=None,
                    )
                    .returning(JobRow.__table__)
                ).one_or_none()
                if row is not None:
                    self._record(session, [(row.id, row.attempts)], State.RUNNING, now=now)
                    # A count and not a time: clocks stand still between two quick claims.
                    turn = max(turns.values(), default=0) + 1
                    session.merge(TurnRow(kind=kind, owner=owner, number=turn))
                    return to_job(row)
        return None

    def set_progress(self, job_id: str, progress: float, stage: str) -> bool:
        """Store how far a running job is; return False when it is no longer running."""
        with self._writer.begin() as session:
            done = session.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state == State.RUNNING)
                .values(progress=min(max(progress, 0.0), 1.0), stage=stage)
            )
            return changed_rows(done) == 1

    def is_running(self, job_id: str) -> bool:
        """Whether a job is (still) marked running: False once it was cancelled."""
        with self._reader() as session:
            found = session.scalar(select(JobRow.state).where(JobRow.id == job_id))
            return found == State.RUNNING

    def finish(
        self,
        job_id: str,
        *,
        length: float,
        engine: str,
        model: str,
        note: str | None,
        took: float | None = None,
    ) -> bool:
        """Mark a running job done. Its result must be on disk already."""
        with self._writer.begin() as session:
            return self._end(
                session,
                job_id,
                State.DONE,
                progress=1.0,
                length=length,
                engine=engine,
                model=model,
                note=note,
                took=took,
            )

    def fail(self, job_id: str, error: str, *, transient: bool) -> bool:
        """Mark a running job failed, with the sentence that tells a person why.

        Where the reason may pass, the job is queued for another try after a pause instead, until
        its tries are used up.
        """
        kind = "transient" if transient else "permanent"
        with self._writer.begin() as session:
            tried = session.scalar(select(JobRow.retries).where(JobRow.id == job_id)) or 0
            if not transient or tried >= len(self._retry_waits):
                return self._end(session, job_id, State.FAILED, error=error, error_kind=kind)
            done = session.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state == State.RUNNING)
                .values(
                    **_QUEUED,
                    crashes=0,
                    retries=tried + 1,
                    not_before=self._clock() + self._retry_waits[tried],
                    error=error,
                    error_kind=kind,
                )
                .returning(JobRow.id, JobRow.attempts)
            ).all()
            self._record(session, done, State.QUEUED, error)
            return len(done) == 1

    def release(self, job_id: str, reason: str | None = None) -> None:
        """Put a running job back because it cannot go on now; this try does not count.

        Args:
            reason: What it waits for, for a person; None when the server stops.
        """
        with self._writer.begin() as session:
            done = session.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state == State.RUNNING)
                .values(**_QUEUED, attempts=JobRow.attempts - 1, crashes=0, error=reason)
                .returning(JobRow.id, JobRow.attempts)
            ).all()
            self._record(session, done, State.QUEUED, reason or "the server was stopped")

    def recover(self) -> int:
        """Free the jobs of a server that stopped without a word; return how many.

        They are queued again. One that ran alone, because it was running at too many such stops
        before, has failed: it is what brings the server down.
        """
        running = JobRow.state == State.RUNNING
        with self._writer.begin() as session:
            error = (
                f"The server stopped {self._crash_limit} times while it read this file, and once "
                "more when it read nothing else. The file is kept; report it with the server's log."
            )
            failed = session.execute(
                update(JobRow)
                .where(running, JobRow.crashes >= self._crash_limit)
                .values(
                    state=State.FAILED,
                    stage="",
                    finished_at=self._clock(),
                    error=error,
                    error_kind="permanent",
                )
                .returning(JobRow.id, JobRow.attempts)
            ).all()
            self._record(session, failed, State.FAILED, error)
            queued = session.execute(
                update(JobRow)
                .where(running)
                .values(**_QUEUED, crashes=JobRow.crashes + 1)
                .returning(JobRow.id, JobRow.attempts)
            ).all()
            self._record(session, queued, State.QUEUED, "the server stopped while it ran")
            return len(failed) + len(queued)

    # --- what a person asks for -------------------------------------------------------

    def cancel(self, job_ids: Iterable[str]) -> int:
        """Cancel the jobs that have not ended; return how many."""
        with self._writer.begin() as session:
            done = session.execute(
                update(JobRow)
                .where(
                    JobRow.id.in_(list(job_ids)),
                    JobRow.state.in_((State.QUEUED, State.RUNNING)),
                )
                .values(state=State.CANCELLED, stage="", finished_at=self._clock())
                .returning(JobRow.id, JobRow.attempts)
            ).all()
            self._record(session, done, State.CANCELLED)
            return len(done)

    def requeue(self, job_ids: Iterable[str]) -> int:
        """Queue failed and cancelled jobs again with the options they carry; return how many."""
        with self._writer.begin() as session:
            done = session.execute(
                update(JobRow)
                .where(
                    JobRow.id.in_(list(job_ids)),
                    JobRow.state.in_((State.FAILED, State.CANCELLED)),
                    JobRow.kind != Kind.UNKNOWN,
                    JobRow.batch_id.in_(select(BatchRow.id).where(~BatchRow.discarded)),
                )
                .values(
                    **_QUEUED,
                    queued_at=self._clock(),
                    started_at=None,
                    finished_at=None,
                    attempts=0,
                    crashes=0,
                    retries=0,
                    not_before=0.0,
                    error=None,
                    error_kind=None,
                )
                .returning(JobRow.id, JobRow.attempts)
            ).all()
            self._record(session, done, State.QUEUED, "a person asked for another try")
            return len(done)

    def discard(self, batch_id: str) -> bool:
        """Give up the originals of what failed or was cancelled in a batch that has ended."""
        with self._writer.begin() as session:
            unfinished = select(JobRow.id).where(
                JobRow.batch_id == batch_id, JobRow.state.in_((State.QUEUED, State.RUNNING))
            )
            done = session.execute(
                update(BatchRow)
                .where(BatchRow.id == batch_id, ~unfinished.exists())
                .values(discarded=True)
            )
            return changed_rows(done) == 1

    # --- inside -----------------------------------------------------------------------

    def _end(self, session: Session, job_id: str, state: State, **values: Any) -> bool:
        done = session.execute(
            update(JobRow)
            .where(JobRow.id == job_id, JobRow.state == State.RUNNING)
            .values(state=state, stage="", finished_at=self._clock(), crashes=0, **values)
            .returning(JobRow.id, JobRow.attempts)
        ).all()
        self._record(session, done, state, values.get("error"))
        return len(done) == 1

    def _record(
        self,
        session: Session,
        jobs: Sequence[Any],
        state: State,
        reason: str | None = None,
        now: float | None = None,
    ) -> None:
        """Write a change of state into the history of jobs, given as (id, attempts)."""
        at = self._clock() if now is None else now
        session.add_all(
            EventRow(job_id=job_id, at=at, state=state, attempt=attempts, reason=reason)
            for job_id, attempts in jobs
        )
