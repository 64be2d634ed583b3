"""When batches end, and who has been told: written in the transaction that ends their last job."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from sqlalchemy import Table, bindparam, delete, select, update
from sqlalchemy.orm import Session

from services.jobs.models import State
from services.jobs.reading import StoreReader
from services.jobs.schema import JOBS, BatchRow, EndingRow

KEPT_SECONDS = 30 * 24 * 3600.0
"""Age at which an ending of which everybody has been told is forgotten."""

_UNFINISHED = (State.QUEUED, State.RUNNING)


@dataclass(frozen=True)
class Ending:
    """An end of a batch; one that is tried again ends again.

    Times are seconds since the epoch. `due_at` is when somebody is to be told next, None when
    everybody has been; `body` is what they are told, once it was first said; `told` holds, by
    address, what came of it.
    """

    id: str
    batch_id: str
    owner: str
    at: float
    due_at: float | None
    body: str | None
    told: dict[str, dict[str, Any]]


class Endings(StoreReader):
    """The part of the store that knows which batches have ended."""

    def endings(self, owner: str, after: float, limit: int = 5) -> list[Ending]:
        """Return when an owner's batches ended after that time, the latest first."""
        return self._endings(
            select(EndingRow)
            .where(EndingRow.owner == owner, EndingRow.at > after)
            .order_by(EndingRow.at.desc())
            .limit(limit)
        )

    def due_endings(self, now: float, limit: int = 20) -> list[Ending]:
        """Return the ends of which somebody is to be told by now, the oldest first."""
        return self._endings(
            select(EndingRow)
            .where(EndingRow.due_at <= now)
            .order_by(EndingRow.due_at, EndingRow.at)
            .limit(limit)
        )

    def save_ending(self, ending: Ending) -> None:
        """Store what came of telling; forget what is long past."""
        with self.write() as session:
            session.execute(
                update(EndingRow)
                .where(EndingRow.id == ending.id)
                .values(due_at=ending.due_at, body=ending.body, told=ending.told)
            )
            session.execute(
                delete(EndingRow).where(
                    EndingRow.owner == ending.owner,
                    EndingRow.at < ending.at - KEPT_SECONDS,
                    EndingRow.due_at.is_(None),
                )
            )

    def _endings(self, query: Any) -> list[Ending]:
        with self.read() as session:
            return [
                Ending(row.id, row.batch_id, row.owner, row.at, row.due_at, row.body, row.told)
                for row in session.scalars(query)
            ]


def note_endings(session: Session, job_ids: Sequence[str], at: float) -> None:
    """Write down which batches end with these jobs, which have just ended, at time `at`."""
    ended = session.execute(_ENDED, {"job_ids": list(job_ids), "now": at})
    session.add_all(
        EndingRow(
            id=secrets.token_hex(16), batch_id=batch_id, owner=owner, at=at, due_at=at, told={}
        )
        for batch_id, owner in ended.all()
    )


_BATCHES, _ENDINGS = cast(Table, BatchRow.__table__), cast(Table, EndingRow.__table__)
_NOTED = select(_ENDINGS.c.id).where(
    _ENDINGS.c.owner == _BATCHES.c.owner,
    _ENDINGS.c.at == bindparam("now"),
    _ENDINGS.c.batch_id == _BATCHES.c.id,
)
_ENDED = select(_BATCHES.c.id, _BATCHES.c.owner).where(
    _BATCHES.c.id.in_(
        select(JOBS.c.batch_id).where(JOBS.c.id.in_(bindparam("job_ids", expanding=True)))
    ),
    ~select(JOBS.c.id)
    .where(JOBS.c.batch_id == _BATCHES.c.id, JOBS.c.state.in_(_UNFINISHED))
    .exists(),
    ~_NOTED.exists(),
)
