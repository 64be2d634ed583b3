"""Makes PDFs of PDFs: some of the pages, several files as one. Runs in worker processes only."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from pypdf import PdfWriter

from services.documents.document import Document
from services.documents.pdf_file import PdfFile
from services.documents.searchable import TextLayer
from services.errors import UnreadableDocument
from services.files.operations import atomic_writer

Source = tuple[Path, str, str | None]
"""A file, what a person calls it, and its password."""


def take_pages(source: Source, numbers: list[int], target: Path) -> None:
    """Write some pages (from 1), in the order given, as a PDF at `target`.

    Scripts, attachments and forms stay behind.

    Raises:
        UnreadableDocument: the file cannot be opened, or has no such page.
    """
    _write(_some_pages(PdfFile(*source), numbers), target)


def split(source: Source, parts: Sequence[tuple[str, list[int]]], target: Path) -> Iterator[str]:
    """Write a ZIP at `target` with a PDF for each part; yield the name of each that is made.

    Args:
        parts: The name and the pages (from 1) of each.

    Raises:
        UnreadableDocument: the file cannot be opened, or has no such page.
    """
    pdf = PdfFile(*source)
    with atomic_writer(target) as handle, zipfile.ZipFile(handle, "w") as archive:
        for name, numbers in parts:
            archive.writestr(name, _bytes(_some_pages(pdf, numbers)))
            yield name


def merge(sources: list[Source], target: Path) -> None:
    """Write several files as one PDF at `target`; its outline names each at its first page.

    Raises:
        UnreadableDocument: one of them cannot be opened.
    """
    writer = PdfWriter()
    for source in sources:
        pdf = PdfFile(*source)
        first = len(writer.pages)
        writer.append(pdf.reader, import_outline=False)
        writer.add_outline_item(title=pdf.name, page_number=first)
    _write(writer, target)


def make_searchable(source: Source, document: Document, target: Path) -> None:
    """Write the file with what OCR read laid invisibly over its scanned pages.

    Raises:
        UnreadableDocument: the file cannot be opened.
    """
    pdf = PdfFile(*source)
    writer = PdfWriter(clone_from=pdf.reader)
    layer = TextLayer(writer)
    for page in document.pages:
        if page.source == "ocr" and page.number <= len(writer.pages):
            layer.lay(page, writer.pages[page.number - 1])
    _write(writer, target)


def _some_pages(pdf: PdfFile, numbers: list[int]) -> PdfWriter:
    writer = PdfWriter()
    for number in numbers:
        if not 1 <= number <= pdf.count:
            raise UnreadableDocument(f"“{pdf.name}” has no page {number}, but {pdf.count} pages.")
        writer.add_page(pdf.page(number))
    return writer


def _bytes(writer: PdfWriter) -> memoryview:
    content = io.BytesIO()
    writer.write(content)
    return content.getbuffer()


def _write(writer: PdfWriter, target: Path) -> None:
    content = _bytes(writer)
    with atomic_writer(target) as handle:
        handle.write(content)
