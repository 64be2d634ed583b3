"""Keeps the fonts of a file while it is read: pypdf builds each anew for every page that uses it.

That took a ninth of its time on manuals. Runs in worker processes only.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import pypdf._page as pypdf_page
from pypdf.generic import DictionaryObject

_MOST = 64
"""Fonts that are kept: a large one takes megabytes."""

_kept: OrderedDict[int, tuple[DictionaryObject, Any]] = OrderedDict()


class _Kept:
    """What comes before pypdf's class of fonts; reading text changes nothing in a font."""

    @classmethod
    def from_font_resource(cls, pdf_font_dict: DictionaryObject) -> Any:
        """Return the font that a dictionary of the file describes, built when it is new."""
        key = id(pdf_font_dict)  # nobody else's as long as the dictionary is kept
        if key in _kept:
            _kept.move_to_end(key)
            return _kept[key][1]
        font = super().from_font_resource(pdf_font_dict)  # type: ignore[misc]
        _kept[key] = (pdf_font_dict, font)
        if len(_kept) > _MOST:
            _kept.popitem(last=False)
        return font


def keep() -> None:
    """Have pypdf take the fonts of pages from here, if it builds them where this one does."""
    font: Any = getattr(pypdf_page, "Font", None)
    if hasattr(font, "from_font_resource") and not issubclass(font, _Kept):
        vars(pypdf_page)["Font"] = type("KeptFont", (_Kept, font), {})


def forget() -> None:
    """Let go of the fonts, and of the file that they are from."""
    _kept.clear()
