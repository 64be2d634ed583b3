"""Cuts text into sentences."""

from __future__ import annotations

import re

_END = re.compile(
    r"""(?: [.!?…]+ ["'”’»)\]]* (?=\s+["'“‘«(\[]*[^\W_a-z]) )  # a stop before a capital or digit
      | [。！？]+ ["'”’»)\]]*                                     # a full-width stop anywhere
      | \n\s*\n                                                   # an empty line
    """,
    re.VERBOSE,
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:[^\W\d_]|Mr|Mrs|Ms|Dr|Prof|St|vs|etc|No|Fig|Eq|cf|al|e\.g|i\.e)\.$"
)


def sentences(text: str) -> list[tuple[int, int]]:
    """Return the (begin, end) offsets of the sentences of `text`, without the space around them.

    A stop after an initial or a common abbreviation ends no sentence.
    """
    found = []
    begin = 0
    for match in _END.finditer(text):
        if text[match.start()] == "." and _ABBREVIATION.search(text[begin : match.start() + 1]):
            continue
        found.append((begin, match.end()))
        begin = match.end()
    found.append((begin, len(text)))
    return [trimmed for span in found if (trimmed := _trim(text, *span))]


def _trim(text: str, begin: int, end: int) -> tuple[int, int] | None:
    while begin < end and text[begin].isspace():
        begin += 1
    while end > begin and text[end - 1].isspace():
        end -= 1
    return (begin, end) if begin < end else None
