"""The order of the queue: who is next, and which place everybody else has.

What a person moved to the front comes first. Then owners take turns, and within an owner batches
take turns, so that one file does not wait behind five hundred. Within a batch files go in order.
A turn is a count and not a time: clocks stand still between two quick claims.
"""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, TypeVar, cast

from sqlalchemy import Select, Table, and_, bindparam, func, select, update
from sqlalchemy.orm import Session

from services.jobs.models import Kind, Options, State
from services.jobs.schema import JOBS, BatchRow, JobRow, TurnRow
from services.store.connection import changed_rows

T = TypeVar("T")
_END: Any = object()
_Key = tuple[Any, ...]
MOST_CRASHES = 2**31 - 1

# Built once: to build a statement takes longer than to carry it out.
_TURNS, _BATCHES = cast(Table, TurnRow.__table__), cast(Table, BatchRow.__table__)
# What any job of the kind must be; an index holds all of it, so that long queues cost little.
_WAITING = (JOBS.c.kind == bindparam("of"), JOBS.c.state == State.QUEUED)
_READY = (
    JOBS.c.not_before <= bindparam("now"),
    JOBS.c.crashes.between(bindparam("fewest"), bindparam("most")),
)
_FIRST = select(JOBS.c.id, JOBS.c.options).where(*_WAITING, *_READY).limit(1)
_IN_ORDER = (JOBS.c.queued_at, JOBS.c.position)
_MOVED = _FIRST.where(
    JOBS.c.priority > 0, JOBS.c.owner.not_in(bindparam("full", expanding=True))
).order_by(JOBS.c.priority.desc(), *_IN_ORDER)
_OF_BATCH = _FIRST.where(
    JOBS.c.owner == bindparam("by"), JOBS.c.batch_id == bindparam("batch")
).order_by(*_IN_ORDER)
_AT_LIMIT = (
    select(JOBS.c.owner)
    .where(JOBS.c.state == State.RUNNING)
    .group_by(JOBS.c.owner)
    .having(func.count() >= bindparam("limit"))
)
_WHO_WAITS = select(JOBS.c.owner).where(*_WAITING).distinct().subquery()
_OWNERS = select(_WHO_WAITS.c.owner, func.coalesce(_TURNS.c.number, 0)).outerjoin(
    _TURNS, and_(_TURNS.c.kind == bindparam("of"), _TURNS.c.owner == _WHO_WAITS.c.owner)
)
_BATCHES_OF = (
    select(_BATCHES.c.id)
    .where(
        _BATCHES.c.id.in_(
            select(JOBS.c.batch_id).where(*_WAITING, JOBS.c.owner == bindparam("by")).distinct()
        )
    )
    .order_by(_BATCHES.c.turn, _BATCHES.c.created_at, _BATCHES.c.id)
)
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
    now: float,
    crashes: tuple[int, int],
    options: Options | None,
    owner_limit: int | None,
) -> str | None:
    """Return the id of the queued job of `kind` that is next, or None.

    Args:
        session: The transaction that goes on to take the job.
        kind: The kind of jobs that is asked for.
        now: Seconds since the epoch; what has to wait until later is passed over.
        crashes: At how many stops of the server in a row it ran: the fewest and the most.
        options: Only a job is taken that a model hears alike with its own; others keep their place.
        owner_limit: Jobs of one owner that may run at the same time.
    """
    full = set(session.scalars(_AT_LIMIT, {"limit": owner_limit})) if owner_limit else set()
    wanted = {"of": kind, "now": now, "fewest": crashes[0], "most": crashes[1]}
    if found := _first(session, _MOVED, {**wanted, "full": list(full)}, options):
        return found
    turns = session.execute(_OWNERS, {"of": kind}).tuples()
    for _, owner in sorted((turn, owner) for owner, turn in turns):
        if owner in full:
            continue
        for batch_id in session.scalars(_BATCHES_OF, {"of": kind, "by": owner}).all():
            mine = {**wanted, "by": owner, "batch": batch_id}
            if found := _first(session, _OF_BATCH, mine, options):
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


def _first(
    session: Session, query: Select[Any], values: dict[str, Any], options: Options | None
) -> str | None:
    found = session.execute(query, values).one_or_none()
    if found is None:
        return None
    alike = options is None or Options.from_dict(found.options).hearing == options.hearing
    return str(found.id) if alike else None
