"""The search page before a runtime that finds what the tests say."""

from __future__ import annotations

import html
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

import pages.components
import services.runtime
from pages.context import plain
from services.errors import LibraryError
from services.library.models import Found, Group, Hit
from services.people.models import LOCAL, SCOPES, Person, Role

PAGE = Path(__file__).parents[2] / "pages" / "search.py"
HIT = Hit("k", "The book is old.", 0.1, "job1", "a <b>.pdf", "document", "ana", "b", 0.0, page=3)


class Runtime(SimpleNamespace):
    """Remembers what it was asked."""

    has_library = True
    can_answer = True
    settings = SimpleNamespace(mode="local")
    person = LOCAL
    found = Found((Group("job1", (HIT,)),), 12, {"kind": {"document": 1}})

    def warm_search(self) -> None: ...

    def search_page(self, typed, filters, limit, offset, patience) -> Found:
        self.asked = (typed, filters, limit, offset)
        return self.found

    def being_indexed(self) -> int:
        return self.waiting

    def search_problem(self) -> str | None:
        return self.problem

    def ask(self, question, filters):
        if self.problem:
            raise LibraryError(self.problem)
        return [HIT], iter(["It is ", "old [1]."])


@pytest.fixture
def runtime(monkeypatch):
    made = Runtime(problem=None, waiting=0)
    monkeypatch.setattr(services.runtime, "running", [made])
    return made


def page(**query) -> AppTest:
    test = AppTest.from_file(str(PAGE), default_timeout=30)
    for name, value in query.items():
        test.query_params[name] = value
    test.run()
    assert not test.exception
    return test


def test_the_address_holds_the_search(runtime):
    shown = page(q="old book", kind="document", tags=["red", "blue"], when="Past week", page="2")
    typed, filters, limit, offset = runtime.asked
    assert (typed, limit, offset) == ("old book", 10, 10)
    assert (filters.kind, filters.tags, filters.owner) == ("document", ("red", "blue"), None)
    assert filters.since is not None and shown.text_input(key="q").value == "old book"
    assert "Found in 12 files" in [caption.value for caption in shown.caption]


def test_what_is_not_indexed_yet_is_said_and_searched_when_it_is(runtime):
    runtime.waiting = 3
    shown = page(q="book")
    captions = [caption.value for caption in shown.caption]
    assert "Found in 12 files" in captions
    assert "3 files are being indexed and not found yet." in captions
    runtime.waiting, found, runtime.found = 0, runtime.found, Found(semantic=True)
    shown.run()
    assert not any("indexed" in caption.value for caption in shown.caption)
    assert any("Nothing was found" in one.value for one in shown.markdown)
    runtime.waiting = 1
    shown.run()
    assert any("Nothing was found yet" in one.value for one in shown.markdown)
    assert "1 file is being indexed and not found yet." in [one.value for one in shown.caption]
    runtime.waiting, runtime.found = 0, found
    shown.run()
    assert "Found in 12 files" in [caption.value for caption in shown.caption]


def test_what_was_searched_for_instead_is_said_and_goes_into_the_links(runtime, monkeypatch):
    shown_hits = []
    monkeypatch.setattr(pages.components, "hits", lambda groups, key: shown_hits.extend(groups))
    runtime.found = Found((Group("job1", (HIT,)),), 1, instead="old book")
    shown = page(q="old boook")
    said = "Nothing has “old boook”. This was found for “old book”."
    assert plain(said) in [caption.value for caption in shown.caption]
    assert "q=old+book" in shown_hits[0]["href"]


def test_what_only_compared_words_says_why(runtime):
    runtime.found = Found(semantic=False)
    runtime.problem = "The embedding model “x” cannot be loaded."
    shown = page(q="book")
    assert [warning.value for warning in shown.warning] == [plain(runtime.problem)]
    assert any("Nothing was found" in markdown.value for markdown in shown.markdown)


def test_an_answer_shows_its_sources_and_a_failure_its_reason(runtime):
    shown = page(q="how old")
    (ask,) = [button for button in shown.button if button.label == "Ask"]
    ask.click().run()
    assert not shown.exception
    cited = " ".join(str(one.proto.body) for one in shown.get("html"))
    assert ">It is old <a" in cited and ">[1]</a>.</div>" in cited
    assert "/result?job=job1&amp;page=3" in cited and "a &lt;b&gt;.pdf, page 3" in cited
    runtime.problem = "The language model did not answer."
    (ask,) = [button for button in shown.button if button.label == "Ask"]
    ask.click().run()
    assert [error.value for error in shown.error] == [plain(runtime.problem)]


def test_a_hit_says_whose_it_is_where_it_is_somebody_elses(runtime, monkeypatch):
    shown = []
    monkeypatch.setattr(pages.components, "hits", lambda groups, **_: shown.append(groups[0]))
    for runtime.person in (LOCAL, Person("ana", SCOPES[Role.PERSON])):
        page(q="book")
    runtime.person = Person("bo", SCOPES[Role.PERSON])
    page(q="book")
    assert [one["detail"].partition(" · ")[2] for one in shown] == ["", "", "shared by ana"]


def test_what_the_model_was_made_to_write_is_text(runtime, monkeypatch):
    hostile = """# Pay https://evil.example www.evil.example a@evil.example
        \\[click](http://evil.example) [click](http://evil.example) $x^2$ **b** :red[x]
        <a href="http://evil.example">x</a><img src=x> [2] [99999] [1](http://evil.example)"""
    monkeypatch.setattr(runtime, "ask", lambda *_: ([HIT], iter(hostile)), raising=False)
    shown = page(q="how old")
    next(button for button in shown.button if button.label == "Ask").click().run()
    assert not shown.exception and not any("evil" in one.value for one in shown.markdown)
    answer = next(b for h in shown.get("html") if "evil" in (b := str(h.proto.body)))
    links = re.findall(r"<a [^>]*>.*?</a>", answer)
    assert len(links) == 1 and links[0].endswith(">[1]</a>") and "evil" not in links[0]
    assert re.sub(r"<a [^>]*>|</?div[^>]*>|</a>", "", answer) == html.escape(hostile)


def test_without_a_language_model_the_button_says_what_is_needed(runtime):
    runtime.can_answer = False
    (ask,) = [button for button in page(q="book").button if button.label == "Ask"]
    assert ask.disabled and "llm_url" in ask.help


def test_the_field_is_there_before_the_library_is_open(runtime, monkeypatch):
    monkeypatch.setattr(runtime, "warm_search", st.stop, raising=False)
    assert [field.label for field in page().text_input] == ["Search"]


def test_a_library_that_is_switched_off_says_so(runtime):
    runtime.has_library = False
    assert any("switched off" in markdown.value for markdown in page(q="book").markdown)


def test_a_page_that_is_not_there_any_more_shows_the_first(runtime, monkeypatch):
    here = runtime.found

    def search_page(typed, filters, limit, offset, patience) -> Found:
        return here if offset == 0 else Found()

    monkeypatch.setattr(runtime, "search_page", search_page, raising=False)
    shown = page(q="book", page="8")
    assert "Found in 12 files" in [caption.value for caption in shown.caption]
    assert shown.session_state["page"] == 1
