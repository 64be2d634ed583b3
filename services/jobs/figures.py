"""The store in numbers, for whoever watches over an instance."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select

from services.jobs.models import Kind, State
from services.jobs.schema import JobRow, RemovalRow
from services.store.database import Database

HOUR = 3600.0


@dataclass(frozen=True)
class Figures:
    """What the store holds.

    `jobs` by kind and state; `failures` by kind and what they wait for (`permanent`, `transient`,
    `password`); `oldest` when the job that waits longest was queued, by kind, in seconds since the
    epoch; `speed` of the last hour's work by kind, in seconds of audio or pages per second of
    work; `removals` the directories of deleted jobs that are still there.
    """

    jobs: dict[tuple[Kind, State], int]
    failures: dict[tuple[Kind, str], int]
    oldest: dict[Kind, float]
    speed: dict[Kind, float]
    removals: int


def figures(database: Database, now: float) -> Figures:
    """Count, at a time in seconds since the epoch."""
    jobs = select(JobRow.kind, JobRow.state, func.count()).group_by(JobRow.kind, JobRow.state)
    failures = (
        select(JobRow.kind, func.coalesce(JobRow.error_kind, "permanent"), func.count())
        .where(JobRow.state == State.FAILED)
        .group_by(JobRow.kind, JobRow.error_kind)
    )
    oldest = (
        select(JobRow.kind, func.min(JobRow.queued_at))
        .where(JobRow.state == State.QUEUED)
        .group_by(JobRow.kind)
    )
    speed = (
        select(JobRow.kind, func.sum(JobRow.length), func.sum(JobRow.took))
        .where(JobRow.state == State.DONE, JobRow.finished_at >= now - HOUR, JobRow.took > 0)
        .group_by(JobRow.kind)
    )
    with database.read() as session:
        return Figures(
            {(Kind(kind), State(state)): count for kind, state, count in session.execute(jobs)},
            {(Kind(kind), why): count for kind, why, count in session.execute(failures)},
            {Kind(kind): at for kind, at in session.execute(oldest)},
            {
                Kind(kind): (done or 0.0) / (took or 1.0)
                for kind, done, took in session.execute(speed)
            },
            session.scalar(select(func.count()).select_from(RemovalRow)) or 0,
        )
