"""Search over everything said and written; the address in the browser holds the search."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence

import streamlit as st

from pages import components, context
from pages.views import facets, hits, shelf
from services.errors import LibraryError
from services.library.models import Filters, Found

PATIENCE = 1.5
PERIODS = {"Any time": None, "Past day": 1, "Past week": 7, "Past month": 31, "Past year": 366}

runtime = context.runtime()


@context.refreshing("2s")
def wait_for_meanings() -> None:
    """Search again when the model for meanings is loaded."""
    if runtime.search_ready():
        st.rerun()


@context.refreshing("2s")
def wait_for_index(before: int, found: bool) -> None:
    """Say how much cannot be found yet, and search again when there is more.

    Args:
        before: What could not be found when the page searched.
        found: Whether something was found all the same; it stays until the person asks for more.
    """
    waiting = runtime.being_indexed()
    if waiting and (found or waiting >= before):
        are = "is" if waiting == 1 else "are"
        st.caption(f"{context.plural(waiting, 'file')} {are} being indexed and not found yet.")
    elif not found or st.button("Search again: all is indexed now", icon=":material/replay:"):
        st.rerun()


def show_found(found: Found, typed: str) -> None:
    """Show what was found, page by page."""
    if not found.semantic:
        if problem := runtime.search_problem():
            st.warning(context.plain(problem), icon=":material/warning:")
        else:
            st.caption("Comparing words; meanings follow when their model is loaded.")
            wait_for_meanings()
    waiting = runtime.being_indexed()
    if found.instead:
        said = f"Nothing has “{typed}”. This was found for “{found.instead}”."
        st.caption(context.plain(said))
        typed = found.instead
    if found.groups:
        st.caption(f"Found in {context.plural(found.total, 'file')}")
    if waiting:
        wait_for_index(waiting, bool(found.groups))
    if not found.groups:
        context.empty(
            "search_off",
            "Nothing was found yet" if waiting else "Nothing was found",
            "This page searches again by itself."
            if waiting
            else "Try fewer or other words, or let a filter go.",
        )
        return
    clicked = components.hits(
        [hits.group(runtime, one.hits, typed) for one in found.groups], key="hits"
    )
    if clicked:
        action, id = clicked
        hits.similar(runtime, id) if action == "similar" else hits.edit(runtime, id)
    pages = -(-found.total // shelf.PER_PAGE)
    if pages > 1:
        st.pagination(pages, key="page", bind="query-params")


def show_answer(question: str, narrowed: Filters) -> None:
    """Show an answer while it is written, with the passages that it cites."""
    try:
        cited, answer = runtime.ask(question, narrowed)
        addresses = [html.escape(hits.address(hit, question)) for hit in cited]
        with st.container(border=True):
            written, shown = "", st.empty()
            for part in answer:
                written += part
                shown.html(f'<div class="answer">{as_html(written, addresses)}</div>')
            for number, hit in enumerate(cited, start=1):
                st.html(
                    f'<span class="cited">[{number}] <a target="_self" '
                    f'href="{addresses[number - 1]}">{html.escape(hit.name)}, '
                    f"{hits.place(hit).lower()}</a></span>"
                )
    except LibraryError as error:
        st.error(context.plain(str(error)), icon=":material/error:")


def as_html(answer: str, addresses: Sequence[str]) -> str:
    """Return an answer as HTML: text, in which the numbers of passages alone are links.

    The model has read what others wrote: nothing that it writes is a link, a picture or a heading.

    Args:
        addresses: Of the passages that it cites, escaped.
    """

    def linked(found: re.Match[str]) -> str:
        number = int(found[1])
        if not 1 <= number <= len(addresses):
            return found[0]
        return f'<a target="_self" href="{addresses[number - 1]}">[{number}]</a>'

    return re.sub(r"\[([0-9]{1,3})\]", linked, html.escape(answer))


def search(typed: str, narrowed: Filters, page: int) -> Found:
    """Return a page of what is found."""
    first = (page - 1) * shelf.PER_PAGE
    return runtime.search_page(typed, narrowed, shelf.PER_PAGE, first, PATIENCE)


def first_page() -> None:
    """Begin at the first page of what is found next."""
    st.session_state.page = 1


st.title("Search")
if not runtime.has_library:
    context.empty(
        "search_off", "The library is switched off", "Set `library = true` and start again."
    )
    st.stop()
with st.container(horizontal=True, vertical_alignment="bottom"):
    typed = st.text_input(
        "Search",
        key="q",
        bind="query-params",
        placeholder="Words, a question, or an “exact phrase”",
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
with st.spinner("Opening the library …"):  # the first time after a start
    runtime.warm_search()
if typed.strip():
    page = int(context.number(st.query_params.get("page")) or 1)
    narrowed = facets.filters(PERIODS[period])
    with st.spinner("Searching …"):
        found = search(typed, narrowed, page)
        if page > 1 and not found.groups:  # an address of when there was more
            first_page()
            found = search(typed, narrowed, 1)
    facets.show(runtime, found)
    needed = "" if runtime.can_answer else "Needs a language model: set llm_url and llm_model."
    if st.button(
        "Ask", icon=":material/forum:", disabled=not runtime.can_answer, help=needed or None
    ):
        show_answer(typed, narrowed)
    show_found(found, typed)
else:
    shelf.show(runtime)
