"""One batch while it runs and afterwards: its address in the browser can be shared."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

import streamlit as st

from pages import components, context, jobs, options, sharing
from pages.views import exporting, keeping
from services.audio.engines.host import Choice
from services.audio.engines.whisper import OFFLINE_MODEL
from services.jobs.models import Batch, JobFilter, Kind, State
from services.people.models import Scope

REFRESH = "1.5s"

runtime = context.runtime()
if "job" in st.query_params and (opened := runtime.job(st.query_params["job"])):
    # Streamlit leaves this address behind when a row is opened; Back comes here.
    st.query_params.from_dict({"batch": opened.batch_id})
batch = runtime.batch(st.query_params.get("batch", ""))


def show(batch_id: str, discarded: bool, counts: dict[State, int], over: bool) -> None:
    """Show the batch's progress and a row per job."""
    if not over:
        context.paused_banner(runtime)
    total = sum(counts.values())
    now = runtime.estimate(runtime.work(batch_id))
    st.progress(now.share)
    parts = [f"{counts.get(State.DONE, 0)} of {total} done"]
    parts += [
        f"{counts[state]} {state}"
        for state in (State.RUNNING, State.FAILED, State.CANCELLED)
        if counts.get(state)
    ]
    parts.append(
        f"took {context.duration(now.elapsed)}"
        if over
        else f"{context.duration(now.elapsed)} so far"
    )
    # While the queue stands still nobody knows how long what waits will take.
    held_up = counts.get(State.QUEUED) and (runtime.queue_pause() or runtime.paused())
    if not over and not held_up:
        parts.append(
            "estimating what is left"
            if now.left is None
            else f"about {context.duration(now.left)} left"
        )
    st.caption(" · ".join(parts))
    jobs.listing(runtime, JobFilter(batch_id), counts, discarded, key="jobs")


def live(batch_id: str, discarded: bool) -> None:
    """Show the batch; at its end, and when all is indexed, run the whole page again."""
    counts = runtime.count(JobFilter(batch_id))
    over = all(state.over for state in counts)
    show(batch_id, discarded, counts, over)  # first of all does what was clicked
    if over and (not ended or (not settled and not runtime.indexing(batch_id))):
        st.rerun()


@st.dialog("Delete this batch?")
def confirm_deletion() -> None:
    """Ask once more, and delete."""
    st.write(
        f"{context.plural(total, 'file')} with all results and history. "
        "This cannot be undone. What still runs is cancelled."
    )
    if st.button("Delete", type="primary", icon=":material/delete:"):
        runtime.delete_batch(st.query_params["batch"])
        st.switch_page(context.BATCHES)


def discard(batch_id: str) -> None:
    """Give up the originals of what failed or was cancelled."""
    runtime.discard(batch_id)


def more(batch: Batch, kept: tuple[int, int]) -> None:
    """Show what is asked for less often."""
    waiting = JobFilter(batch.id, (State.QUEUED,))
    if counts.get(State.QUEUED):
        st.markdown("**What still waits**")
        first_in_line = runtime.person.may(Scope.ADMIN) and st.button(
            "Move to the front", icon=":material/vertical_align_top:"
        )
        if first_in_line:
            runtime.move_to_front(waiting)
            st.rerun()
        with st.expander("Change its settings"):
            chosen = options.others(runtime, waiting, "waiting")
            if st.button("Use these", icon=":material/check:"):
                runtime.set_options(waiting, chosen)
                st.rerun()
    if any(state.over for state in counts):
        st.markdown("**Everything that ended**")
        with st.expander("Run again"):
            over = JobFilter(batch.id, tuple(state for state in counts if state.over))
            clicked, chosen_again = options.again(runtime, over, "again")
            if clicked:
                runtime.rerun(over, chosen_again)
                st.rerun()
    if ended and kept[0]:
        st.markdown(f"**{context.plural(kept[0], 'original')} kept, {context.size(kept[1])}**")
        st.caption(kept_until(runtime.settings.keep_failed_days))
        st.button(
            "Discard the rest",
            icon=":material/folder_delete:",
            on_click=discard,
            args=(batch.id,),
        )
    st.markdown("**The whole batch**")
    keeping.choose(runtime, batch)
    if st.button("Delete", icon=":material/delete:", on_click=context.close_menu):
        confirm_deletion()


def actions(batch_id: str) -> None:
    """Show what is mostly asked for: another batch, another try, an end, the results."""
    if not runtime.person.is_guest and st.button(
        "New batch", icon=":material/add:", type="primary" if ended else "secondary"
    ):
        st.switch_page(context.UPLOAD)
    again = f"Try again ({failed})"
    if mine and failed and kept[0] and st.button(again, icon=":material/replay:"):
        runtime.retry(batch_id)
        st.rerun()
    if mine and not ended and st.button("Cancel all", icon=":material/close:"):
        runtime.cancel_batch(batch_id)
        st.rerun()
    if results:
        exporting.batch(batch_id, results)


def kept_until(days: float | None) -> str:
    """Say how long the uploads of what failed or was cancelled are kept."""
    if days is None:
        return "Of what failed or was cancelled, for another try, until you discard them."
    return f"Of what failed or was cancelled, for another try; given up after {days:g} days."


if batch is None:
    st.title("Batch")
    context.no_such(runtime, "batch")
    st.stop()

kinds = runtime.count_kinds(JobFilter(batch.id))
counts = Counter[State]()
for (_, state), count in kinds.items():
    counts[state] += count
total = counts.total()
ended = all(state.over for state in counts)
settled = ended and not runtime.indexing(batch.id)
failed = sum(count for state, count in counts.items() if state.fell_short)
kept = runtime.kept(batch.id) if failed else (0, 0)
mine = runtime.may_change(batch)
results = {kind: count for (kind, state), count in kinds.items() if state is State.DONE}

# All in one container: whatever stands in it, the fragment below keeps its place and with that
# its identity, and a click that arrives while the page runs again is not lost.
with st.container():
    first = runtime.find(JobFilter(batch.id), 1)
    name = context.batch_name(first[0].name if first else "Batch", total)
    st.set_page_config(page_title=f"{name} · Scriptorium")
    st.title(context.plain(name))
    owner = context.shared_by(runtime, batch.owner)
    st.caption(
        f"Submitted {datetime.fromtimestamp(batch.created_at):%d %b %Y, %H:%M}"
        + (f" · {context.plain(owner)}" if owner else "")
    )
    if any(kind is Kind.AUDIO for kind, _ in kinds):
        used = bool(runtime.count(JobFilter(batch.id, model=OFFLINE_MODEL)))
        offline = Choice("whisper", OFFLINE_MODEL, used)
        choice = offline if ended else runtime.engine_choice(batch.options)
        context.offline_banner(choice, link=runtime.person.may(Scope.ADMIN))
    with st.container(horizontal=True, key="buttons"):
        # In a container of its own: what comes and goes in it moves no menu that is open.
        with st.container(horizontal=True, width="content", key="actions"):
            actions(batch.id)
        if mine:
            sharing.button(runtime, batch.id)
            with context.menu():
                more(batch, kept)
        if not ended:
            components.news([], key="ask", ask=True)
context.refreshing(None if settled else REFRESH)(live)(batch.id, batch.discarded)
