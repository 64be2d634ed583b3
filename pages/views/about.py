"""What a result is about: its summary, keywords and what is to do, as the library found out."""

from __future__ import annotations

import html
from urllib.parse import urlencode

import streamlit as st

from pages import context
from services.about import About
from services.audio import languages
from services.jobs.entries import Entry
from services.jobs.models import Job, State
from services.library.enrich import OFFLINE
from services.runtime import Runtime


def show(runtime: Runtime, job: Job) -> None:
    """Show what a result is about, or why that is not known; while it is made, look again."""
    entry = runtime.entries([job.id]).get(job.id)
    with st.expander("Summary", icon=":material/summarize:"):
        if entry and entry.about:
            _show(entry.about, entry)
        elif not runtime.has_library:
            st.caption("The library makes summaries, and is switched off: set `library = true`.")
        elif entry and entry.state is State.FAILED:
            st.caption(f"There is none: {context.plain(entry.error or 'it could not be indexed')}")
        elif entry and entry.state is State.DONE:
            st.caption("There is too little text to sum up.")
        else:
            context.refreshing("3s")(_wait)(runtime, job.id)


def _wait(runtime: Runtime, job_id: str) -> None:
    entry = runtime.entries([job_id]).get(job_id)
    if entry and entry.state in (State.DONE, State.FAILED):
        st.rerun()
    st.caption("It is written when the library has read this file, which it does now or soon.")


def _show(about: About, entry: Entry) -> None:
    parts = []
    if about.title:
        parts.append(f"<h4>{html.escape(about.title)}</h4>")
    if about.summary:
        parts.append(f"<p>{html.escape(about.summary)}</p>")
    if about.actions:
        items = "".join(f"<li>{html.escape(action)}</li>" for action in about.actions)
        parts.append(f"<h4>To do</h4><ul>{items}</ul>")
    st.html(f'<div class="about" dir="auto">{"".join(parts)}</div>')
    if about.keywords:
        links = "".join(
            f'<a target="_self" href="/search?{urlencode({"q": word})}">{html.escape(word)}</a>'
            for word in about.keywords
        )
        st.html(f'<div class="keywords">{links}</div>')
    chosen = about.made_by == OFFLINE
    how = "Chosen from the text by" if chosen else "Written by a language model that can be wrong:"
    known = [
        languages.name(entry.language) if entry.language else "",
        f"{how} {context.plain(about.made_by)}",
    ]
    st.caption(" · ".join(part for part in known if part))
