"""What the database does for each query that pages, lanes and other threads make."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import create_engine, event
from sqlalchemy.engine import Engine

from services.jobs.models import JobFilter, Kind, NewJob, Options, State
from services.jobs.store import JobStore, new_id


@dataclass(frozen=True)
class Plan:
    """A statement, who makes it, and SQLite's plan for it."""

    caller: str
    statement: str
    steps: tuple[str, ...]

    @property
    def scans(self) -> tuple[str, ...]:
        """Steps that read a whole table or index of jobs or events.

        One that follows an index in the order that is asked for ends at the LIMIT.
        """
        sorts = any("TEMP B-TREE FOR ORDER BY" in step for step in self.steps)
        if "LIMIT" in self.statement and not sorts:
            return tuple(step for step in self.steps if re.match(r"SCAN (jobs|events)$", step))
        return tuple(step for step in self.steps if re.match(r"SCAN (jobs|events)\b", step))


def callers(store: JobStore) -> dict[str, Callable[[], Any]]:
    """Return everything that is asked of the store while it is in use, by a name for people."""
    workspace = Path("workspace")
    files = [NewJob(f"{n}.wav", Kind.AUDIO, Path(f"{n}.wav"), str(n), 1, 1.0) for n in range(3)]
    batch = store.add_batch("ana", workspace, Options(), files)
    job = store.jobs(batch.id)[0]
    failed = (State.FAILED, State.CANCELLED)
    made: dict[str, Any] = {"length": 1.0, "engine": "", "model": "", "note": None}
    return {
        "batches page: list": lambda: store.batches(30),
        "batches page: last page": lambda: store.batches(30, 900),
        "batches page: number": store.count_batches,
        "batch page: jobs": lambda: store.jobs(batch.id),
        "batch page: one page of jobs": lambda: store.find(JobFilter(batch.id), 50),
        "batch page: failed jobs": lambda: store.find(JobFilter(batch.id, failed), 50),
        "batch page: counts": lambda: store.count(JobFilter(batch.id)),
        "batch page: estimate": lambda: store.work(batch.id),
        "batch page: originals kept": lambda: store.kept(batch.id),
        "batch page: places": store.places,
        "result page: job": lambda: store.job(job.id),
        "result page: history": lambda: store.history(job.id),
        "system page: counts": store.counts,
        "every page: endings": lambda: store.endings("ana", 0.0),
        "search: newest jobs": lambda: store.find(JobFilter(), 50),
        "search: failed jobs": lambda: store.find(JobFilter(states=failed), 50),
        "search: numbers of failed": lambda: store.count(JobFilter(states=failed)),
        "search: ids of failed": lambda: store.ids(JobFilter(states=failed)),
        "upload: earlier results": lambda: store.earlier(["0", "1"], "ana"),
        "command line: an id": lambda: store.beginning_with("abcdef"),
        "lane: progress": lambda: store.set_progress(job, 0.5, "reading"),
        "lane: claim": lambda: store.claim(Kind.AUDIO),
        "lane: claim of the same options": lambda: store.claim(Kind.AUDIO, Options()),
        "lane: finish (and submit, claim)": lambda: store.finish(_claimed(store), **made),
        "lane: fail": lambda: store.fail(job, "no", transient=False),
        "lane: put back": lambda: store.release(job),
        "pulse: renew": lambda: store.renew([job]),
        "pulse: lost jobs": lambda: store.recover(0.0),
        "pulse: expire": lambda: store.expire(0.0),
        "janitor: leased": lambda: store.workspaces(leased=True),
        "janitor: submitted": lambda: store.workspaces(leased=False),
        "janitor: removals": store.removals,
        "webhooks: due": lambda: store.due_endings(0.0),
        "person: cancel": lambda: store.cancel([job.id]),
        "person: try again": lambda: store.requeue([job.id], states=State),
        "person: to the front": lambda: store.move_to_front([job.id]),
        "person: delete": lambda: store.delete({job.id: workspace}),
        "submit": lambda: store.add_batch("ana", workspace / new_id(), Options(), files),
    }


def _claimed(store: JobStore) -> Any:
    store.add_batch(
        "ben", Path("w"), Options(), [NewJob("a.pdf", Kind.DOCUMENT, Path("a"), "0", 1)]
    )
    job = store.claim(Kind.DOCUMENT)
    assert job is not None
    return job


def query_plans(database: Path) -> list[Plan]:
    """Do everything once on the store in `database`, and return the plan of each statement."""
    store = JobStore(f"sqlite:///{database}")
    seen: list[tuple[str, str, Any]] = []
    caller = ""

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, many: bool) -> None:
        if statement.split()[0] in ("SELECT", "UPDATE", "DELETE", "INSERT"):
            seen.append((caller, statement, parameters[0] if many else parameters))

    todo = callers(store)
    event.listen(Engine, "before_cursor_execute", note)
    try:
        for caller, call in todo.items():  # noqa: B007  (`note` reads it)
            call()
    finally:
        event.remove(Engine, "before_cursor_execute", note)
        store.close()
    plans: dict[tuple[str, str], Plan] = {}
    engine = create_engine(f"sqlite:///{database}")
    with closing(engine.raw_connection()) as connection:
        for name, statement, parameters in seen:
            rows = connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = tuple(row[3] for row in rows)
            plans[name, statement] = Plan(name, " ".join(statement.split()), steps)
    engine.dispose()
    return list(plans.values())
