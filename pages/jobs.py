"""A list of jobs with their states, as the batch page and the page of all files show it."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import Any

import streamlit as st

from pages import components, context
from services.audio.checkpoints import shown
from services.audio.engines.host import EngineStatus
from services.jobs.entries import Entry
from services.jobs.models import Job, JobFilter, Kind, State
from services.people.models import Scope
from services.runtime import Runtime

PER_PAGE = 50
WAITING = "waiting for the model"


def listing(
    runtime: Runtime,
    wanted: JobFilter,
    counts: dict[State, int],
    discarded: bool,
    key: str,
    dated: bool = False,
) -> None:
    """Show the jobs that a filter means, by state and by pages; do what is clicked.

    Args:
        runtime: Where they are.
        wanted: Which jobs.
        counts: How many of them there are in each state.
        discarded: Whether their originals were given up.
        key: The widgets' key.
        dated: Whether to say when each was submitted.
    """
    total = sum(counts.values())
    chosen = st.segmented_control(
        "Show",
        ["all", *(state for state in State if counts.get(state))],
        default="all",
        required=True,
        format_func=lambda state: (
            f"All {total}" if state == "all" else f"{state.capitalize()} {counts[state]}"
        ),
        label_visibility="collapsed",
        key=f"{key}-state",
    )
    if chosen != "all" and chosen in counts:
        wanted, total = replace(wanted, states=(State(chosen),)), counts[State(chosen)]
    # Another filter begins at its first page; `since` moves with the clock.
    place = hash(replace(wanted, since=None))
    first = context.first_shown(total, PER_PAGE, f"{key}-page-{place}")
    shown = runtime.find(wanted, PER_PAGE, first)
    places = runtime.places() if any(job.state is State.QUEUED for job in shown) else {}
    engine = runtime.engine_status()
    entries = runtime.entries(job.id for job in shown)
    items = [_row(runtime, job, places, engine, discarded, dated) for job in shown]
    if runtime.has_library:
        for item, job in zip(items, shown, strict=True):
            if job.state is State.DONE:
                _add_indexing(item, entries.get(job.id))
    if clicked := components.rows(items, key=key):
        _act(runtime, *clicked)


def status(job: Job, places: dict[str, int], engine: EngineStatus) -> tuple[str, str]:
    """Return what is said of a job's state, and its tone."""
    if job.state is State.QUEUED:
        place = places.get(job.id)
        if job.not_before > time.time():
            return f"tried again at {datetime.fromtimestamp(job.not_before):%H:%M:%S}", ""
        return ("next in the queue" if place == 1 else f"queued, place {place}"), ""
    if job.state is State.RUNNING:
        if job.stage == WAITING and engine.state == "loading":
            share = "" if engine.progress is None else f" ({engine.progress:.0%})"
            return f"{engine.detail}{share}", "busy"
        stage = "waiting for its turn" if job.stage == WAITING else job.stage or "starting"
        return f"{stage} {job.progress:.0%}" if job.progress else stage, "busy"
    if job.state is State.DONE:
        return f"done in {context.duration(job.took or 0)}", "good"
    return str(job.state), "bad" if job.state is State.FAILED else ""


def _add_indexing(item: dict[str, Any], entry: Entry | None) -> None:
    """Add to a row what the library does with its result."""
    if entry is None or entry.state is State.QUEUED:
        item["status"] += " · to be indexed"
    elif entry.state is State.RUNNING:
        item["status"] += " · indexing"
    elif entry.state is State.FAILED:
        item["problem"] = f"Not in the library: {entry.error}"
        item["actions"].append({"name": "index", "label": "Index again"})


def _row(
    runtime: Runtime,
    job: Job,
    places: dict[str, int],
    engine: EngineStatus,
    discarded: bool,
    dated: bool,
) -> dict[str, Any]:
    """Return a job's row."""
    said, tone = status(job, places, engine)
    actions: list[tuple[str, str]] = []
    waits = job.state is State.QUEUED and places.get(job.id, 1) > 1
    if waits and runtime.person.may(Scope.ADMIN):
        actions.append(("front", "To the front"))
    if not runtime.may_change(job):
        pass
    elif not job.state.over:
        actions.append(("cancel", "Cancel"))
    elif job.error_kind == "password" and not discarded:
        actions.append(("open", "Enter password"))
    elif job.state.fell_short and job.kind is not Kind.UNKNOWN and not discarded:
        actions.append(("retry", "Try again"))
    made_by = " ".join(part for part in (job.engine, shown(job.model or "")) if part)
    when = f"{datetime.fromtimestamp(job.created_at):%d %b %Y, %H:%M}" if dated else ""
    length = context.length(job.kind, job.length)
    owner = context.shared_by(runtime, job.owner)
    parts = (when, owner, length, context.size(job.size), made_by)
    return components.row(
        job.id,
        job.name,
        icon=context.KIND_ICONS[job.kind],
        detail=" · ".join(part for part in parts if part),
        status=said,
        tone=tone,
        share=job.progress if job.state is State.RUNNING else None,
        note=job.note or "",
        problem=job.error or "",
        opens=True,
        actions=actions,
    )


def _act(runtime: Runtime, action: str, job_id: str) -> None:
    """Do what was clicked in a row."""
    if action == "open":
        st.switch_page(context.RESULT, query_params={"job": job_id})
    elif action == "cancel":
        runtime.cancel(job_id)
    elif action == "index":
        runtime.index_again([job_id])
    elif action == "retry":
        runtime.retry_job(job_id)
    elif action == "front":
        runtime.move_job_to_front(job_id)
    st.rerun()
