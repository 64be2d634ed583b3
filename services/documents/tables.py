"""Finds tables that have lines around their cells, with pdfplumber. In worker processes only."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pdfplumber

from services.documents.text import clean

log = logging.getLogger(__name__)

Table = list[list[str]]


def tables(
    content: Any, password: str | None, numbers: list[int]
) -> Iterator[tuple[int, list[Table]]]:
    """Yield the tables of each of these pages (from 1), as rows of cells.

    Args:
        content: The file: bytes, or an open file.
    """
    source = BytesIO(content) if isinstance(content, bytes) else content
    with pdfplumber.open(source, password=password or "") as pdf:
        for number in numbers:
            try:
                page = pdf.pages[number - 1]
                found = [_cells(table.extract()) for table in page.find_tables()]
                page.close()
            except MemoryError:
                raise
            except Exception:  # pdfminer raises whatever the damage of a page leads to
                log.info("tables of page %d", number, exc_info=True)
                found = []
            yield number, [table for table in found if _is_table(table)]


def _cells(rows: list[list[str | None]]) -> Table:
    return [[clean(cell or "").strip() for cell in row] for row in rows]


def _is_table(table: Table) -> bool:
    """Whether it has rows, columns and something in most of its cells: a frame has not."""
    if len(table) < 2 or max(map(len, table)) < 2:
        return False
    cells = [cell for row in table for cell in row]
    return sum(bool(cell) for cell in cells) >= len(cells) / 2
