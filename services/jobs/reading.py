"""What the job store knows: reading batches and jobs, from any thread."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Text, cast, func, or_, select

from services.jobs import queue
from services.jobs.migrations import bring_up_to_date
from services.jobs.models import (
    EVERY_JOB,
    FELL_SHORT,
    Batch,
    BatchSummary,
    Event,
    Job,
    JobFilter,
    Kind,
    Options,
    Pause,
    State,
    Work,
)
from services.jobs.schema import (
    BatchRow,
    EventRow,
    JobRow,
    PauseRow,
    RemovalRow,
    to_batch,
    to_job,
)
from services.people.models import Reach
from services.store.database import Database, portions


class StoreReader(Database):
    """Reads the store. Each method sees one state of it.

    Args:
        url: SQLAlchemy URL. SQLite runs in WAL mode with full synchronisation, so that a batch
            that was accepted survives a power cut.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(url)
        self._clock = clock
        bring_up_to_date(self._engines[1])

    def batch(self, batch_id: str) -> Batch | None:
        """Return a batch, or None."""
        with self.read() as session:
            row = session.get(BatchRow, batch_id)
            return to_batch(row) if row else None

    def batches(
        self, limit: int = 50, offset: int = 0, reach: Reach | None = None
    ) -> list[BatchSummary]:
        """Return the newest batches first, with the states of their jobs."""
        query = select(BatchRow).where(*_reached(reach)).order_by(BatchRow.created_at.desc())
        with self.read() as session:
            rows = session.scalars(query.limit(limit).offset(offset)).all()
            ids = [row.id for row in rows]
            counts: dict[str, dict[State, int]] = defaultdict(dict)
            for batch_id, state, count in session.execute(
                select(JobRow.batch_id, JobRow.state, func.count())
                .where(JobRow.batch_id.in_(ids))
                .group_by(JobRow.batch_id, JobRow.state)
            ):
                counts[batch_id][State(state)] = count
            running = dict(
                session.execute(
                    select(JobRow.batch_id, func.sum(JobRow.progress))
                    .where(JobRow.batch_id.in_(ids), JobRow.state == State.RUNNING)
                    .group_by(JobRow.batch_id)
                )
                .tuples()
                .all()
            )
            names = dict(
                session.execute(
                    select(JobRow.batch_id, JobRow.name).where(
                        JobRow.batch_id.in_(ids), JobRow.position == 0
                    )
                )
                .tuples()
                .all()
            )
            return [
                BatchSummary(to_batch(r), names.get(r.id, ""), counts[r.id], running.get(r.id, 0.0))
                for r in rows
            ]

    def count_batches(self, reach: Reach | None = None) -> int:
        """Return the number of batches."""
        query = select(func.count()).select_from(BatchRow).where(*_reached(reach))
        with self.read() as session:
            return session.scalar(query) or 0

    def jobs(self, batch_id: str, reach: Reach | None = None) -> list[Job]:
        """Return a batch's jobs in the order of their submission."""
        with self.read() as session:
            rows = session.execute(
                select(JobRow.__table__)
                .where(*_meant(JobFilter(batch_id, reach=reach)))
                .order_by(JobRow.position)
            )
            return [to_job(row) for row in rows]

    def job(self, job_id: str) -> Job | None:
        """Return a job, or None."""
        with self.read() as session:
            row = session.execute(select(JobRow.__table__).where(JobRow.id == job_id)).one_or_none()
            return to_job(row) if row else None

    def beginning_with(self, text: str) -> tuple[list[str], list[str]]:
        """Return the ids of batches and of jobs that begin like this, two of each at most."""
        end = text + "g"  # ids are hexadecimal; a range, because it can use the index
        with self.read() as session:
            batches, jobs = (
                list(session.scalars(select(id).where(id >= text, id < end).limit(2)))
                for id in (BatchRow.id, JobRow.id)
            )
            return batches, jobs

    def history(self, job_id: str) -> list[Event]:
        """Return the changes of a job's state, the first one first."""
        with self.read() as session:
            rows = session.scalars(
                select(EventRow).where(EventRow.job_id == job_id).order_by(EventRow.id)
            )
            return [Event(row.at, State(row.state), row.attempt, row.reason) for row in rows]

    def counts(self, wanted: JobFilter = EVERY_JOB) -> dict[tuple[Kind, State], int]:
        """Return how many jobs a filter means, of each kind in each state."""
        group = (JobRow.kind, JobRow.state)
        query = select(*group, func.count()).where(*_meant(wanted)).group_by(*group)
        with self.read() as session:
            rows = session.execute(query)
            return {(Kind(kind), State(state)): count for kind, state, count in rows}

    def options(self, wanted: JobFilter) -> list[Options]:
        """Return the different options that the jobs of a filter carry."""
        # As text: PostgreSQL compares no JSON.
        query = select(cast(JobRow.options, Text)).where(*_meant(wanted)).distinct()
        with self.read() as session:
            return [Options.from_dict(json.loads(found)) for found in session.scalars(query)]

    def places(self) -> dict[str, int]:
        """Return the place of each job that could be taken now, by id; 1 is next of its kind."""
        with self.read() as session:
            return queue.places(session, self._clock())

    def paused(self) -> Pause | None:
        """Return since when the queue stands still and who stopped it; None when it moves."""
        with self.read() as session:
            row = session.get(PauseRow, "queue")
            return Pause(row.since, row.by) if row else None

    def find(self, wanted: JobFilter, limit: int = 50, offset: int = 0) -> list[Job]:
        """Return the jobs that a filter means: a batch's in their order, else the newest first."""
        newest_first = [JobRow.created_at.desc()] if wanted.batch_id is None else []
        query = (
            select(JobRow.__table__).where(*_meant(wanted)).order_by(*newest_first, JobRow.position)
        )
        with self.read() as session:
            return [to_job(row) for row in session.execute(query.limit(limit).offset(offset))]

    def ids(self, wanted: JobFilter) -> list[str]:
        """Return the ids of all jobs that a filter means."""
        with self.read() as session:
            return list(session.scalars(select(JobRow.id).where(*_meant(wanted))))

    def batches_of(self, job_ids: Iterable[str]) -> set[str]:
        """Return the ids of the batches that these jobs are in."""
        found: set[str] = set()
        with self.read() as session:
            for ids in portions(job_ids):
                found.update(session.scalars(select(JobRow.batch_id).where(JobRow.id.in_(ids))))
        return found

    def count(self, wanted: JobFilter) -> dict[State, int]:
        """Return how many jobs a filter means, by their state."""
        query = select(JobRow.state, func.count()).where(*_meant(wanted)).group_by(JobRow.state)
        with self.read() as session:
            return {State(state): count for state, count in session.execute(query)}

    def work(self, batch_id: str, reach: Reach | None = None) -> list[Work]:
        """Return what an estimate needs of a batch's jobs."""
        columns = [getattr(JobRow, name) for name in Work.__dataclass_fields__]
        with self.read() as session:
            meant = _meant(JobFilter(batch_id, reach=reach))
            rows = session.execute(select(*columns).where(*meant))
            return [Work(Kind(kind), State(state), *rest) for kind, state, *rest in rows]

    def models(self, reach: Reach | None = None) -> list[str]:
        """Return the models that made the results at hand."""
        meant = _meant(JobFilter(reach=reach))
        query = select(JobRow.model).where(JobRow.model.is_not(None), *meant).distinct()
        with self.read() as session:
            return sorted(model for model in session.scalars(query) if model)

    def earlier(self, sha256s: Iterable[str], owner: str) -> dict[str, Job]:
        """Return an owner's newest job with a result for each of these contents, by SHA-256."""
        query = (
            select(JobRow.__table__)
            .where(
                JobRow.sha256.in_(list(sha256s)),
                JobRow.owner == owner,
                JobRow.result_at.is_not(None),
            )
            .order_by(JobRow.result_at)
        )
        with self.read() as session:
            return {row.sha256: to_job(row) for row in session.execute(query)}

    def kept(self, batch_id: str) -> tuple[int, int]:
        """Return how many originals are kept for another try, and their size in bytes."""
        query = (
            select(func.count(), func.coalesce(func.sum(JobRow.size), 0))
            .join(BatchRow, BatchRow.id == JobRow.batch_id)
            .where(
                JobRow.batch_id == batch_id,
                JobRow.state.in_(FELL_SHORT),
                JobRow.kind != Kind.UNKNOWN,
                ~BatchRow.discarded,
            )
        )
        with self.read() as session:
            count, size = session.execute(query).one()
            return count, size

    def removals(self) -> set[Path]:
        """Return the directories of what was deleted that are not gone yet."""
        with self.read() as session:
            return {Path(path) for path in session.scalars(select(RemovalRow.path))}

    def workspaces(self, leased: bool) -> set[Path]:
        """Return the workspaces of all batches, or only those that a job still needs.

        All jobs but finished ones need theirs: the original of one that failed or was cancelled
        stays for another try, until a person discards it.
        """
        query = select(BatchRow.workspace).distinct()
        if leased:
            # A file of unknown kind cannot be tried again.
            needing = select(JobRow.batch_id).where(
                JobRow.state.in_([s for s in State if s is not State.DONE]),
                JobRow.kind != Kind.UNKNOWN,
            )
            query = query.where(BatchRow.id.in_(needing), ~BatchRow.discarded)
        with self.read() as session:
            return {Path(workspace) for workspace in session.scalars(query)}

    def is_submitted(self, workspace: Path) -> bool:
        """Whether a batch has the workspace at this path."""
        query = select(BatchRow.id).where(BatchRow.workspace == str(workspace)).limit(1)
        with self.read() as session:
            return session.scalar(query) is not None


def within(reach: Reach) -> ColumnElement[bool]:
    """Return the condition that a job is within somebody's reach."""
    return or_(
        JobRow.owner == reach.owner,
        JobRow.batch_id.in_(reach.batches),
        JobRow.id.in_(reach.jobs),
    )


def _reached(reach: Reach | None) -> list[ColumnElement[bool]]:
    """Return the condition that a batch is within somebody's reach."""
    if reach is None:
        return []
    return [or_(BatchRow.owner == reach.owner, BatchRow.id.in_(reach.batches))]


def _meant(wanted: JobFilter) -> list[Any]:
    """Return the conditions that a filter stands for."""
    conditions: list[Any] = []
    if wanted.batch_id is not None:
        conditions.append(JobRow.batch_id == wanted.batch_id)
    if wanted.states:
        conditions.append(JobRow.state.in_(wanted.states))
    if wanted.kinds:
        conditions.append(JobRow.kind.in_(wanted.kinds))
    if wanted.owner is not None:
        conditions.append(JobRow.owner == wanted.owner)
    if wanted.model is not None:
        conditions.append(JobRow.model == wanted.model)
    if wanted.text:
        conditions.append(JobRow.name.icontains(wanted.text, autoescape=True))
    if wanted.since is not None:
        conditions.append(JobRow.created_at >= wanted.since)
    if wanted.until is not None:
        conditions.append(JobRow.created_at < wanted.until)
    if wanted.ids is not None:
        conditions.append(JobRow.id.in_(wanted.ids))
    if wanted.reach is not None:
        conditions.append(within(wanted.reach))
    return conditions
