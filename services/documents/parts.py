"""The parts that a document is split into: its chapters, or ranges of pages."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.documents.document import OutlineEntry
from services.documents.ranges import parse_pages
from services.errors import PermanentError
from services.files.names import clean_name

_MOST = 1_000
_SLASH = re.compile(r"[/\\]")


@dataclass(frozen=True)
class Part:
    """Some pages of a document, from 1, and what they are called."""

    title: str
    numbers: list[int]


def chapters(outline: Sequence[OutlineEntry], count: int) -> list[Part]:
    """Return the chapters of a document of `count` pages; none where its outline has only one.

    Chapters are the uppermost entries of the outline that are more than one. Each goes to the page
    before the next one; two that begin on one page both have it. Pages before the first are a
    part too, so that none is lost.
    """
    placed = [(entry.level, entry.page, entry.title) for entry in outline if entry.page]
    placed = [one for one in placed if one[1] <= count]
    for level in sorted({level for level, _, _ in placed}):
        begun = sorted(
            (page, at, title) for at, (of, page, title) in enumerate(placed) if of == level
        )
        if len(begun) > 1:
            break
    else:
        return []
    ends = [max(page, following - 1) for (page, _, _), (following, _, _) in pairwise(begun)]
    parts = [
        Part(title, list(range(page, end + 1)))
        for (page, _, title), end in zip(begun, [*ends, count], strict=True)
    ]
    if (first := begun[0][0]) > 1:
        parts.insert(0, Part("Before the first chapter", list(range(1, first))))
    return parts if len(parts) <= _MOST else []


def by_ranges(text: str, count: int) -> list[Part]:
    """Return a part for each range of pages in `text`: `1-3, 7, 12-` has three.

    Raises:
        PermanentError: it names none, or one that is not there; the message says which.
    """
    ranges = [part for part in re.split(r"[,;]", text) if part.strip()]
    if len(ranges) > _MOST:
        raise PermanentError(f"No more than {_MOST:,} parts at once.")
    parts = []
    for part in ranges or [""]:
        numbers = parse_pages(part, count)
        parts.append(Part(f"pages {part.strip()}", numbers))
    return parts


def file_names(parts: Sequence[Part]) -> list[str]:
    """Return a file name for each part, numbered in their order, so that no two are the same."""
    digits = max(2, len(str(len(parts))))
    titles = [_SLASH.sub("_", part.title) for part in parts]
    return [clean_name(f"{at:0{digits}} {title}.pdf") for at, title in enumerate(titles, 1)]
