"""The filters of a search: what the address narrows it to, and what parts what was found."""

from __future__ import annotations

from datetime import datetime, timedelta

import streamlit as st

from pages import components
from pages.views import hits
from services.library.models import Filters, Found
from services.runtime import Runtime

VALUES = 8
FACETS = {
    "kind": "Kind",
    "language": "Language",
    "speaker": "Speaker",
    "owner": "Owner",
    "tags": "Tags",
    "collections": "Collections",
    "batch": "Batch",
}
KINDS = {"audio": "Recordings", "document": "Documents"}


def chosen(name: str) -> tuple[str, ...]:
    """Return the values of a filter in the address."""
    return tuple(st.query_params.get_all(name))


def filters(days: int | None) -> Filters:
    """Return what the address narrows the search to."""
    single = {name: (chosen(name) or (None,))[0] for name in FACETS if name not in hits.LISTS}
    lists = {name: chosen(name) for name in hits.LISTS}
    since = (datetime.now() - timedelta(days=days)).timestamp() if days else None
    return Filters(**single, **lists, since=since)  # type: ignore[arg-type]


def toggle(name: str, value: str) -> None:
    """Choose a filter's value, or let it go."""
    values = chosen(name)
    if value in values:
        left = [one for one in values if one != value]
    else:
        left = [*values, value] if name in hits.LISTS else [value]
    if left:
        st.query_params[name] = left
    else:
        del st.query_params[name]
    st.session_state.page = 1


def shown(runtime: Runtime, name: str, value: str) -> str:
    """Return a filter's value as people read it."""
    if name == "kind":
        return KINDS.get(value, value)
    if name == "batch":
        jobs = runtime.jobs(value)
        return jobs[0].name + (" …" if len(jobs) > 1 else "") if jobs else value[:8]
    return value


def show(runtime: Runtime, found: Found) -> None:
    """Show the filters that part what was found."""
    items = []
    for name, label in FACETS.items():
        counts = found.facets.get(name, {})
        picked = chosen(name)
        values = [*picked, *(value for value in counts if value not in picked)][:VALUES]
        if picked or len(values) > 1:
            items.append(
                {
                    "name": name,
                    "label": label,
                    "values": [
                        {
                            "value": value,
                            "text": shown(runtime, name, value),
                            "count": counts.get(value, 0),
                            "chosen": value in picked,
                        }
                        for value in values
                    ],
                }
            )
    clicked = components.facets(items, key="facets") if items else None
    if clicked:
        toggle(*clicked)
        st.rerun()
