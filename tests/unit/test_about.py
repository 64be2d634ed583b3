"""What a result is about, on its page and in its exports."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from types import SimpleNamespace

import pytest
from docx import Document as Word
from streamlit.testing.v1 import AppTest

from services.about import About
from services.audio.exports import Style
from services.audio.transcript import Segment, Transcript
from services.documents.document import Document, Page
from services.exports import render
from services.jobs.entries import Entry
from services.jobs.models import State
from services.library.enrich import OFFLINE

ABOUT = About("On *scribes*", "They copied.", ("book", "ink"), ("Ana orders ink",), "small")
SPOKEN = Transcript(
    "They copied.", 2.0, "en", "e", "m", [Segment(0.0, 2.0, "They copied books.")], about=ABOUT
)
WRITTEN = Document({}, [Page(1, "A book.")], about=ABOUT)


def entry(state: State = State.DONE, **more) -> Entry:
    values = {"error": None, "chunks": 1, "tries": 0, "language": "en", "enriched_by": "small"}
    known = {"title": None, "summary": None, "keywords": [], "actions": []}
    return Entry("job1", state, **{**values, **known, **more})


@pytest.mark.parametrize("result", [SPOKEN, WRITTEN])
def test_exports_say_what_a_result_is_about(result):
    text = render(result, "md", "a.pdf").decode()
    assert "**Summary:** They copied." in text and "**Keywords:** book, ink" in text
    assert text.index("**To do:** Ana orders ink") < text.rindex("book")
    assert json.loads(render(result, "json", "a.pdf"))["about"] == {
        "title": "On *scribes*",
        "summary": "They copied.",
        "keywords": ["book", "ink"],
        "actions": ["Ana orders ink"],
        "made_by": "small",
    }
    unknown = replace(result, about=None)
    assert "about" not in json.loads(render(unknown, "json", "a.pdf"))
    assert b"Summary" not in render(unknown, "md", "a.pdf")


def test_a_transcript_can_be_exported_without_its_summary():
    assert b"Summary" not in render(SPOKEN, "md", "a.wav", Style(summary=False))
    assert "Summary" not in render(SPOKEN, "txt", "a.wav").decode(), "the text alone"
    words = Word(io.BytesIO(render(SPOKEN, "docx", "a.wav")))
    assert "Summary:  They copied." in [paragraph.text for paragraph in words.paragraphs]


def test_what_is_being_indexed_is_about_nothing_yet():
    assert entry(summary="They copied.").about == About(summary="They copied.", made_by="small")
    assert entry(State.RUNNING, summary="Of the earlier result.").about is None
    assert entry().about is None


def page(found: Entry | None, has_library: bool = True) -> AppTest:
    def script(runtime, job):
        from pages.views import about

        about.show(runtime, job)

    runtime = SimpleNamespace(
        has_library=has_library, entries=lambda ids: {"job1": found} if found else {}
    )
    args = {"runtime": runtime, "job": SimpleNamespace(id="job1")}
    test = AppTest.from_function(script, kwargs=args, default_timeout=30).run()
    assert not test.exception
    return test


def said(test: AppTest) -> str:
    shown = [html.proto.body for html in test.get("html")]
    captions = [caption.value.replace("\\", "") for caption in test.caption]  # as they are shown
    return " ".join([*shown, *captions])


def test_the_page_shows_the_summary_with_links_to_its_words():
    found = entry(title="<On> ink", summary="They copied.", keywords=["old book"], actions=["Buy"])
    text = said(page(found))
    assert "&lt;On&gt; ink" in text and "<li>Buy</li>" in text and "/search?q=old+book" in text
    assert "English · Written by a language model that can be wrong: small" in text
    chosen = entry(summary="They copied.", enriched_by=OFFLINE)
    assert f"Chosen from the text by {OFFLINE}" in said(page(chosen))


@pytest.mark.parametrize(
    ("found", "has_library", "why"),
    [
        (None, True, "now or soon"),
        (entry(State.QUEUED), True, "now or soon"),
        (entry(State.FAILED, error="The model is missing."), True, "The model is missing."),
        (entry(), True, "too little text"),
        (None, False, "switched off"),
    ],
)
def test_a_summary_that_is_not_there_says_why(found, has_library, why):
    assert why in said(page(found, has_library))
