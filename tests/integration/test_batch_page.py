"""What the page of a batch says while its files wait."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from streamlit.testing.v1 import AppTest

import pages.context
from services.config import Settings
from services.jobs.estimate import Estimate
from services.people.models import SCOPES, Person, Role
from services.runtime import Runtime
from tests import media, shown


@pytest.fixture
def runtime(tmp_path):
    """A server whose queue stands still."""
    with Runtime(Settings(data_dir=tmp_path / "data", device="cpu", disk_reserve_mb=0)) as runtime:
        runtime.pause()
        yield runtime


@pytest.fixture
def show(runtime, monkeypatch, tmp_path) -> Callable[[], AppTest]:
    """Show the page of a batch that waits, of which an estimate would say a minute."""
    batch = runtime.submit([media.write_pdf(tmp_path / "a.pdf", ["Some words."])])
    monkeypatch.setattr(runtime, "estimate", lambda _: Estimate(0.5, 60.0, 60.0))
    monkeypatch.setattr(pages.context, "runtime", lambda: runtime)

    def run() -> AppTest:
        page = shown.show(monkeypatch, "batch.py", {"batch": batch.id})
        assert not page.exception, page.exception
        return page

    return run


def captions(page: AppTest) -> list[str]:
    return [caption.value for caption in page.caption]


def test_how_long_it_takes_is_not_said_while_the_queue_stands_still(runtime, show, monkeypatch):
    assert "0 of 1 done · 60 s so far" in captions(show())
    monkeypatch.setattr(runtime, "queue_pause", lambda: None)
    assert "0 of 1 done · 60 s so far · about 60 s left" in captions(show())
    monkeypatch.setattr(runtime, "paused", lambda: "Disk full.")
    assert "0 of 1 done · 60 s so far" in captions(show())


def test_who_cannot_open_the_system_page_is_not_sent_there(runtime, show, monkeypatch):
    assert "(/system)" in show().warning[0].value
    monkeypatch.setattr(runtime, "person", Person("local", SCOPES[Role.PERSON]))
    monkeypatch.setattr(runtime.people, "scopes", lambda person: person.scopes)
    monkeypatch.setattr(runtime.people, "reach", lambda *_: None)
    (said,) = [warning.value for warning in show().warning]
    assert said.endswith("nothing new begins until an admin resumes it.")
