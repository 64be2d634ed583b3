"""What the search page shows of hits: passages by source, those like one, and its labels."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import streamlit as st

from pages import components, context
from services.audio.exports import clock
from services.jobs.models import Kind
from services.library.models import Hit
from services.library.query import snippet
from services.runtime import Runtime

LISTS = ("tags", "collections")


def place(hit: Hit) -> str:
    """Return where a hit stands in its file."""
    return clock(hit.start) if hit.start is not None else f"Page {hit.page}"


def address(hit: Hit, typed: str) -> str:
    """Return the address that opens a hit's page or plays its second."""
    where = {"t": f"{hit.start:g}"} if hit.start is not None else {"page": str(hit.page or 1)}
    return f"/result?{urlencode({'job': hit.source, **where, 'q': typed})}"


def passage(hit: Hit, typed: str) -> dict[str, Any]:
    """Return a hit as its component shows it."""
    above = [hit.speaker, hit.headings]
    return {
        "key": hit.key,
        "place": place(hit),
        "href": address(hit, typed),
        "path": " · ".join(part for part in above if part),
        "parts": snippet(hit.text, hit.spans),
        "actions": [{"name": "similar", "label": "Similar"}],
    }


def group(runtime: Runtime, hits: Iterable[Hit], typed: str) -> dict[str, Any]:
    """Return the hits of one source as the component shows them."""
    hits = list(hits)
    best = hits[0]
    owner = context.shared_by(runtime, best.owner)
    return {
        "id": best.source,
        "name": best.name,
        "href": address(best, typed),
        "icon": context.KIND_ICONS[Kind(best.kind)],
        "detail": " · ".join(
            part for part in (f"{datetime.fromtimestamp(best.added):%d %b %Y}", owner) if part
        ),
        "tags": [*best.collections, *best.tags],
        "editable": True,
        "hits": [passage(hit, typed) for hit in hits],
    }


@st.dialog("Similar passages", width="large")
def similar(runtime: Runtime, key: str) -> None:
    """Show the passages of other files that mean nearly the same."""
    found = runtime.similar(key)
    if found:
        components.hits([group(runtime, [hit], "") for hit in found], key="similar")
    else:
        st.caption("No other file says anything like it.")


@st.dialog("Name, tags and collections")
def edit(runtime: Runtime, job_id: str) -> None:
    """Let a person name and tag a file."""
    job = runtime.job(job_id)
    if job is None:
        st.caption("This file was deleted.")
        return
    labels = runtime.labels(job_id)
    name = st.text_input("Name", labels.name or job.name)
    lists = {
        field: st.multiselect(
            field.capitalize(),
            sorted({*getattr(labels, field), *runtime.label_names(field)}),
            default=getattr(labels, field),
            accept_new_options=True,
            placeholder="Type to add",
        )
        for field in LISTS
    }
    if st.button("Save", type="primary"):
        runtime.label(job, name=name if name != job.name else "", **lists)
        st.rerun()
