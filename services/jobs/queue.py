"""The order of the queue: who is next, and which place everybody else has.

What a person moved to the front comes first. Then owners take turns, and within an owner batches
take turns, so that one file does not wait behind five hundred. Within a batch files go in order.
A turn is a count and not a time: clocks stand still between two quick claims.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

from sqlalchemy import ColumnElement, Table, bindparam, func, select, update
from sqlalchemy.orm import Session

from services.jobs.models import Kind, Options, State
from services.jobs.schema import BatchRow, JobRow, TurnRow
from services.store.connection import changed_rows

T = TypeVar("T")
_END: Any = object()
_Key = tuple[Any, ...]

_TURNS, _BATCHES = cast(Table, TurnRow.__table__), cast(Table, BatchRow.__table__)
_LAST_TURN = select(func.max(_TURNS.c.number)).where(_TURNS.c.kind == bindparam("of"))
_TAKE_TURN = (
    update(_TURNS)
    .where(_TURNS.c.kind == bindparam("of"), _TURNS.c.owner == bindparam("by"))
    .values(number=bindparam("next"))
)
_TAKE_TURN_OF_BATCH = (
    update(_BATCHES).where(_BATCHES.c.id == bindparam("batch")).values(turn=bindparam("next"))
)


def next_in_line(
    session: Session,
    kind: Kind,
    ready: Sequence[ColumnElement[bool]],
    options: Options | None,
    owner_limit: int | None,
) -> str | None:
    """Return the id of the queued job of `kind` that is next, or None.

    Args:
        session: The transaction that goes on to take the job.
        kind: The kind of jobs that is asked for.
        ready: What else has to hold for a job that can be taken now.
        options: Only a job that carries exactly these is taken; others keep their place.
        owner_limit: Jobs of one owner that may run at the same time.
    """
    # What any job of the kind must be; an index holds all of it, so that long queues cost little.
    waiting = [JobRow.kind == kind, JobRow.state == State.QUEUED]
    full = _at_limit(session, owner_limit) if owner_limit else set()
    moved = [*waiting, *ready, JobRow.priority > 0, JobRow.owner.not_in(full)]
    if found := _first(session, moved, options, JobRow.priority.desc()):
        return found
    for owner in _owners(session, kind, waiting):
        if owner in full:
            continue
        mine = [*waiting, JobRow.owner == owner]
        for batch_id in _batches(session, mine):
            if found := _first(session, [*mine, JobRow.batch_id == batch_id, *ready], options):
                return found
    return None


def take_turn(session: Session, kind: Kind, owner: str, batch_id: str) -> None:
    """Put an owner, and among the owner's batches this one, at the end of the line."""
    number = (session.scalar(_LAST_TURN, {"of": kind}) or 0) + 1
    turn = {"of": kind, "by": owner, "next": number}
    if not changed_rows(session.execute(_TAKE_TURN, turn)):
        session.add(TurnRow(kind=kind, owner=owner, number=number))
    session.execute(_TAKE_TURN_OF_BATCH, {"batch": batch_id, "next": number})


def places(session: Session, now: float) -> dict[str, int]:
    """Return the place of each job that could be taken now, by id; 1 is next of its kind."""
    turns = {(turn.kind, turn.owner): turn.number for turn in session.scalars(select(TurnRow))}
    batches = {
        batch.id: (batch.turn, batch.created_at, batch.id)
        for batch in session.execute(
            select(BatchRow.id, BatchRow.turn, BatchRow.created_at).where(
                BatchRow.id.in_(select(JobRow.batch_id).where(JobRow.state == State.QUEUED))
            )
        )
    }
    moved: dict[str, list[str]] = defaultdict(list)
    lines: dict[str, dict[_Key, dict[_Key, list[str]]]] = defaultdict(
        lambda: defaultdict(lambda: defaultdict(list))
    )
    for job in session.execute(
        select(JobRow.id, JobRow.kind, JobRow.owner, JobRow.batch_id, JobRow.priority)
        .where(JobRow.state == State.QUEUED, JobRow.not_before <= now)
        .order_by(JobRow.priority.desc(), JobRow.queued_at, JobRow.position)
    ):
        if job.priority:
            moved[job.kind].append(job.id)
        else:
            owner = (turns.get((job.kind, job.owner), 0), job.owner)
            lines[job.kind][owner][batches[job.batch_id]].append(job.id)
    found: dict[str, int] = {}
    for kind in {*moved, *lines}:
        by_owner = {owner: list(_in_turns(mine)) for owner, mine in lines[kind].items()}
        order = [*moved[kind], *_in_turns(by_owner)]
        found.update((job_id, place) for place, job_id in enumerate(order, start=1))
    return found


def _in_turns(lines: dict[_Key, list[T]]) -> Iterator[T]:
    """Take one from each line in turn, whoever waited longest first."""
    rounds = itertools.zip_longest(*(lines[key] for key in sorted(lines)), fillvalue=_END)
    return (head for heads in rounds for head in heads if head is not _END)


def _at_limit(session: Session, limit: int) -> set[str]:
    """Return the owners that have as many jobs running as they may."""
    busy = select(JobRow.owner).where(JobRow.state == State.RUNNING).group_by(JobRow.owner)
    return set(session.scalars(busy.having(func.count() >= limit)))


def _owners(session: Session, kind: Kind, waiting: Sequence[ColumnElement[bool]]) -> list[str]:
    """Return the owners of waiting jobs; whose last turn is longest ago comes first."""
    turns = select(TurnRow.owner, TurnRow.number).where(TurnRow.kind == kind)
    numbers: dict[str, int] = dict(session.execute(turns).tuples().all())
    owners = session.scalars(select(JobRow.owner).where(*waiting).distinct())
    return sorted(owners, key=lambda owner: (numbers.get(owner, 0), owner))


def _batches(session: Session, mine: Sequence[ColumnElement[bool]]) -> Sequence[str]:
    """Return the batches of an owner's waiting jobs, in the same order."""
    found = select(JobRow.batch_id).where(*mine).distinct()
    order = (BatchRow.turn, BatchRow.created_at, BatchRow.id)
    return session.scalars(select(BatchRow.id).where(BatchRow.id.in_(found)).order_by(*order)).all()


def _first(
    session: Session,
    among: Sequence[ColumnElement[bool]],
    options: Options | None,
    *order: Any,
) -> str | None:
    found = session.execute(
        select(JobRow.id, JobRow.options)
        .where(*among)
        .order_by(*order, JobRow.queued_at, JobRow.position)
        .limit(1)
        .with_for_update(skip_locked=True)  # PostgreSQL; SQLite has one writer
    ).one_or_none()
    if found is None or (options is not None and Options.from_dict(found.options) != options):
        return None
    return str(found.id)
