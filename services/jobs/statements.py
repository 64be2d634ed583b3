"""What the store asks its database for every job.

Built once: to build a statement takes longer than to carry it out.
"""

from __future__ import annotations

from typing import cast

from sqlalchemy import Table, bindparam, case, func, select, update

from services.jobs.models import State
from services.jobs.schema import JOBS, PauseRow

BEGIN = (
    update(JOBS)
    .where(JOBS.c.id == bindparam("job_id"))
    .values(
        state=State.RUNNING,
        run=bindparam("new_run"),
        seen_at=bindparam("now"),
        attempts=JOBS.c.attempts + 1,
        started_at=bindparam("now"),
        finished_at=None,
        progress=0.0,
        stage="",
        error=None,
        error_kind=None,
        note=None,
    )
    .returning(JOBS)
)
"""Marks a queued job running."""

_PAUSES = cast(Table, PauseRow.__table__)
PAUSED = select(_PAUSES.c.name).where(_PAUSES.c.name == "queue")
"""Finds out whether a person stopped the queue."""

HELD = (
    JOBS.c.id == bindparam("job_id"),
    JOBS.c.state == State.RUNNING,
    JOBS.c.run == bindparam("by"),
)
"""Holds for a job while it is still the caller's."""

RECORD = (JOBS.c.id, JOBS.c.attempts, JOBS.c.state)
"""What the history needs of a job that was changed."""

PROGRESS = update(JOBS).where(*HELD).values(progress=bindparam("share"), stage=bindparam("now_at"))
"""Stores how far a job is, if it is still the caller's."""

DONE = (
    update(JOBS)
    .where(*HELD)
    .values(
        state=State.DONE,
        stage="",
        run=None,
        crashes=0,
        error=None,
        progress=1.0,
        finished_at=bindparam("now"),
        result_at=bindparam("now"),
        **{
            name: bindparam(f"its_{name}") for name in ("length", "engine", "model", "note", "took")
        },
    )
    .returning(*RECORD)
)
"""Marks a job done, if it is still the caller's."""

RUNNING = select(
    func.count(), func.sum(case((JOBS.c.crashes >= bindparam("crash_limit"), 1), else_=0))
).where(JOBS.c.state == State.RUNNING)
"""Counts the jobs that run, and those among them at which the server stopped too often."""
