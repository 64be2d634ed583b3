"""The job store: the truth about batches and jobs, in SQL."""

from __future__ import annotations

import secrets
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import func, select, update
from sqlalchemy.orm import sessionmaker

from services.jobs.connection import changed_rows, connect
from services.jobs.models import Batch, BatchSummary, Job, Kind, NewJob, Options, State
from services.jobs.schema import Base, BatchRow, JobRow, TurnRow, to_batch, to_job


def new_id() -> str:
    """Return an id that nobody can guess: 128 random bits in hex."""
    return secrets.token_hex(16)


class JobStore:
    """Batches and jobs, and every change of their states.

    Each method is one transaction and may be called from any thread.

    Args:
        url: SQLAlchemy URL. SQLite runs in WAL mode with full synchronisation, so that a batch
            that was accepted survives a power cut.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._engines = [connect(url, writes=False), connect(url, writes=True)]
        self._reader, self._writer = (sessionmaker(engine) for engine in self._engines)
        Base.metadata.create_all(self._engines[1])

    def close(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            engine.dispose()

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
            session.add_all(
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
            )
            return to_batch(row)

    # --- reading ----------------------------------------------------------------------

    def batch(self, batch_id: str) -> Batch | None:
        """Return a batch, or None."""
        with self._reader() as session:
            row = session.get(BatchRow, batch_id)
            return to_batch(row) if row else None

    def batches(self, limit: int = 50, offset: int = 0) -> list[BatchSummary]:
        """Return the newest batches first, with the states of their jobs."""
        with self._reader() as session:
            rows = session.scalars(
                select(BatchRow).order_by(BatchRow.created_at.desc()).limit(limit).offset(offset)
            ).all()
            ids = [row.id for row in rows]
            counts: dict[str, dict[State, int]] = defaultdict(dict)
            for batch_id, state, count in session.execute(
                select(JobRow.batch_id, JobRow.state, func.count())
                .where(JobRow.batch_id.in_(ids))
                .group_by(JobRow.batch_id, JobRow.state)
            ):
                counts[batch_id][State(state)] = count
            names = dict(
                session.execute(
                    select(JobRow.batch_id, JobRow.name).where(
                        JobRow.batch_id.in_(ids), JobRow.position == 0
                    )
                )
                .tuples()
                .all()
            )
            return [BatchSummary(to_batch(r), names.get(r.id, ""), counts[r.id]) for r in rows]

    def count_batches(self) -> int:
        """Return the number of batches."""
        with self._reader() as session:
            return session.scalar(select(func.count()).select_from(BatchRow)) or 0

    def jobs(self, batch_id: str) -> list[Job]:
        """Return a batch's jobs in the order of their submission."""
        with self._reader() as session:
            rows = session.execute(
                select(JobRow.__table__)
                .where(JobRow.batch_id == batch_id)
                .order_by(JobRow.position)
            )
            return [to_job(row) for row in rows]

    def job(self, job_id: str) -> Job | None:
        """Return a job, or None."""
        with self._reader() as session:
            row = session.execute(select(JobRow.__table__).where(JobRow.id == job_id)).one_or_none()
            return to_job(row) if row else None

    def counts(self) -> dict[tuple[Kind, State], int]:
        """Return the number of jobs of each kind in each state."""
        with self._reader() as session:
            rows = session.execute(
                select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
            )
            return {(Kind(kind), State(state)): count for kind, state, count in rows}

    def places(self) -> dict[str, int]:
        """Return each queued job's place in its queue, by id; 1 is next."""
        places: dict[str, int] = {}
        with self._reader() as session:
            turns = {(t.kind, t.owner): t.number for t in session.scalars(select(TurnRow))}
            waiting: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
            for job_id, kind, owner in session.execute(
                select(JobRow.id, JobRow.kind, JobRow.owner)
                .where(JobRow.state == State.QUEUED)
                .order_by(JobRow.queued_at, JobRow.position)
            ):
                waiting[kind][owner].append(job_id)
        for kind, by_owner in waiting.items():
            owners = sorted(by_owner, key=lambda owner: (turns.get((kind, owner), 0), owner))
            rounds = max(len(ids) for ids in by_owner.values())
            order = (
                by_owner[owner][turn]
                for turn in range(rounds)
                for owner in owners
                if turn < len(by_owner[owner])
            )
            places.update((job_id, place) for place, job_id in enumerate(order, start=1))
        return places

    def workspaces(self, leased: bool) -> set[Path]:
        """Return the workspaces of all batches, or only those that a job still needs.

        All jobs but finished ones need theirs: the original of one that failed or was cancelled
        stays for another try.
        """
        query = select(BatchRow.workspace).distinct()
        if leased:
            needing = select(JobRow.batch_id).where(JobRow.state != State.DONE)
            query = query.where(BatchRow.id.in_(needing))
        with self._reader() as session:
            return {Path(workspace) for workspace in session.scalars(query)}

    # --- running ----------------------------------------------------------------------

    def claim(self, kind: Kind, options: Options | None = None) -> Job | None:
        """Take the next queued job of `kind` and mark it running, or return None.

        Owners take turns; within an owner the oldest job comes first. With `options`, only a
        job that carries exactly these is taken. No two callers get the same job.
        """
        with self._writer.begin() as session:
            waiting = select(JobRow.owner).where(JobRow.kind == kind, JobRow.state == State.QUEUED)
            owners = list(session.scalars(waiting.distinct()))
            turns: dict[str, int] = dict(
                session.execute(select(TurnRow.owner, TurnRow.number).where(TurnRow.kind == kind))
                .tuples()
                .all()
            )
            for owner in sorted(owners, key=lambda owner: (turns.get(owner, 0), owner)):
                candidate = session.execute(
                    select(JobRow.id, JobRow.options)
                    .where(JobRow.kind == kind, JobRow.state == State.QUEUED, JobRow.owner == owner)
                    .order_by(JobRow.queued_at, JobRow.position)
                    .limit(1)
                    .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer
                ).one_or_none()
                if candidate is None:
                    continue
                if options is not None and Options.from_dict(candidate.options) != options:
                    continue
                now = self._clock()
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
        self, job_id: str, *, length: float, engine: str, model: str, note: str | None
    ) -> bool:
        """Mark a running job done. Its result must be on disk already."""
        return self._end(
            job_id,
            State.DONE,
            progress=1.0,
            length=length,
            engine=engine,
            model=model,
            note=note,
        )

    def fail(self, job_id: str, error: str, *, transient: bool) -> bool:
        """Mark a running job failed, with the sentence that tells a person why."""
        kind = "transient" if transient else "permanent"
        return self._end(job_id, State.FAILED, error=error, error_kind=kind)

    def release(self, job_id: str, reason: str | None = None) -> None:
        """Put a running job back because it cannot go on now; this try does not count.

        Args:
            reason: What it waits for, for a person; None when the server stops.
        """
        with self._writer.begin() as session:
            session.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state == State.RUNNING)
                .values(
                    state=State.QUEUED,
                    stage="",
                    progress=0.0,
                    attempts=JobRow.attempts - 1,
                    error=reason,
                )
            )

    def recover(self, attempts: int) -> int:
        """Free the jobs of a server that stopped without a word; return how many.

        They are queued again; one that was running at `attempts` such stops has failed.
        """
        with self._writer.begin() as session:
            running = JobRow.state == State.RUNNING
            failed = session.execute(
                update(JobRow)
                .where(running, JobRow.attempts >= attempts)
                .values(
                    state=State.FAILED,
                    stage="",
                    finished_at=self._clock(),
                    error=f"The server stopped {attempts} times while it read this file.",
                    error_kind="permanent",
                )
            )
            queued = session.execute(
                update(JobRow).where(running).values(state=State.QUEUED, stage="", progress=0.0)
            )
            return changed_rows(failed) + changed_rows(queued)

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
            )
            return changed_rows(done)

    def requeue(self, job_ids: Iterable[str]) -> int:
        """Queue failed and cancelled jobs again with the options they carry; return how many."""
        with self._writer.begin() as session:
            done = session.execute(
                update(JobRow)
                .where(
                    JobRow.id.in_(list(job_ids)),
                    JobRow.state.in_((State.FAILED, State.CANCELLED)),
                    JobRow.kind != Kind.UNKNOWN,
                )
                .values(
                    state=State.QUEUED,
                    queued_at=self._clock(),
                    started_at=None,
                    finished_at=None,
                    progress=0.0,
                    attempts=0,
                    error=None,
                    error_kind=None,
                )
            )
            return changed_rows(done)

    # --- inside -----------------------------------------------------------------------

    def _end(self, job_id: str, state: State, **values: Any) -> bool:
        with self._writer.begin() as session:
            done = session.execute(
                update(JobRow)
                .where(JobRow.id == job_id, JobRow.state == State.RUNNING)
                .values(state=state, stage="", finished_at=self._clock(), **values)
            )
            return changed_rows(done) == 1
