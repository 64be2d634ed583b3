"""Text in the cells of a CSV file, so that spreadsheets show it and never carry it out."""

from __future__ import annotations

import re

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠", "\t", "\r")
_NUMBER = re.compile(r"[+-]?[\d.,\s]*\d[\d.,\s]*%?")


def as_text(text: str) -> str:
    """Return what to write for `text`: an apostrophe goes before what would be a formula.

    A number with its sign stays a number. https://owasp.org/www-community/attacks/CSV_Injection
    """
    if text.startswith(_FORMULA) and not _NUMBER.fullmatch(text):
        return f"'{text}"
    return text
