"""How documents are read, as a person chooses it for a batch."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from services.jobs.models import Options

READERS = {
    "auto": "PDFium, else pypdf",
    "pypdf": "pypdf only",
    "pdfium": "PDFium only",
}
OCR = {
    "auto": "Tesseract, else RapidOCR",
    "tesseract": "Tesseract only",
    "rapidocr": "RapidOCR only",
    "off": "Leave without text",
}


def choose(options: Options, default: Options, key: str) -> Options:
    """Return `options` with the person's choice of how documents are read."""
    texts, scans = st.columns(2)  # one below the other where there is little room
    reader = _select(texts, "Text of PDFs", READERS, default.reader, f"{key}-reader")
    ocr = _select(scans, "OCR of scanned pages", OCR, default.ocr, f"{key}-ocr")
    languages = st.text_input(
        "Languages of scans",
        default.ocr_languages,
        help="As Tesseract names them: eng, deu, fra; several joined by +.",
        validate=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$",
        key=f"{key}-languages",
    )
    chosen = languages or default.ocr_languages
    return replace(options, reader=reader, ocr=ocr, ocr_languages=chosen)


def _select(place: DeltaGenerator, label: str, names: dict[str, str], chosen: str, key: str) -> str:
    """Offer values by their names; return the one that is chosen."""
    values = list(names)
    index = values.index(chosen)
    return place.selectbox(label, values, index=index, format_func=names.__getitem__, key=key)
