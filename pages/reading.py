"""How documents are read, as a person chooses it for a batch."""

from __future__ import annotations

from dataclasses import replace

import streamlit as st

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
    reader = texts.selectbox(
        "Text of PDFs",
        list(READERS),
        index=list(READERS).index(default.reader),
        format_func=lambda name: READERS[name],
        key=f"{key}-reader",
    )
    ocr = scans.selectbox(
        "OCR of scanned pages",
        list(OCR),
        index=list(OCR).index(default.ocr),
        format_func=lambda name: OCR[name],
        key=f"{key}-ocr",
    )
    languages = st.text_input(
        "Languages of scans",
        default.ocr_languages,
        help="As Tesseract names them: eng, deu, fra; several joined by +.",
        validate=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$",
        key=f"{key}-languages",
    )
    chosen = languages or default.ocr_languages
    return replace(options, reader=reader, ocr=ocr, ocr_languages=chosen)
