"""The recordings whose speakers are looked for: a stage of its own, after the transcript."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from services.jobs.models import Job, Kind, State
from services.jobs.reading import within
from services.jobs.schema import (
    UNSETTLED,
    DiarizationRow,
    IndexRow,
    JobRow,
    WatchedRow,
    to_job,
)
from services.people.models import Reach
from services.store.connection import changed_rows
from services.store.database import Database, portions

_UNDER_WAY = [state for state in State if not state.over]


@dataclass(frozen=True)
class Diarization:
    """How far the search for a recording's speakers is.

    `progress` runs from 0 to 1, `stage` says what is done; `error` says why it failed; `model` and
    the number of `speakers` are of the last search that ended well.
    """

    job_id: str
    state: State
    stage: str
    progress: float
    error: str | None
    model: str | None
    speakers: int


def ask(session: Session, job_id: str, now: float) -> None:
    """Queue a search, if the recording never had one."""
    if session.get(DiarizationRow, job_id) is None:
        session.add(DiarizationRow(job_id=job_id, state=State.QUEUED, asked_at=now))


def end(session: Session, job_id: str) -> None:
    """Have it that no search was ever asked for; one that goes on is not wanted any more."""
    session.execute(delete(DiarizationRow).where(DiarizationRow.job_id == job_id))


def searches() -> Select[Any]:
    """Return the query for the jobs in whose recordings a search has not ended."""
    return select(DiarizationRow.job_id).where(DiarizationRow.state.in_(_UNDER_WAY))


class Diarizations(Database):
    """The table of them. Each method is one transaction; any thread may call it.

    Args:
        url: SQLAlchemy URL of the job store, whose tables are there already.
        clock: Returns the time in seconds since the epoch.
    """

    def __init__(self, url: str, clock: Callable[[], float] = time.time) -> None:
        super().__init__(url)
        self._clock = clock

    def of(self, job_id: str) -> Diarization | None:
        """Return how far the search in a recording is; None where nobody asked for one."""
        with self.read() as session:
            row = session.get(DiarizationRow, job_id)
            return None if row is None else _diarization(row)

    def under_way(self, batch_id: str, reach: Reach | None = None) -> dict[str, Diarization]:
        """Return the searches in recordings of a batch that have not ended, by job."""
        wanted = (
            select(DiarizationRow)
            .join(JobRow, JobRow.id == DiarizationRow.job_id)
            .where(JobRow.batch_id == batch_id, DiarizationRow.state.in_(_UNDER_WAY))
        )
        if reach is not None:
            wanted = wanted.where(within(reach))
        with self.read() as session:
            return {row.job_id: _diarization(row) for row in session.scalars(wanted)}

    def ask(self, job_id: str) -> bool:
        """Queue a search, or another one; False where the recording has no transcript."""
        with self.write() as session:
            wanted = select(JobRow.id).where(
                JobRow.id == job_id, JobRow.kind == Kind.AUDIO, JobRow.result_at.is_not(None)
            )
            if session.scalar(wanted) is None:
                return False
            row = session.get(DiarizationRow, job_id) or DiarizationRow(job_id=job_id)
            if row.state != State.RUNNING:
                row.state, row.stage, row.progress, row.error = State.QUEUED, "", 0.0, None
                row.asked_at = self._clock()
            session.add(row)
            return True

    def cancel(self, job_ids: Sequence[str]) -> int:
        """End the searches in these that have not ended; what was found before stays."""
        return sum(
            self._change(
                [DiarizationRow.job_id.in_(some), DiarizationRow.state.in_(_UNDER_WAY)],
                state=State.CANCELLED,
            )
            for some in portions(job_ids)
        )

    def forget(self, job_id: str, discard: Callable[[], None] = lambda: None) -> None:
        """End what goes on, and have the speakers that were found removed by `discard`."""
        with self.write() as session:
            end(session, job_id)
            _read_again(session, job_id)
            discard()

    # --- searching ----------------------------------------------------------------------

    def recover(self) -> None:
        """Queue what ran when the server stopped."""
        self._change([DiarizationRow.state == State.RUNNING], state=State.QUEUED)

    def take(self) -> Job | None:
        """Return the recording that has waited longest, its search marked as running, or None."""
        with self.write() as session:
            row = session.execute(
                select(JobRow.__table__)
                .join(DiarizationRow, DiarizationRow.job_id == JobRow.id)
                .where(DiarizationRow.state == State.QUEUED)
                .order_by(DiarizationRow.asked_at)
                .limit(1)
            ).one_or_none()
            if row is None:
                return None
            session.execute(
                update(DiarizationRow)
                .where(DiarizationRow.job_id == row.id)
                .values(state=State.RUNNING, stage="", progress=0.0, error=None)
            )
            return to_job(row)

    def set_progress(self, job_id: str, share: float, stage: str) -> bool:
        """Say how far a search is; False when it has to end."""
        share = min(max(share, 0.0), 1.0)
        return self._change(_running(job_id), progress=share, stage=stage) == 1

    def finish(self, job_id: str, model: str, speakers: int, publish: Callable[[], None]) -> bool:
        """Mark a search done, and have the library take its speakers; False when it is unwanted.

        Args:
            publish: Puts what was found into its place; called when nobody can end it any more.
        """
        values = {"state": State.DONE, "progress": 1.0, "model": model, "speakers": speakers}
        with self.write() as session:
            done = session.execute(update(DiarizationRow).where(*_running(job_id)).values(**values))
            if changed_rows(done):
                _read_again(session, job_id)
                publish()
            return changed_rows(done) == 1

    def fail(self, job_id: str, error: str) -> None:
        """Say why a search failed; the transcript, and speakers found before, stay."""
        self._change(_running(job_id), state=State.FAILED, error=error)

    def put_back(self, job_id: str) -> None:
        """Queue a search again because the server stops."""
        self._change(_running(job_id), state=State.QUEUED)

    def _change(self, conditions: Iterable[Any], **values: Any) -> int:
        with self.write() as session:
            done = session.execute(update(DiarizationRow).where(*conditions).values(**values))
            return changed_rows(done)


def _running(job_id: str) -> list[Any]:
    return [DiarizationRow.job_id == job_id, DiarizationRow.state == State.RUNNING]


def _read_again(session: Session, job_id: str) -> None:
    """Have the library and watched folders believe that they know an earlier result."""
    session.execute(update(IndexRow).where(IndexRow.job_id == job_id).values(result_at=None))
    session.execute(update(WatchedRow).where(WatchedRow.job_id == job_id).values(**UNSETTLED))


def _diarization(row: DiarizationRow) -> Diarization:
    values = {name: getattr(row, name) for name in Diarization.__dataclass_fields__}
    return Diarization(**values | {"state": State(row.state)})
