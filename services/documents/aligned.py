"""Finds tables without lines around their cells: rows whose cells stand under each other.

Prose, lists and tables of contents have gaps in their lines too. A table is taken for one only if
every row keeps to the same columns, and if rules part it from the text (as publishers set tables)
or it has at least three columns, one of them of numbers. What is in doubt stays lines of text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median

from services.documents.layout import Box, Line, pieces_of

Table = list[list[str]]
_Row = list[Line]
"""The cells of one line."""
_Span = tuple[float, float]

_ROW_GAP = 2.2
"""Space between two rows at most, in sizes of type."""
_COLUMN_GAP = 0.8
"""Space between two columns at least, in sizes of type."""
_NUMBER_GAP = 0.45
"""Space between two columns of numbers at least, in sizes of type: thousands are closer."""
_ALIGNED = 0.8
"""Share of a column's cells that have an edge or their middle in common."""
_FILLED = 0.75
_NUMBERS = 0.6
"""Share of a column's cells that are numbers where it is a column of numbers."""
_WORDS = 4.0
"""Words of a cell, in the median, at most."""

_NUMBER = re.compile(
    r"[($€£¥<>≤≥±~+\-\u2212\u2013]*\d[\d.,\u202f/:×^eE+\-\u2212\u2013±()]*\s?\S{0,3}"
)
_DOTS = re.compile(r"(?:\.\s?){4,}")


def aligned_tables(lines: Sequence[Line | None], drawn: Sequence[Box]) -> list[Table]:
    """Return the tables among the lines of a page, as rows of cells.

    Args:
        lines: In the order of reading, None where a paragraph ends.
        drawn: What is drawn on the page; level rules are looked for among it.
    """
    found: list[Table] = []
    if sum(line is not None and len(pieces_of(line)) > 1 for line in lines) < 2:
        return found  # nearly every page
    for rows in _blocks(lines):
        while len(rows) >= 3:
            columns = _columns(rows)
            if columns is not None:
                columns = _parted(rows, columns)
                if _is_table(rows, columns, _rules(rows, drawn)):
                    found.append(_cells(rows, columns))
                break
            rows = rows[1:]  # a head above several columns fits none of them
    return found


def _blocks(lines: Sequence[Line | None]) -> Iterator[list[_Row]]:
    """Yield runs of lines below each other that all have gaps in them."""
    rows: list[_Row] = []
    before: Line | None = None
    for line in _whole(lines):
        cells = pieces_of(line) if len(line.words) > 1 else []
        goes_on = before is not None and -0.5 < (line.top - before.bottom) / line.size < _ROW_GAP
        if len(cells) < 2 or not goes_on:
            yield rows
            rows = []
        if len(cells) >= 2:
            rows.append(cells)
        before = line
    yield rows


def _whole(lines: Sequence[Line | None]) -> Iterator[Line]:
    """Yield the lines, those as one that PDFium takes apart: a cell may begin a line there."""
    whole: Line | None = None
    for line in lines:
        if line is None:
            continue
        beside = whole is not None and line.left > whole.right
        if whole is not None and beside and abs(line.top - whole.top) < 0.3 * line.size:
            whole = Line([*whole.words, *line.words])
            continue
        if whole is not None:
            yield whole
        whole = line
    if whole is not None:
        yield whole


def _columns(rows: list[_Row]) -> list[_Span] | None:
    """Return where the columns are, or None where the rows do not keep to the same ones."""
    gap = _COLUMN_GAP * median(cell.size for row in rows for cell in row)
    columns: list[_Span] = []
    for cell in sorted((cell for row in rows for cell in row), key=lambda cell: cell.left):
        if columns and cell.left < columns[-1][1] + gap:
            columns[-1] = (columns[-1][0], max(columns[-1][1], cell.right))
        else:
            columns.append((cell.left, cell.right))
    if len(columns) < 2:
        return None
    for row in rows:
        if len({_column(cell, columns) for cell in row}) < len(row):
            return None
    if sum(map(len, rows)) < _FILLED * len(rows) * len(columns):
        return None
    for at in range(len(columns)):
        cells = [cell for row in rows for cell in row if _column(cell, columns) == at]
        # A head may be set otherwise than what is below it.
        if len(cells) < len(rows) / 2 or not _stand_in_line(cells[1:] or cells):
            return None
    return columns


def _column(cell: Line, columns: list[_Span]) -> int:
    return next(at for at, (left, right) in enumerate(columns) if left <= cell.left <= right)


def _parted(rows: list[_Row], columns: list[_Span]) -> list[_Span]:
    """Return the columns, those of numbers taken apart where only a blank is between two."""
    parted: list[_Span] = []
    for at, column in enumerate(columns):
        cells = [cell for row in rows[1:] for cell in row if _column(cell, columns) == at]
        words = sorted((word for cell in cells for word in cell.words), key=lambda word: word.left)
        if not all(_NUMBER.fullmatch(word.text) for word in words):
            parted.append(column)
            continue
        gap = _NUMBER_GAP * median(word.size for word in words)
        parted.append((column[0], words[0].right))
        for word in words:
            left, right = parted[-1]
            if word.left < right + gap:
                parted[-1] = (left, max(right, word.right))
            else:
                parted.append((word.left, word.right))
        parted[-1] = (parted[-1][0], column[1])
    return parted


def _stand_in_line(cells: list[Line]) -> bool:
    """Whether most cells of a column have their left or right edge, or their middle in common."""
    within = 0.3 * median(cell.size for cell in cells)
    for places in (
        [cell.left for cell in cells],
        [cell.right for cell in cells],
        [(cell.left + cell.right) / 2 for cell in cells],
    ):
        common = median(places)
        if sum(abs(place - common) <= within for place in places) >= _ALIGNED * len(cells):
            return True
    return False


def _is_table(rows: list[_Row], columns: list[_Span], rules: int) -> bool:
    table = _cells(rows, columns)
    if any(_DOTS.search(cell) for row in table for cell in row):
        return False  # a table of contents
    if median(len(cell.split()) for row in table for cell in row if cell) > _WORDS:
        return False  # prose
    if rules >= 2:
        return True
    numbers = [column for column in zip(*table[1:], strict=True) if _are_numbers(column)]
    if len(columns) < 3 or len(rows) < 4 or not numbers:
        return False
    return not _is_contents(table)


def _are_numbers(column: Sequence[str]) -> bool:
    filled = [cell for cell in column if cell]
    return sum(bool(_NUMBER.fullmatch(cell)) for cell in filled) >= _NUMBERS * len(column)


def _is_contents(table: Table) -> bool:
    """Whether its last column counts upwards, as the numbers of pages do."""
    last = [row[-1] for row in table if row[-1]]
    if not all(cell.isdecimal() for cell in last):
        return False
    return all(int(a) <= int(b) for a, b in pairwise(last))


def _rules(rows: list[_Row], drawn: Sequence[Box]) -> int:
    """Return at how many heights a level rule runs along at least half of the table."""
    cells = [cell for row in rows for cell in row]
    size = median(cell.size for cell in cells)
    left, right = min(cell.left for cell in cells), max(cell.right for cell in cells)
    top, bottom = rows[0][0].top - 2 * size, rows[-1][0].bottom + 2 * size
    heights = {
        round(box[1] / 3)
        for box in drawn
        if box[3] - box[1] <= 3
        and top <= box[1] <= bottom
        and min(box[2], right) - max(box[0], left) >= (right - left) / 2
    }
    return len(heights)


def _cells(rows: list[_Row], columns: list[_Span]) -> Table:
    """Return the words of each row in the column that they stand in, or else behind."""
    table = []
    for row in rows:
        cells: list[list[str]] = [[] for _ in columns]
        for word in (word for cell in row for word in cell.words):
            middle = (word.left + word.right) / 2
            at = sum(left <= middle for left, _ in columns) - 1
            cells[at].append(word.text)
        table.append([" ".join(cell) for cell in cells])
    return table
