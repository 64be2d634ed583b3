"""Search over everything said and written; the address in the browser holds the search."""

from __future__ import annotations

import html
from datetime import datetime, timedelta

import streamlit as st

from pages import components, context
from pages.views import hits
from services.errors import LibraryError
from services.jobs.models import State
from services.library.models import Filters, Found

PER_PAGE = 10
VALUES = 8
PATIENCE = 1.5
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
PERIODS = {"Any time": None, "Past day": 1, "Past week": 7, "Past month": 31, "Past year": 366}

runtime = context.runtime()


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


def shown(name: str, value: str) -> str:
    """Return a filter's value as people read it."""
    if name == "kind":
        return KINDS.get(value, value)
    if name == "batch":
        jobs = runtime.jobs(value)
        return jobs[0].name + (" …" if len(jobs) > 1 else "") if jobs else value[:8]
    return value


def show_facets(found: Found) -> None:
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
                            "text": shown(name, value),
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


@context.refreshing("2s")
def wait_for_meanings() -> None:
    """Search again when the model for meanings is loaded."""
    if runtime.search_ready():
        st.rerun()


def show_found(found: Found, typed: str) -> None:
    """Show what was found, page by page."""
    if not found.semantic:
        if problem := runtime.search_problem():
            st.warning(context.plain(problem), icon=":material/warning:")
        else:
            st.caption("Comparing words; meanings follow when their model is loaded.")
            wait_for_meanings()
    if not found.groups:
        context.empty(
            "search_off",
            "Nothing was found",
            "Try fewer or other words, or let a filter go.",
        )
        return
    st.caption(f"Found in {context.plural(found.total, 'file')}")
    clicked = components.hits([hits.group(one.hits, typed) for one in found.groups], key="hits")
    if clicked:
        action, id = clicked
        hits.similar(runtime, id) if action == "similar" else hits.edit(runtime, id)
    pages = -(-found.total // PER_PAGE)
    if pages > 1:
        st.pagination(pages, key="page", bind="query-params")


def show_answer(question: str, narrowed: Filters) -> None:
    """Show an answer while it is written, with the passages that it cites."""
    try:
        cited, answer = runtime.ask(question, narrowed)
        with st.container(border=True):
            # It may be formatted, but a text that the model has read makes no links here.
            st.write_stream(part.replace("[", "\\[").replace("<", "\\<") for part in answer)
            for number, hit in enumerate(cited, start=1):
                st.html(
                    f'<span class="cited">[{number}] <a target="_self" '
                    f'href="{html.escape(hits.address(hit, question))}">{html.escape(hit.name)}, '
                    f"{hits.place(hit).lower()}</a></span>"
                )
    except LibraryError as error:
        st.error(context.plain(str(error)), icon=":material/error:")


def show_shelf() -> None:
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


def first_page() -> None:
    """Begin at the first page of what is found next."""
    st.session_state.page = 1


st.title("Search")
if not runtime.has_library:
    context.empty(
        "search_off", "The library is switched off", "Set `library = true` and start again."
    )
    st.stop()
runtime.warm_search()
with st.container(horizontal=True, vertical_alignment="bottom"):
    typed = st.text_input(
        "Search",
        key="q",
        bind="query-params",
        placeholder="Words, a question, or an exact “phrase” in quotation marks",
        icon=":material/search:",
        label_visibility="collapsed",
        on_change=first_page,
    )
    period = st.selectbox(
        "Time",
        list(PERIODS),
        key="when",
        bind="query-params",
        label_visibility="collapsed",
        width=150,
        on_change=first_page,
    )
if typed.strip():
    page = int(context.number(st.query_params.get("page")) or 1)
    found = runtime.search_page(
        typed, filters(PERIODS[period]), PER_PAGE, (page - 1) * PER_PAGE, PATIENCE
    )
    show_facets(found)
    needed = "" if runtime.can_answer else "Needs a language model: set llm_url and llm_model."
    if st.button(
        "Ask", icon=":material/forum:", disabled=not runtime.can_answer, help=needed or None
    ):
        show_answer(typed, filters(PERIODS[period]))
    show_found(found, typed)
else:
    show_shelf()
