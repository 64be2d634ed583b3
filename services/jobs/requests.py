"""What people ask of batches and jobs: cancel, try again, change, move, stop, delete."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import delete, func, select, update

from services.jobs.endings import Endings
from services.jobs.history import record
from services.jobs.models import FELL_SHORT, Kind, Options, State
from services.jobs.schema import (
    BatchRow,
    DiarizationRow,
    EndingRow,
    EventRow,
    IndexRow,
    JobRow,
    KeyRow,
    LabelRow,
    PauseRow,
    RemovalRow,
)
from services.store.database import portions

QUEUED: dict[str, Any] = {"state": State.QUEUED, "stage": "", "progress": 0.0, "run": None}
"""What a job has that waits."""

_NOTHING_KNOWN: dict[str, Any] = {
    "title": None,
    "summary": None,
    "error": None,
    "keywords": [],
    "actions": [],
}
"""What the library knows of a job's text once that is deleted."""

_NOT_OVER = [state for state in State if not state.over]


class Requests(Endings):
    """The changes that a person asks for. Each method is one transaction."""

    def cancel(self, job_ids: Iterable[str]) -> int:
        """Cancel the jobs that have not ended; return how many."""
        changes = {"state": State.CANCELLED, "stage": "", "run": None, "finished_at": self._clock()}
        return self._change(job_ids, [JobRow.state.in_(_NOT_OVER)], changes)

    def requeue(
        self,
        job_ids: Iterable[str],
        options: Options | None = None,
        states: Iterable[State] = FELL_SHORT,
    ) -> int:
        """Queue jobs again; return how many.

        Args:
            job_ids: Which; those that are in none of `states`, of a kind that cannot be worked on
                or whose original was given up are left alone.
            options: What they carry from now on; what they carried before when not given.
            states: The states to leave. One that was done keeps its result until the new one is
                whole.
        """
        over = [state for state in states if state.over]
        kept = select(BatchRow.id).where(~BatchRow.discarded)
        conditions = [
            JobRow.state.in_(over),
            JobRow.kind != Kind.UNKNOWN,
            JobRow.batch_id.in_(kept) | JobRow.result_at.is_not(None),
        ]
        changes = {
            **QUEUED,
            "queued_at": self._clock(),
            "started_at": None,
            "finished_at": None,
            "attempts": 0,
            "crashes": 0,
            "retries": 0,
            "not_before": 0.0,
            "priority": 0,
            "error": None,
            "error_kind": None,
        }
        reason = "a person asked for another try"
        if options is not None:
            changes["options"] = options.as_dict()
            reason += f" with {options.text()}"
        return self._change(job_ids, conditions, changes, reason)

    def set_options(self, job_ids: Iterable[str], options: Options) -> int:
        """Give jobs that wait other options; return how many."""
        return self._change(
            job_ids,
            [JobRow.state == State.QUEUED],
            {"options": options.as_dict()},
            f"a person chose {options.text()}",
        )

    def move_to_front(self, job_ids: Iterable[str]) -> int:
        """Put jobs that wait before all others of their kind; return how many."""
        with self.read() as session:
            waiting = select(func.max(JobRow.priority)).where(JobRow.state == State.QUEUED)
            highest = session.scalar(waiting) or 0
        return self._change(
            job_ids,
            [JobRow.state == State.QUEUED],
            {"priority": highest + 1},
            "a person moved it to the front",
        )

    def pause(self, by: str) -> None:
        """Let no job begin until `resume`; what runs goes on."""
        with self.write() as session:
            if session.get(PauseRow, "queue") is None:
                session.add(PauseRow(name="queue", since=self._clock(), by=by))

    def resume(self) -> None:
        """Let jobs begin again."""
        with self.write() as session:
            session.execute(delete(PauseRow).where(PauseRow.name == "queue"))

    def inherit(self, owner: str, heir: str) -> list[str]:
        """Give everything of one owner to another; return the ids of the jobs."""
        with self.write() as session:
            ids = list(session.scalars(select(JobRow.id).where(JobRow.owner == owner)))
            session.execute(update(JobRow).where(JobRow.owner == owner).values(owner=heir))
            session.execute(update(BatchRow).where(BatchRow.owner == owner).values(owner=heir))
            session.execute(update(EndingRow).where(EndingRow.owner == owner).values(owner=heir))
            # A key would show the heir's batch to whoever has the name next.
            session.execute(delete(KeyRow).where(KeyRow.owner == owner))
            return ids

    def discard(self, batch_id: str) -> bool:
        """Give up the originals of what failed or was cancelled in a batch that has ended."""
        return self._discard([BatchRow.id == batch_id]) == 1

    def expire(self, before: float) -> int:
        """Discard the batches that ended before a time (seconds since the epoch); say how many."""
        late = select(JobRow.id).where(JobRow.batch_id == BatchRow.id, JobRow.finished_at >= before)
        short = select(JobRow.batch_id).where(JobRow.state.in_(FELL_SHORT))
        return self._discard([BatchRow.created_at < before, BatchRow.id.in_(short), ~late.exists()])

    def delete(self, directories: Mapping[str, Path]) -> int:
        """Delete jobs in whatever state, with their history; return how many.

        A batch without jobs goes too. The directories stay listed in `removals` until they are
        gone.

        Args:
            directories: Where the results of each job lie, by the job's id.
        """
        count = 0
        with self.write() as session:
            for ids in portions(directories):
                found = session.execute(
                    select(JobRow.id, JobRow.batch_id).where(JobRow.id.in_(ids))
                ).all()
                gone = [job.id for job in found]
                session.execute(delete(EventRow).where(EventRow.job_id.in_(gone)))
                session.execute(delete(DiarizationRow).where(DiarizationRow.job_id.in_(gone)))
                session.execute(delete(LabelRow).where(LabelRow.job_id.in_(gone)))
                # The indexer takes the passages out of the library, and then this row away: where
                # there is no library at present, that may be long.
                session.execute(
                    update(IndexRow).where(IndexRow.job_id.in_(gone)).values(_NOTHING_KNOWN)
                )
                session.execute(delete(JobRow).where(JobRow.id.in_(gone)))
                self._remove(session, (directories[job_id] for job_id in gone))
                empty = session.execute(
                    delete(BatchRow)
                    .where(
                        BatchRow.id.in_({job.batch_id for job in found}),
                        ~select(JobRow.id).where(JobRow.batch_id == BatchRow.id).exists(),
                    )
                    .returning(BatchRow.id, BatchRow.workspace)
                ).all()
                self._remove(session, (Path(batch.workspace) for batch in empty))
                # What was still to be told of them names their files.
                batches = [batch.id for batch in empty]
                session.execute(delete(EndingRow).where(EndingRow.batch_id.in_(batches)))
                count += len(gone)
        return count

    def removed(self, path: Path) -> None:
        """Say that a directory of something deleted is gone."""
        with self.write() as session:
            session.execute(delete(RemovalRow).where(RemovalRow.path == str(path)))

    # --- inside -----------------------------------------------------------------------

    def _change(
        self,
        job_ids: Iterable[str],
        conditions: list[Any],
        changes: dict[str, Any],
        reason: str | None = None,
    ) -> int:
        """Change those of the jobs that meet the conditions, with a line in their history."""
        count = 0
        with self.write() as session:
            for ids in portions(job_ids):
                done = session.execute(
                    update(JobRow)
                    .where(JobRow.id.in_(ids), *conditions)
                    .values(**changes)
                    .returning(JobRow.id, JobRow.attempts, JobRow.state)
                ).all()
                record(session, done, self._clock(), reason)
                count += len(done)
        return count

    def _discard(self, conditions: list[Any]) -> int:
        unfinished = select(JobRow.id).where(
            JobRow.batch_id == BatchRow.id, JobRow.state.in_(_NOT_OVER)
        )
        with self.write() as session:
            done = session.execute(
                update(BatchRow)
                .where(*conditions, ~BatchRow.discarded, ~unfinished.exists())
                .values(discarded=True)
                .returning(BatchRow.id)
            )
            return len(done.all())

    def _remove(self, session: Any, paths: Iterable[Path]) -> None:
        now = self._clock()
        for path in paths:
            session.merge(RemovalRow(path=str(path), asked_at=now))
