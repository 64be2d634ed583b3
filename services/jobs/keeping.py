"""Which jobs have been kept long enough: by the time of their kind, or of their batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, and_, func, or_, select, update

from services.jobs.models import FELL_SHORT, Kind, State
from services.jobs.schema import BatchRow, JobRow
from services.store.connection import changed_rows
from services.store.database import Database

DAY = 86_400.0
FOR_EVER = 0.0
"""The days of a batch that stays until somebody deletes it."""

_OVER = [state for state in State if state.over]


def keep(store: Database, batch_id: str, days: float | None) -> bool:
    """Keep a batch for so many days after its files ended, or `FOR_EVER`; None as its kinds are."""
    with store.write() as session:
        changed = update(BatchRow).where(BatchRow.id == batch_id).values(keep_days=days)
        return changed_rows(session.execute(changed)) == 1


def due(store: Database, days: Mapping[Kind, float | None], now: float, limit: int) -> list[str]:
    """Return the ids of jobs whose time has passed, those first that ended first.

    Args:
        days: How long the jobs of each kind are kept after their end; None for ever.
        now: Seconds since the epoch.
        limit: How many at most.
    """
    query = _due(select(JobRow.id), days, now).order_by(JobRow.finished_at).limit(limit)
    with store.read() as session:
        return list(session.scalars(query))


def count_due(store: Database, days: Mapping[Kind, float | None], now: float) -> dict[Kind, int]:
    """Return how many jobs of each kind `due` would return by then."""
    query = _due(select(JobRow.kind, func.count()), days, now).group_by(JobRow.kind)
    with store.read() as session:
        return {Kind(kind): count for kind, count in session.execute(query)}


def done_first(store: Database) -> list[str]:
    """Return the ids of jobs that are done, those first that ended first."""
    query = select(JobRow.id).where(JobRow.state == State.DONE).order_by(JobRow.finished_at)
    with store.read() as session:
        return list(session.scalars(query))


def fell_short_first(store: Database) -> list[str]:
    """Return the ids of batches whose originals of failed or cancelled jobs are kept, by age."""
    short = select(JobRow.batch_id).where(JobRow.state.in_(FELL_SHORT))
    query = (
        select(BatchRow.id)
        .where(BatchRow.id.in_(short), ~BatchRow.discarded)
        .order_by(BatchRow.created_at)
    )
    with store.read() as session:
        return list(session.scalars(query))


def _due(query: Any, days: Mapping[Kind, float | None], now: float) -> Any:
    by_kind: list[ColumnElement[bool]] = [
        and_(JobRow.kind == kind, JobRow.finished_at < now - kept * DAY)
        for kind, kept in days.items()
        if kept is not None
    ]
    own = JobRow.finished_at < now - BatchRow.keep_days * DAY
    passed = [and_(BatchRow.keep_days > 0, own), and_(BatchRow.keep_days.is_(None), or_(*by_kind))]
    return query.join(BatchRow, BatchRow.id == JobRow.batch_id).where(
        JobRow.state.in_(_OVER), or_(*passed if by_kind else passed[:1])
    )
