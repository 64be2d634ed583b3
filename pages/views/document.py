"""A document: its pages as images with the text beside them, contents, and a search inside."""

from __future__ import annotations

import html
import re
from functools import partial
from urllib.parse import quote

import streamlit as st

from pages import components, context
from services.documents.document import Document, Page
from services.documents.find import Hit, find, spans
from services.documents.flow import line_breaks
from services.documents.parts import by_ranges, chapters
from services.documents.placing import placed_tables
from services.documents.ranges import parse_pages
from services.errors import ScriptoriumError
from services.jobs.models import Job
from services.runtime import Runtime

_MOST_HITS = 300
_BUTTONS = 7
"""Pages of a long document that have a button of their own, at most."""
_BUTTON = 36
"""Pixels that it takes."""
_WIDTHS = {**dict.fromkeys(" .,:;'|!()[]filjtI-", 0.55), **dict.fromkeys("mwMW@%", 1.6)}
_LEADER = re.compile(r"(?:[ \u00a0]?\.){5,}")
"""The dots of a table of contents."""
_NUMBER = re.compile(r"[-−+±($€£]*\d[\d.,]*\s?[%)€]?")


def show(runtime: Runtime, job: Job, document: Document) -> None:
    """Show one page of a document, which the address names, and the ways to the others."""
    _warn(document)
    if runtime.documents.locked(job.id, document):
        st.info("The images of its pages need the password.", icon=":material/lock:")
        ask_password(runtime, job)
    count = len(document.pages)
    _keep_in_range(count)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        number = _choose_page(count)
        query = st.text_input(
            "Search in this document",
            key="find",
            bind="query-params",
            type="search",
            icon=":material/search:",
            placeholder="Search in this document",
            label_visibility="collapsed",
        )
    page = document.pages[number - 1]
    hits = find(document, query or "", _MOST_HITS)
    entries = _entries(document)
    if query or entries:
        side, left, right = st.columns([1.1, 2, 2], gap="medium")
        with side:
            _navigation(document, entries, hits, query or "", number)
    else:
        left, right = st.columns(2, gap="medium")
    left.html(_image(job, page, query or ""))
    with right:
        _text(page, query or "")
    _about(document)
    _parts(job, document)


def ask_password(runtime: Runtime, job: Job) -> None:
    """Ask for the password of a document and try again with it."""
    with st.form("password", clear_on_submit=True, border=False, width=420):
        password = st.text_input(
            "Password of the document",
            type="password",
            autocomplete="off",
            help="It stays in the server's memory until the server stops, and is stored nowhere.",
        )
        if st.form_submit_button("Open", type="primary", icon=":material/lock_open:") and password:
            try:
                runtime.unlock(job.id, password)
            except ScriptoriumError as error:
                st.error(context.plain(str(error)), icon=":material/error:")
            else:
                st.rerun()


def _warn(document: Document) -> None:
    """Say what the file holds that could act in a careless viewer."""
    if document.findings:
        what = ", ".join(document.findings)
        st.info(
            f"This file holds {what}. Nothing of it was run or opened here.",
            icon=":material/shield:",
        )


def _keep_in_range(count: int) -> None:
    if st.query_params.get("page", "1") not in map(str, range(1, count + 1)):
        st.query_params["page"] = "1"


def _choose_page(count: int) -> int:
    """Let the person turn pages, and in a long document go to one by its number."""
    if count == 1:
        return 1
    # Streamlit shows two buttons where fewer than five have room, also of three or four pages.
    width = _BUTTON * (min(max(count, 5), _BUTTONS) + 3)
    number: int = st.pagination(count, width=width, key="page", bind="query-params")
    if count > _BUTTONS:

        def go() -> None:
            if st.session_state.go_to:
                st.session_state.page = st.session_state.go_to
                st.session_state.go_to = None

        st.number_input(
            "Go to page",
            min_value=1,
            max_value=count,
            value=None,
            key="go_to",
            on_change=go,
            placeholder="Go to page",
            label_visibility="collapsed",
            width=150,
        )
    return number


def _entries(document: Document) -> list[components.Jump]:
    return [
        components.Jump([entry.title], entry.page, _label(document, entry.page), entry.level)
        for entry in document.outline
        if entry.page and entry.page <= len(document.pages)
    ]


def _navigation(
    document: Document, entries: list[components.Jump], hits: list[Hit], query: str, number: int
) -> None:
    """Show where the words that were searched are, or the document's contents."""
    jump = partial(st.session_state.__setitem__, "page")
    if query:
        more = " or more" if len(hits) == _MOST_HITS else ""
        st.caption(f"{len(hits)}{more} found" if hits else "Not found in this document.")
        entries = [
            components.Jump([h.before, h.match, h.after], h.page, _label(document, h.page))
            for h in hits
        ]
        if hits:
            components.jumps("Found", entries, number, "hits", jump)
        return
    st.caption("Contents")
    components.jumps("Contents", entries, number, "outline", jump)


def _label(document: Document, number: int) -> str:
    return document.pages[number - 1].label or str(number)


def _image(job: Job, page: Page, query: str) -> str:
    """Return the page's image as HTML, with marks over the words that were searched."""
    marks = []
    if query and page.width and page.height and len(page.boxes) == page.text.count("\n") + 1:
        for line, box in zip(page.text.split("\n"), page.boxes, strict=True):
            if box is None or not line:
                continue
            left, top, right, bottom = box[:4]
            step = (right - left) / _width(line)
            for start, end in spans(line, query):
                x, wide = left + step * _width(line[:start]), step * _width(line[start:end])
                place = (
                    f"left:{100 * x / page.width:.2f}%;top:{100 * top / page.height:.2f}%;"
                    f"width:{100 * wide / page.width:.2f}%;"
                    f"height:{100 * (bottom - top) / page.height:.2f}%"
                )
                marks.append(f'<span class="hit" style="{place}"></span>')
    shape = f"aspect-ratio:{page.width}/{page.height}" if page.width and page.height else ""
    return (
        f'<div class="sheet"><img class="page-image" style="{shape}" loading="lazy" '
        f'src="/files/{job.id}/pages/{page.number}.png" alt="Page {page.number}">'
        f"{''.join(marks)}</div>"
    )


def _width(text: str) -> float:
    """Return about how wide a text is set, in letters of common width."""
    return sum(_WIDTHS.get(character, 1.0) for character in text)


def _text(page: Page, query: str) -> None:
    """Show the text of a page, its tables, and where it is from."""
    if page.error:
        st.warning(context.plain(page.error), icon=":material/error:")
    placed, others = placed_tables(page)
    if page.text.strip():
        lines = _LEADER.sub(" … ", page.text).split("\n")
        shown = [_marked(line, query) for line in lines]
        for at in [*range(page.header), *range(len(lines) - page.footer, len(lines))]:
            shown[at] = f'<span class="furniture">{shown[at]}</span>'
        for caption in page.captions:
            for at in range(caption.line, caption.line + caption.lines):
                shown[at] = f'<span class="caption">{shown[at]}</span>'
        breaks = line_breaks(page)
        for one in placed:
            shown[one.first] = _table(one.table, query)
            shown[one.first + 1 : one.end] = [""] * (one.end - one.first - 1)
            breaks[one.first : one.end] = [""] * (one.end - one.first)
        text = "".join(line + end for line, end in zip(shown, breaks, strict=True))
        st.html(f'<div class="page-text" dir="auto">{text}</div>')
    elif not page.error:
        st.caption("There is no text on this page.")
    if page.source == "ocr":
        st.caption(f"Read by OCR ({page.reader}), confidence {page.confidence or 0:.0%}")
    for table in others:
        st.html(_table(table, query))
    for note in page.annotations:
        st.html(f'<div class="page-note" dir="auto">{_marked(note, query)}</div>')


def _table(table: list[list[str]], query: str) -> str:
    """Return a table as HTML, its numbers to the right."""
    rows = []
    for row in table:
        cells = [
            f"<td{' class=number' if _NUMBER.fullmatch(cell) else ''}>{_marked(cell, query)}</td>"
            for cell in row
        ]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    return f'<div class="page-table"><table>{"".join(rows)}</table></div>'


def _marked(line: str, query: str) -> str:
    """Return a line as HTML with what was searched marked: here, or in the library before."""
    if not query:
        return context.marked(line, st.query_params.get("q", ""))
    shown, at = [], 0
    for start, end in spans(line, query):
        shown.append(html.escape(line[at:start]))
        shown.append(f"<mark>{html.escape(line[start:end])}</mark>")
        at = end
    return "".join(shown) + html.escape(line[at:])


def _about(document: Document) -> None:
    """Show what the file says of itself, its form fields and what is attached."""
    facts = {name.replace("_", " ").capitalize(): v for name, v in document.metadata.items()}
    if document.attachments:
        facts["Attachments"] = ", ".join(document.attachments)
    if facts:
        with st.expander("About this document", icon=":material/info:"):
            st.table(_plain(facts), border="horizontal", hide_header=True)
    if document.fields:
        with st.expander("Form fields", icon=":material/ballot:"):
            st.table(_plain(document.fields), border="horizontal", hide_header=True)


def _plain(facts: dict[str, str]) -> dict[str, str]:
    return {context.plain(name): context.plain(value) for name, value in facts.items()}


def _parts(job: Job, document: Document) -> None:
    """Let the person take the scans with their text, pages or chapters of the document, as PDFs."""
    count = len(document.pages)
    links = {}
    if any(page.source == "ocr" for page in document.pages):
        links["Searchable PDF"] = f"/files/{job.id}/document.pdf"
    if parts := chapters(document.outline, count):
        links[f"{context.plural(len(parts), 'chapter')} (ZIP)"] = f"/files/{job.id}/parts.zip"
    if count < 2 and not links:
        return
    with st.expander("As PDF", icon=":material/picture_as_pdf:"):
        if links:
            context.download_links(links)
        if count > 1:
            ranges = st.text_input("Some of its pages", placeholder="1-3, 7, 12-", width=320)
            if ranges:
                _ranges(job, ranges, count)


def _ranges(job: Job, ranges: str, count: int) -> None:
    """Offer some pages of a document as one PDF, and several ranges also as a PDF each."""
    try:
        parts = by_ranges(ranges, count)
        pages = len(parse_pages(ranges, count))
    except ScriptoriumError as error:
        st.error(context.plain(str(error)), icon=":material/error:")
        return
    asked = f"pages={quote(ranges)}"
    links = {f"{context.plural(pages, 'page')} (PDF)": f"/files/{job.id}/document.pdf?{asked}"}
    if len(parts) > 1:
        links[f"{len(parts)} PDFs (ZIP)"] = f"/files/{job.id}/parts.zip?{asked}"
    context.download_links(links)
