"""The result of one file: a transcript with its player, or a document with its pages."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from pages import context, jobs, rerun, sharing
from pages.views import about, exporting, transcript, voices
from pages.views import document as document_view
from services.audio import repetition
from services.audio.checkpoints import shown
from services.audio.transcript import Transcript
from services.jobs.models import Event

runtime = context.runtime()


def cancel(job_id: str) -> None:
    """End the work on the file."""
    runtime.cancel(job_id)


def show_progress(job_id: str) -> None:
    """Show how far a job is, and offer to cancel it.

    When it ends, the whole page runs again, which shows its result.
    """
    job = runtime.job(job_id)
    if job is None or job.state.over:
        st.rerun()
    said, _ = jobs.status(job, runtime.places(), runtime.engine_status())
    left = runtime.estimate([job]).left
    if left is not None:
        said += f", about {context.duration(left)} left"
    st.progress(job.progress, context.plain(said[0].upper() + said[1:]))
    if runtime.may_change(job):
        st.button("Cancel", icon=":material/close:", on_click=cancel, args=(job_id,))


def show_history(events: list[Event]) -> None:
    """Show what happened to the file, and when."""
    with st.expander("History", icon=":material/history:"):
        st.table(
            {
                "When": [f"{datetime.fromtimestamp(e.at):%d %b, %H:%M:%S}" for e in events],
                "State": [str(e.state) for e in events],
                "Attempt": [str(e.attempt or "") for e in events],
                "Why": [context.plain(e.reason or "") for e in events],
            },
            border="horizontal",
            hide_index=True,
        )


job = runtime.job(st.query_params.get("job", ""))
if job is None:
    st.title("Result")
    context.no_such(runtime, "result")
    st.stop()

events = runtime.history(job.id)
mine = runtime.may_change(job)
result = runtime.result(job.id)
if runtime.batch(job.batch_id):
    st.page_link(
        context.BATCH,
        label="Batch",
        icon=":material/arrow_back:",
        query_params={"batch": job.batch_id},
    )
st.set_page_config(page_title=f"{job.name} · Scriptorium")
st.title(context.plain(job.name))
if result is None:
    st.caption(f"{context.size(job.size)} · {job.state}")
    locked = job.error_kind == "password"
    if job.error:
        st.error(context.plain(job.error), icon=":material/lock:" if locked else ":material/error:")
        if locked and mine:
            document_view.ask_password(runtime, job)
    if not job.state.over:
        context.refreshing("1.5s")(show_progress)(job.id)
    elif mine:
        with st.container(horizontal=True):
            if (
                not locked
                and runtime.can_run_again(job)
                and st.button("Try again", icon=":material/replay:", type="primary")
            ):
                runtime.retry_job(job.id)
                st.switch_page(context.BATCH, query_params={"batch": job.batch_id})
            rerun.menu(runtime, job)
    show_history(events)
    st.stop()

facts = [context.length(job.kind, job.length), job.engine, shown(job.model or "")]
facts.append(f"took {context.duration(job.took or 0)}")
facts.append(context.shared_by(runtime, job.owner))
with st.container(horizontal=True, vertical_alignment="center"):
    st.caption(context.plain(" · ".join(fact for fact in facts if fact)))
    with st.container(horizontal=True, width="content"):  # on a phone a line of their own
        exporting.one(runtime, job.id, result)
        if isinstance(result, Transcript):
            voices.menu(runtime, job, mine)
        if mine:
            sharing.button(runtime, job.batch_id, job.id)
        if mine and job.state.over:
            rerun.menu(runtime, job)
if not job.state.over:
    st.info(
        "This file is done again. Until then this is the earlier result.", icon=":material/replay:"
    )
    context.refreshing("1.5s")(show_progress)(job.id)
elif job.state.fell_short:
    st.warning(
        f"The last try {'failed' if job.error else 'was cancelled'}; this is the earlier result. "
        + context.plain(job.error or ""),
        icon=":material/replay:",
    )
# The reader itself says what leads to a place in the text.
found = result.repetitions if isinstance(result, Transcript) else []
told = {repetition.note(one) for one in found}
for note in (note for note in result.notes if note not in told):
    st.warning(context.plain(note), icon=":material/warning:")
about.show(runtime, job)
if isinstance(result, Transcript):
    voices.progress(runtime, job, mine)
    transcript.show(runtime, job, result, runtime.stamp(job.id), runtime.may_correct(job))
else:
    document_view.show(runtime, job, result)
st.space("small")
rerun.changes(runtime, job, result)
show_history(events)
