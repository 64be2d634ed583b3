"""The frame around every page."""

import tomllib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

from streamlit.navigation.page import StreamlitPage
from streamlit.testing.v1 import AppTest

from pages.context import batch_name, plain
from services.errors import StoreUnavailable
from services.people.models import SCOPES, Person, Role

APP = Path(__file__).parents[2] / "pages" / "app.py"


def test_a_store_that_cannot_be_reached_is_said_and_can_be_tried_again(monkeypatch):
    asked = []

    def runtime() -> SimpleNamespace:
        asked.append(1)
        raise StoreUnavailable("The job store in jobs cannot be reached now (away).")

    monkeypatch.setattr("pages.context.runtime", runtime)
    page = AppTest.from_file(APP, default_timeout=30).run()
    assert not page.exception
    assert page.error[0].value == plain("The job store in jobs cannot be reached now (away).")
    page.button[0].click().run()
    assert not page.exception and len(asked) == 2


def test_the_pages_are_made_once_and_again_when_somebody_may_do_more(monkeypatch):
    person = Person("ana", SCOPES[Role.PERSON])
    seen = SimpleNamespace(person=person, settings=SimpleNamespace(mode="accounts"))
    shown = []

    def navigation(pages: list[StreamlitPage], position: str) -> SimpleNamespace:
        shown.append(pages)
        return SimpleNamespace(title=pages[0].title, run=lambda: None)

    monkeypatch.setattr("pages.context.runtime", lambda: seen)
    monkeypatch.setattr("pages.told.tell", lambda: None)
    monkeypatch.setattr("streamlit.navigation", navigation)
    page = AppTest.from_file(APP, default_timeout=30).run()
    page.run()
    assert not page.exception and shown[0] is shown[1]
    assert [one.title for one in shown[0][:4]] == ["New batch", "Batches", "Files", "Search"]
    seen.person = replace(person, scopes=SCOPES[Role.ADMIN])
    page.run()
    assert "Team" in [one.title for one in shown[2]]
    assert "Team" not in [one.title for one in shown[1]]


def test_a_page_that_fails_leads_nowhere_else():
    """Streamlit offers to send the error to a search engine and a chatbot."""
    config = tomllib.loads((APP.parents[1] / ".streamlit" / "config.toml").read_text("utf-8"))
    assert config["client"] == {
        "toolbarMode": "minimal",
        "showErrorDetails": "none",
        "showErrorLinks": False,
    }


def test_a_name_from_right_to_left_takes_no_words_along():
    hebrew = "\u05d9\u05e9\u05d9\u05d1\u05d4 1.wav"
    assert batch_name(hebrew, 1) == hebrew
    assert batch_name(hebrew, 3) == f"\u2068{hebrew}\u2069 and 2 more files"
    assert batch_name("talk.wav", 2) == "talk.wav and 1 more file"
