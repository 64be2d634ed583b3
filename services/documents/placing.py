"""Finds where the tables of a page stand in its text, so that they can be shown in their place."""

from __future__ import annotations

from dataclasses import dataclass

from services.documents.document import Page


@dataclass(frozen=True)
class Placed:
    """A table, and the lines of the page's text that are its rows: from `first` up to `end`."""

    first: int
    end: int
    table: list[list[str]]


def placed_tables(page: Page) -> tuple[list[Placed], list[list[list[str]]]]:
    """Return the tables whose words are lines of the text, in its order, and the other tables.

    A cell of several lines, say, is read otherwise in the text than in the table.
    """
    lines = [line.split() for line in page.text.split("\n")]
    placed: list[Placed] = []
    others = []
    for table in page.tables:
        words = [word for row in table for cell in row for word in cell.split()]
        taken = {at for one in placed for at in range(one.first, one.end)}
        starts = (at for at, line in enumerate(lines) if line and at not in taken)
        found = ((first, _end(lines, first, words)) for first in starts)
        place = next(((first, end) for first, end in found if end is not None), None)
        if place is None:
            others.append(table)
        else:
            placed.append(Placed(*place, table))
    return sorted(placed, key=lambda one: one.first), others


def _end(lines: list[list[str]], first: int, words: list[str]) -> int | None:
    """Return the index behind the last of the lines from `first` on that are these words."""
    at = 0
    for index in range(first, len(lines)):
        line = lines[index]
        if words[at : at + len(line)] != line:
            return None
        at += len(line)
        if at == len(words):
            return index + 1
    return None
