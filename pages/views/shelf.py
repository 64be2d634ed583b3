"""What the library holds, shown where nothing is searched for."""

from __future__ import annotations

from datetime import datetime

import streamlit as st

from pages import components, context
from pages.views import hits
from services.jobs.models import State
from services.runtime import Runtime

PER_PAGE = 10


def show(runtime: Runtime) -> None:
    """Show what the library holds when nothing is searched for."""
    counts = runtime.index_counts()
    total = sum(counts.values())
    if not total:
        context.empty(
            "local_library",
            "The library is empty",
            "Everything that you run becomes searchable here.",
            context.UPLOAD,
            "New batch",
        )
        return
    parts = [context.plural(counts.get(State.DONE, 0), "file")]
    if waiting := total - counts.get(State.DONE, 0) - counts.get(State.FAILED, 0):
        parts.append(f"{waiting} being indexed")
    if failed := counts.get(State.FAILED, 0):
        parts.append(f"{failed} could not be indexed")
    st.caption(" · ".join(parts))
    pages = -(-total // PER_PAGE)
    first = (st.session_state.get("page", 1) - 1) * PER_PAGE
    rows = [
        components.row(
            job.id,
            labels.name or job.name,
            icon=context.KIND_ICONS[job.kind],
            detail=" · ".join(
                part
                for part in (
                    f"{datetime.fromtimestamp(job.created_at):%d %b %Y}",
                    context.length(job.kind, job.length),
                    *labels.collections,
                    *labels.tags,
                )
                if part
            ),
            status="" if entry and entry.state is State.DONE else "being indexed",
            tone="busy",
            opens=True,
            actions=[("edit", "Edit")],
        )
        for job, entry, labels in runtime.shelf(PER_PAGE, first)
    ]
    clicked = components.rows(rows, key="shelf")
    if clicked:
        action, id = clicked
        if action == "open":
            st.switch_page(context.RESULT, query_params={"job": id})
        hits.edit(runtime, id)
    if pages > 1:
        st.pagination(pages, key="page", bind="query-params")
