"""The history of jobs: a line for each change of their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import insert
from sqlalchemy.orm import Session

from services.jobs.schema import EventRow


def record(session: Session, jobs: Sequence[Any], at: float, reason: str | None = None) -> None:
    """Write down the state that jobs have now.

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
        session.execute(insert(EventRow), lines)
