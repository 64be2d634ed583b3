"""Pages that are run without a browser."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

import pages.components

PAGES = Path(__file__).parents[1] / "pages"


def show(
    patch: pytest.MonkeyPatch,
    page: str,
    asked: dict[str, str],
    listed: Callable[[Sequence[Any]], object] = len,
) -> AppTest:
    """Run a page whose address asks for something, and return it.

    Args:
        listed: Is given the rows of each list.
    """
    patch.setattr(streamlit, "page_link", lambda *_, **__: None)  # needs the frame

    def rows(items: Sequence[Any], **_: object) -> None:
        listed(items)

    patch.setattr(pages.components, "rows", rows)
    shown = AppTest.from_file(str(PAGES / page), default_timeout=60)
    for name, value in asked.items():
        shown.query_params[name] = value
    return shown.run()
