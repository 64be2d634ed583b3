"""One batch while it runs and afterwards: its address in the browser can be shared."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime
from typing import Any

import streamlit as st

from pages import components, context
from services.audio.engines.host import Choice, EngineStatus
from services.audio.engines.whisper import OFFLINE_MODEL
from services.jobs.models import Job, Kind, State

PER_PAGE = 50
REFRESH = "1.5s"
WAITING = "waiting for the model"

runtime = context.runtime()
if "job" in st.query_params and (opened := runtime.job(st.query_params["job"])):
    # Streamlit leaves this address behind when a row is opened; Back comes here.
    st.query_params.from_dict({"batch": opened.batch_id})
batch = runtime.batch(st.query_params.get("batch", ""))


def status(job: Job, places: dict[str, int], engine: EngineStatus) -> tuple[str, str]:
    """Return what a job's row says on the right, and its tone."""
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


def job_row(
    job: Job, places: dict[str, int], engine: EngineStatus, discarded: bool
) -> dict[str, Any]:
    """Return a job's row."""
    said, tone = status(job, places, engine)
    actions = []
    if not job.state.over:
        actions.append(("cancel", "Cancel"))
    elif job.state is not State.DONE and job.kind is not Kind.UNKNOWN and not discarded:
        actions.append(("retry", "Try again"))
    made_by = " ".join(part for part in (job.engine, job.model) if part)
    parts = (context.length(job.kind, job.length), context.size(job.size), made_by, job.note)
    return components.row(
        job.id,
        job.name,
        icon=context.KIND_ICONS[job.kind],
        detail=" · ".join(part for part in parts if part),
        status=said,
        tone=tone,
        share=job.progress if job.state is State.RUNNING else None,
        problem=job.error or "",
        opens=True,
        actions=actions,
    )


def act(action: str, job_id: str) -> None:
    """Do what was clicked in a row."""
    if action == "open":
        st.switch_page(context.RESULT, query_params={"job": job_id})
    elif action == "cancel":
        runtime.cancel(job_id)
    elif action == "retry":
        runtime.retry_job(job_id)
    st.rerun()


def show(jobs: list[Job], counts: Counter[State], over: bool, discarded: bool) -> None:
    """Show the batch's progress and a row per job."""
    context.paused_banner(runtime.paused() if not over else None)
    now = runtime.estimate(jobs)
    st.progress(now.share)
    parts = [f"{counts[State.DONE]} of {len(jobs)} done"]
    parts += [
        f"{counts[s]} {s}" for s in (State.RUNNING, State.FAILED, State.CANCELLED) if counts[s]
    ]
    parts.append(
        f"{context.duration(now.elapsed)} so far"
        if not over
        else f"took {context.duration(now.elapsed)}"
    )
    if not over:
        parts.append(
            "estimating what is left"
            if now.left is None
            else f"about {context.duration(now.left)} left"
        )
    st.caption(" · ".join(parts))

    chosen = st.segmented_control(
        "Show",
        ["all", *(s for s in State if counts[s])],
        default="all",
        required=True,
        format_func=lambda s: f"All {len(jobs)}" if s == "all" else f"{s.capitalize()} {counts[s]}",
        label_visibility="collapsed",
        key="filter",
    )
    shown = [job for job in jobs if chosen in ("all", job.state)]
    pages = max(1, -(-len(shown) // PER_PAGE))
    page = st.pagination(pages, key="page") if pages > 1 else 1
    places = runtime.places() if counts[State.QUEUED] else {}
    engine = runtime.engine_status()
    first = (page - 1) * PER_PAGE
    clicked = components.rows(
        [job_row(job, places, engine, discarded) for job in shown[first : first + PER_PAGE]],
        key="jobs",
    )
    if clicked:
        act(*clicked)


def live(batch_id: str, discarded: bool) -> None:
    """Show the batch; when it ends, run the whole page again, which ends the refreshing."""
    jobs = runtime.jobs(batch_id)
    counts = Counter(job.state for job in jobs)
    over = all(job.state.over for job in jobs)
    show(jobs, counts, over, discarded)  # first of all does what was clicked
    if over and not ended:
        st.rerun()


if batch is None:
    st.title("Batch")
    context.empty(
        "search_off",
        "There is no such batch",
        "Its address is incomplete, or it was deleted.",
        context.BATCHES,
        "All batches",
    )
    st.stop()

jobs = runtime.jobs(batch.id)
ended = all(job.state.over for job in jobs)
done = any(job.state is State.DONE for job in jobs)
failed = sum(job.state in (State.FAILED, State.CANCELLED) for job in jobs)

# All in one container: whatever stands in it, the fragment below keeps its place and with that
# its identity, and a click that arrives while the page runs again is not lost.
with st.container():
    others = f" and {context.plural(len(jobs) - 1, 'more file')}" if len(jobs) > 1 else ""
    st.title(jobs[0].name + others)
    st.caption(f"Submitted {datetime.fromtimestamp(batch.created_at):%d %b %Y, %H:%M}")
    if any(job.kind is Kind.AUDIO for job in jobs):
        offline = Choice("whisper", OFFLINE_MODEL, any(job.model == OFFLINE_MODEL for job in jobs))
        context.offline_banner(offline if ended else runtime.engine_choice(batch.options))
    with st.container(horizontal=True):
        if st.button(
            "Process another batch", icon=":material/add:", type="primary" if ended else "secondary"
        ):
            st.switch_page(context.UPLOAD)
        if ended and failed and not batch.discarded:
            if st.button(f"Try again ({failed})", icon=":material/replay:"):
                runtime.retry(batch.id)
                st.rerun()
            if st.button(
                "Discard the rest",
                icon=":material/delete:",
                help="Deletes the uploads of what failed or was cancelled. Results stay.",
            ):
                runtime.discard(batch.id)
                st.rerun()
        if not ended and st.button("Cancel all", icon=":material/close:"):
            runtime.cancel_batch(batch.id)
            st.rerun()
    if ended and done:
        context.download_links({"Everything (ZIP)": f"/files/batches/{batch.id}.zip"})
st.fragment(live, run_every=None if ended else REFRESH)(batch.id, batch.discarded)
