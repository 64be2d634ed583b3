"""The popovers in which a person chooses what an export holds."""

from __future__ import annotations

import html
from collections.abc import Mapping
from urllib.parse import quote, urlencode

import streamlit as st

from pages import context
from services import exports
from services.audio.exports import Style
from services.audio.transcript import Transcript
from services.jobs.models import Kind
from services.jobs.results import Result
from services.runtime import Runtime

_LABELS = {
    "txt": "Text",
    "md": "Markdown",
    "docx": "Word",
    "srt": "SRT",
    "vtt": "WebVTT",
    "csv": "CSV",
    "json": "JSON",
}

_OPTIONS = {
    "times": ("Times", {"txt", "md", "docx"}),
    "summary": ("Summary", {"md", "docx"}),
    "speakers": ("Speakers", {"txt", "md", "docx", "srt", "vtt", "csv"}),
    "paragraphs": ("Paragraphs instead of single lines", {"txt", "md", "docx"}),
}
"""Label of each option, and the formats in which it changes anything."""


def one(runtime: Runtime, job_id: str, result: Result) -> None:
    """Offer one result in one format."""
    with st.popover("Export", icon=":material/download:"):
        context.refreshing(None)(_one)(runtime, job_id, result)


def _one(runtime: Runtime, job_id: str, result: Result) -> None:
    if runtime.job(job_id) is None:  # deleted meanwhile: the whole page says so
        st.rerun()
    formats = exports.formats(result)
    format = st.pills(
        "Format",
        formats,
        default=formats[0],
        required=True,
        format_func=_label,
        key="export-format",
    )
    address = f"/files/{quote(job_id)}/result.{format}"
    if isinstance(result, Transcript):
        address += f"?{urlencode(_style({format}))}"
    _link(address, f"Download {_label(format)}")


def batch(batch_id: str, results: Mapping[Kind, int]) -> None:
    """Offer all results of a batch, so many of each kind, in chosen formats as a ZIP."""
    formats = exports.formats_of(results)
    with st.popover("Export", icon=":material/download:"):
        chosen = st.pills(
            "Formats",
            formats,
            default=list(formats),
            selection_mode="multi",
            format_func=_label,
            key="export-formats",
        )
        style = _style(set(chosen)) if results.get(Kind.AUDIO) else {}
        asked = [("format", format) for format in chosen]
        if chosen:
            query = urlencode([*asked, *style.items()])
            _link(f"/files/batches/{quote(batch_id)}.zip?{query}", "Download ZIP")
        else:
            st.caption("Choose at least one format.")
        if results.get(Kind.DOCUMENT, 0) > 1:
            _link(f"/files/batches/{quote(batch_id)}.pdf", "Download all documents as one PDF")


def _label(format: str) -> str:
    return _LABELS.get(format, format.upper())


def _style(chosen: set[str]) -> dict[str, int]:
    """Ask what transcripts show beside their words; return it as the address says it."""
    usual = Style()
    style = {}
    for name, (label, formats) in _OPTIONS.items():
        given = st.checkbox(
            label,
            value=getattr(usual, name),
            disabled=not chosen & formats,
            key=f"export-{name}",
        )
        style[name] = int(given)
    return style


def _link(address: str, label: str) -> None:
    st.html(f'<a class="download" href="{html.escape(address)}" download>{html.escape(label)}</a>')
