"""What the library has of each job: the part of the store that the indexer reads and writes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, func, or_, select, update

from services.about import About
from services.jobs.models import Job, State
from services.jobs.reading import within
from services.jobs.schema import IndexRow, JobRow, LabelRow, to_job
from services.people.models import Reach
from services.store.connection import changed_rows
from services.store.database import Database

_HAS_RESULT = JobRow.result_at.is_not(None)


@dataclass(frozen=True)
class Entry:
    """How far the library is with a job's result.

    `state` is queued, running, done or failed; `chunks` the number of its passages.
    """

    job_id: str
    state: State
    error: str | None
    chunks: int
    tries: int
    title: str | None
    language: str | None
    summary: str | None
    keywords: list[str]
    actions: list[str]
    enriched_by: str | None

    @property
    def about(self) -> About | None:
        """What the result is about; None until it is indexed, or where nothing is known."""
        if self.state is not State.DONE:
            return None
        made_by, texts = self.enriched_by or "", (tuple(self.keywords), tuple(self.actions))
        return About(self.title, self.summary or "", *texts, made_by) or None


@dataclass(frozen=True)
class Labels:
    """What people call a job's result; `name` is None for that of its file."""

    name: str | None = None
    tags: tuple[str, ...] = ()
    collections: tuple[str, ...] = ()


class IndexEntries(Database):
    """Reads and writes the entries. Each method is one transaction, from any thread.

    A job with a result has to be indexed when it has no entry, or one of an earlier result or of
    another way of indexing. So nothing can be forgotten: what is missing shows by itself.

    Args:
        url: SQLAlchemy URL of the job store, whose tables are there already.
        made_with: Names the way of indexing: the embedding model and the cut of passages.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, url: str, made_with: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(url)
        self._made_with = made_with
        self._clock = clock

    # --- reading ------------------------------------------------------------------------

    def of(self, job_ids: Iterable[str]) -> dict[str, Entry]:
        """Return the entries of these jobs, by job; one that was not begun has none."""
        query = select(IndexRow).where(IndexRow.job_id.in_(list(job_ids)))
        with self.read() as session:
            return {row.job_id: _entry(row) for row in session.scalars(query)}

    def labels(self, job_ids: Iterable[str]) -> dict[str, Labels]:
        """Return what people call these jobs' results, by job; those without are left out."""
        query = select(LabelRow).where(LabelRow.job_id.in_(list(job_ids)))
        with self.read() as session:
            return {row.job_id: _labels(row) for row in session.scalars(query)}

    def label_names(self, field: str, reach: Reach | None = None) -> list[str]:
        """Return every name in use, of `tags` or `collections`."""
        query = select(getattr(LabelRow, field))
        if reach is not None:
            query = query.join(JobRow, JobRow.id == LabelRow.job_id).where(within(reach))
        with self.read() as session:
            lists = session.scalars(query)
            return sorted({name for names in lists for name in names})

    def waiting(self, batch_id: str) -> int:
        """Return the number of results of a batch that are not indexed yet."""
        settled = select(IndexRow.job_id).where(
            IndexRow.job_id == JobRow.id, IndexRow.state.in_((State.DONE, State.FAILED))
        )
        query = (
            select(func.count())
            .select_from(JobRow)
            .where(JobRow.batch_id == batch_id, _HAS_RESULT, ~settled.exists())
        )
        with self.read() as session:
            return session.scalar(query) or 0

    def counts(self, reach: Reach | None = None) -> dict[State, int]:
        """Return the number of results by the state of their entry; none counts as queued."""
        state = func.coalesce(IndexRow.state, State.QUEUED)
        query = (
            select(state, func.count())
            .select_from(JobRow)
            .outerjoin(IndexRow, IndexRow.job_id == JobRow.id)
            .where(_HAS_RESULT, *([] if reach is None else [within(reach)]))
            .group_by(state)
        )
        with self.read() as session:
            return {State(name): count for name, count in session.execute(query)}

    def oldest_waiting(self) -> float | None:
        """Return when the oldest result was made that the library lacks; None when it lacks none.

        One that the library has given up is not waited for.
        """
        query = (
            select(func.min(JobRow.result_at))
            .outerjoin(IndexRow, IndexRow.job_id == JobRow.id)
            .where(
                _HAS_RESULT,
                or_(
                    IndexRow.job_id.is_(None),
                    IndexRow.state.in_((State.QUEUED, State.RUNNING)),
                    and_(
                        IndexRow.state == State.DONE,
                        IndexRow.result_at.is_distinct_from(JobRow.result_at),
                    ),
                ),
            )
        )
        with self.read() as session:
            return session.scalar(query)

    def indexed(self) -> dict[str, int]:
        """Return the number of passages of every job that the library should have."""
        query = select(IndexRow.job_id, IndexRow.chunks).where(IndexRow.state == State.DONE)
        with self.read() as session:
            return dict(session.execute(query).tuples().all())

    def with_result(self, limit: int, offset: int = 0, reach: Reach | None = None) -> list[Job]:
        """Return the jobs that have a result, the newest first."""
        query = (
            select(JobRow.__table__)
            .where(_HAS_RESULT, *([] if reach is None else [within(reach)]))
            .order_by(JobRow.created_at.desc(), JobRow.position)
            .limit(limit)
            .offset(offset)
        )
        with self.read() as session:
            return [to_job(row) for row in session.execute(query)]

    def busy(self) -> set[str]:
        """Return the ids of the jobs that the library has not caught up with."""
        unsettled = IndexRow.state.in_((State.QUEUED, State.RUNNING, State.CANCELLED))
        with self.read() as session:
            return set(session.scalars(select(IndexRow.job_id).where(unsettled)))

    def unwanted(self) -> list[str]:
        """Return whose passages have to go: of deleted jobs, and what `remove` was asked for."""
        deleted = ~select(JobRow.id).where(JobRow.id == IndexRow.job_id).exists()
        query = select(IndexRow.job_id).where(or_(deleted, IndexRow.state == State.CANCELLED))
        with self.read() as session:
            return list(session.scalars(query))

    # --- indexing -----------------------------------------------------------------------

    def recover(self) -> int:
        """Queue what was being indexed when the server stopped; return how many."""
        with self.write() as session:
            done = session.execute(
                update(IndexRow).where(IndexRow.state == State.RUNNING).values(state=State.QUEUED)
            )
            return changed_rows(done)

    def take(self) -> Job | None:
        """Return the job that has waited longest to be indexed, marked as running, or None."""
        with self.write() as session:
            row = session.execute(
                select(JobRow.__table__)
                .outerjoin(IndexRow, IndexRow.job_id == JobRow.id)
                .where(_HAS_RESULT, self._waiting())
                .order_by(JobRow.result_at)
                .limit(1)
            ).one_or_none()
            if row is None:
                return None
            entry = session.get(IndexRow, row.id) or IndexRow(job_id=row.id, tries=0, chunks=0)
            if entry.result_at != row.result_at or entry.made_with != self._made_with:
                entry.tries = 0
            entry.state, entry.error, entry.tries = State.RUNNING, None, entry.tries + 1
            entry.made_with, entry.result_at = self._made_with, row.result_at
            entry.changed_at = self._clock()
            session.add(entry)
            return to_job(row)

    def finish(self, job_id: str, chunks: int, **enriched: Any) -> None:
        """Mark a job indexed: its passages are on disk."""
        self._end(job_id, state=State.DONE, chunks=chunks, tries=0, error=None, **enriched)

    def fail(self, job_id: str, error: str, again_in: float | None) -> None:
        """Say why a job could not be indexed; queue it again after a pause, unless that is None."""
        if again_in is None:
            self._end(job_id, state=State.FAILED, error=error)
        else:
            self._end(job_id, state=State.QUEUED, error=error, not_before=self._clock() + again_in)

    def put_back(self, job_id: str) -> None:
        """Queue a job again because the server stops; this try does not count."""
        self._end(job_id, state=State.QUEUED, tries=IndexRow.tries - 1)

    def again(self, job_ids: Sequence[str] | None = None) -> int:
        """Queue these jobs, or all, to be indexed again; return how many."""
        change = update(IndexRow).where(IndexRow.state != State.RUNNING)
        if job_ids is not None:
            change = change.where(IndexRow.job_id.in_(job_ids))
        with self.write() as session:
            done = session.execute(
                change.values(state=State.QUEUED, tries=0, not_before=0.0, error=None)
            )
            return changed_rows(done)

    def remove(self, job_ids: Iterable[str]) -> None:
        """Have everything removed that the library has of these; jobs are then indexed anew."""
        with self.write() as session:
            for job_id in job_ids:
                row = session.get(IndexRow, job_id) or IndexRow(job_id=job_id)
                row.state, row.changed_at = State.CANCELLED, self._clock()
                session.add(row)

    def forget(self, job_ids: Sequence[str]) -> None:
        """Say that the library has nothing of these; labels of deleted jobs go too."""
        deleted = ~select(JobRow.id).where(JobRow.id == LabelRow.job_id).exists()
        with self.write() as session:
            session.execute(delete(IndexRow).where(IndexRow.job_id.in_(job_ids)))
            session.execute(delete(LabelRow).where(LabelRow.job_id.in_(job_ids), deleted))

    def label(self, job_id: str, labels: Labels) -> None:
        """Set what people call a job's result; the indexer writes it into the library."""
        with self.write() as session:
            new = LabelRow(job_id=job_id, changed_at=0.0, written_at=0.0)
            row = session.get(LabelRow, job_id) or new
            row.name, row.tags = labels.name, list(labels.tags)
            row.collections = list(labels.collections)
            # Later than before also where the clock stands: each change is written once.
            row.changed_at = max(self._clock(), row.changed_at + 0.001)
            session.add(row)

    def unwritten(self) -> list[tuple[Job, Labels, float]]:
        """Return the labels that the library does not have yet, each with when it was changed."""
        query = (
            select(JobRow.__table__, LabelRow)
            .join(LabelRow, LabelRow.job_id == JobRow.id)
            .join(IndexRow, IndexRow.job_id == JobRow.id)
            .where(LabelRow.changed_at > LabelRow.written_at, IndexRow.state == State.DONE)
        )
        with self.read() as session:
            return [
                (to_job(row), _labels(row.LabelRow), row.LabelRow.changed_at)
                for row in session.execute(query)
            ]

    def written(self, job_id: str, changed_at: float) -> None:
        """Say that the library has a job's labels as they were changed at that time."""
        with self.write() as session:
            session.execute(
                update(LabelRow).where(LabelRow.job_id == job_id).values(written_at=changed_at)
            )

    # --- inside -------------------------------------------------------------------------

    def _waiting(self) -> ColumnElement[bool]:
        changed = or_(
            IndexRow.result_at.is_distinct_from(JobRow.result_at),
            IndexRow.made_with != self._made_with,
        )
        return or_(
            IndexRow.job_id.is_(None),
            and_(IndexRow.state == State.QUEUED, IndexRow.not_before <= self._clock()),
            and_(IndexRow.state.in_((State.DONE, State.FAILED)), changed),
        )

    def _end(self, job_id: str, **values: Any) -> None:
        with self.write() as session:
            session.execute(
                update(IndexRow)
                .where(IndexRow.job_id == job_id)
                .values(changed_at=self._clock(), **values)
            )


def _entry(row: IndexRow) -> Entry:
    values = {name: getattr(row, name) for name in Entry.__dataclass_fields__}
    return Entry(**{**values, "state": State(row.state)})


def _labels(row: LabelRow) -> Labels:
    return Labels(row.name, tuple(row.tags), tuple(row.collections))
