"""The frame around every page."""

from pathlib import Path
from types import SimpleNamespace

from streamlit.testing.v1 import AppTest

from services.errors import StoreUnavailable

APP = Path(__file__).parents[2] / "pages" / "app.py"


def test_a_store_that_cannot_be_reached_is_said_and_can_be_tried_again(monkeypatch):
    asked = []

    def runtime() -> SimpleNamespace:
        asked.append(1)
        raise StoreUnavailable("The job store in jobs cannot be reached now (away).")

    monkeypatch.setattr("pages.context.runtime", runtime)
    page = AppTest.from_file(APP, default_timeout=30).run()
    assert not page.exception
    assert page.error[0].value == "The job store in jobs cannot be reached now (away)."
    page.button[0].click().run()
    assert not page.exception and len(asked) == 2
