"""The settings that say how documents are read."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class DocumentSettings(BaseModel):
    """What reads documents and scanned pages, and what that may take."""

    document_workers: int = Field(2, ge=1, le=64)
    """Processes that read documents at the same time."""

    document_memory_mb: int = Field(1024, ge=256)
    """Memory that one document process may take, in MiB."""

    document_reader: Literal["auto", "pypdf", "pdfium"] = "auto"
    """What reads the text of PDFs, for new batches."""

    document_timeout: float = Field(3600.0, gt=0)
    """Seconds that one document may take; what is not read then is missing from its result."""

    ocr: Literal["auto", "tesseract", "rapidocr", "off"] = "auto"
    """What reads scanned pages, for new batches; `auto` is Tesseract where it is installed."""

    ocr_languages: str = Field("eng", pattern=r"^[A-Za-z_]+(\+[A-Za-z_]+)*$")
    """Languages of scanned pages, as Tesseract names them, joined by `+`."""

    ocr_timeout: float = Field(60.0, gt=0)
    """Seconds that one scanned page may take."""

    ocr_memory_mb: int = Field(2048, ge=512)
    """Memory that one OCR process may take, in MiB."""

    page_timeout: float = Field(20.0, gt=0)
    """Seconds that one page of a document may take."""
