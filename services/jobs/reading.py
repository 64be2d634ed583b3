"""What the job store knows: reading batches and jobs, from any thread."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.orm import sessionmaker

from services.jobs.connection import connect
from services.jobs.migrations import bring_up_to_date
from services.jobs.models import Batch, BatchSummary, Event, Job, Kind, State
from services.jobs.schema import BatchRow, EventRow, JobRow, TurnRow, to_batch, to_job


class StoreReader:
    """Reads the store. Each method sees one state of it.

    Args:
        url: SQLAlchemy URL. SQLite runs in WAL mode with full synchronisation, so that a batch
            that was accepted survives a power cut.
    """

    def __init__(self, url: str) -> None:
        self._engines = [connect(url, writes=False), connect(url, writes=True)]
        self._reader, self._writer = (sessionmaker(engine) for engine in self._engines)
        bring_up_to_date(self._engines[1])

    def close(self) -> None:
        """Close every connection."""
        for engine in self._engines:
            engine.dispose()

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

    def history(self, job_id: str) -> list[Event]:
        """Return the changes of a job's state, the first one first."""
        with self._reader() as session:
            rows = session.scalars(
                select(EventRow).where(EventRow.job_id == job_id).order_by(EventRow.id)
            )
            return [Event(row.at, State(row.state), row.attempt, row.reason) for row in rows]

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
        stays for another try, until a person discards it.
        """
        query = select(BatchRow.workspace).distinct()
        if leased:
            # A file of unknown kind cannot be tried again.
            needing = select(JobRow.batch_id).where(
                JobRow.state != State.DONE, JobRow.kind != Kind.UNKNOWN
            )
            query = query.where(BatchRow.id.in_(needing), ~BatchRow.discarded)
        with self._reader() as session:
            return {Path(workspace) for workspace in session.scalars(query)}
