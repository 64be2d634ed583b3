"""Says on whatever page is open that a batch of yours has ended."""

from __future__ import annotations

import contextlib
import time

import streamlit as st

from pages import components, context
from services.errors import StoreUnavailable
from services.jobs.models import JobFilter, State
from services.runtime import Runtime

KEPT = 5
"""News that stay with the browser: a tab in the background may look late."""


@context.refreshing("3s")
def tell() -> None:
    """Look for batches that have ended since this page was opened, and whether it may stay open."""
    with contextlib.suppress(StoreUnavailable):  # the page itself says so
        runtime = context.seen_by_session()
        if runtime is None:
            st.rerun()  # the whole page says so
        if not runtime.person.is_guest:
            _tell(runtime)


def _tell(runtime: Runtime) -> None:
    session = st.session_state
    since = session.setdefault("told_until", time.time())
    news = session.setdefault("news", [])
    for ending in reversed(runtime.endings(since)):
        batch = JobFilter(ending.batch_id)
        counts, first = runtime.count(batch), runtime.find(batch, 1)
        session.told_until = ending.at  # not before: the store may go away
        if not first or any(not state.over for state in counts):
            continue  # deleted, or tried again meanwhile
        total = sum(counts.values())
        name = context.batch_name(first[0].name, total)
        states = (State.DONE, State.FAILED, State.CANCELLED)
        result = ", ".join(f"{counts[state]} {state}" for state in states if state in counts)
        good = counts.get(State.DONE) == total
        st.toast(
            f"{result.capitalize()}: {context.plain(name)}",  # a toast cuts long names
            icon=":material/check_circle:" if good else ":material/error:",
            duration="long",
        )
        news.append({"id": ending.id, "batch": ending.batch_id, "title": name, "text": result})
    del news[:-KEPT]
    if news:  # the first component of a server costs it 75 MB: not for nothing
        components.news(news, key="news")
