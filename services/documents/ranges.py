"""Page ranges as people write them: `1-3, 7, 12-`."""

from __future__ import annotations

import re

from services.errors import PermanentError

_MOST = 100_000
_SHOWN = 40
"""Letters of what somebody wrote that an error repeats."""


def parse_pages(text: str, count: int) -> list[int]:
    """Return the page numbers that `text` names, in its order, of a document of `count` pages.

    Raises:
        PermanentError: it names none, or one that is not there; the message says which.
    """
    numbers: list[int] = []
    for part in re.split(r"[,;\s]+(?!-)", text.strip().replace("–", "-")):
        found = re.fullmatch(r"(\d{0,9})(\s*-\s*)?(\d{0,9})", part)
        if not part or found is None or not (found[1] or found[3]):
            said = (part or text)[:_SHOWN]
            raise PermanentError(f"“{said}” names no pages. Write them like 1-3, 7, 12-.")
        first = int(found[1] or 1)
        last = int(found[3] or count) if found[2] else first
        if not 1 <= first <= last <= count:
            raise PermanentError(f"There are no pages {part}: the document has {count}.")
        numbers += range(first, last + 1)
        if len(numbers) > _MOST:
            raise PermanentError(f"No more than {_MOST:,} pages at once.")
    return numbers
