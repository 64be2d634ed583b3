"""The history of jobs: a line for each change of their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

from sqlalchemy import Table, insert
from sqlalchemy.orm import Session

from services.jobs.endings import note_endings
from services.jobs.models import State
from services.jobs.schema import EventRow

_LINE = insert(cast(Table, EventRow.__table__))


def record(session: Session, jobs: Sequence[Any], at: float, reason: str | None = None) -> None:
    """Write down the state that jobs have now, and which batches end with it.

    Args:
        session: The transaction that changed them.
        jobs: Rows with their id, attempts and state.
        at: Seconds since the epoch.
        reason: Why, for a person.
    """
    if jobs:
        lines = [
            {"job_id": i, "at": at, "state": state, "attempt": attempts, "reason": reason}
            for i, attempts, state in jobs
        ]
        session.execute(_LINE, lines)
        if ended := [i for i, _, state in jobs if State(state).over]:
            note_endings(session, ended, at)
