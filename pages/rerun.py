"""Doing one file again: with which settings, what changed, and deleting it."""

from __future__ import annotations

import html

import streamlit as st

from pages import context, options
from services.jobs.compare import Comparison, compare
from services.jobs.models import Job, JobFilter
from services.jobs.results import Result
from services.runtime import Runtime

MOST_CHANGES = 200


def menu(runtime: Runtime, job: Job) -> None:
    """Show what can be done with a file that has ended."""
    with context.menu():
        if runtime.can_run_again(job):
            st.markdown("**Run again**")
            if job.result_at is not None:
                st.caption("This result stays until the new one is whole.")
            clicked, chosen = options.again(runtime, JobFilter(ids=(job.id,)), "again")
            if clicked:
                runtime.retry_job(job.id, chosen)
                st.rerun()
        st.markdown("**This file**")
        if st.button("Delete", icon=":material/delete:", on_click=context.close_menu):
            _confirm_deletion(runtime, job)


@st.dialog("Delete this file?")
def _confirm_deletion(runtime: Runtime, job: Job) -> None:
    st.write("With its result, its original and its history. This cannot be undone.")
    if st.button("Delete", type="primary", icon=":material/delete:"):
        runtime.delete([job.id])
        st.switch_page(context.BATCHES)


def changes(runtime: Runtime, job: Job, result: Result) -> None:
    """Show what changed since the result that this one replaced, if there was one."""
    before = runtime.previous(job.id)
    if before is None:
        return
    found = _compared(job.id, job.result_at, before, result)
    made_by = " ".join(part for part in (before.engine, getattr(before, "model", "")) if part)
    count = len(found.changes)
    said = f"{context.plural(count, 'change')}, {found.same:.1%} of the words stayed"
    with st.expander(
        f"Compared with the earlier run: {said if count else 'the same words'}",
        icon=":material/difference:",
    ):
        st.caption(f"The earlier run was made by {context.plain(made_by)}.")
        lines = [
            f"<p><del>{html.escape(change.before)}</del> <ins>{html.escape(change.after)}</ins></p>"
            for change in found.changes[:MOST_CHANGES]
        ]
        st.html(f'<div class="changes" dir="auto">{"".join(lines)}</div>')
        if count > MOST_CHANGES:
            st.caption(f"The first {MOST_CHANGES} of {count} are shown.")


@st.cache_data(max_entries=20, show_spinner=False)
def _compared(job_id: str, made_at: float | None, _before: Result, _after: Result) -> Comparison:
    return compare(_before, _after)
