"""Whatever somebody types into the address of a page, it shows something, and no error."""

from __future__ import annotations

from functools import partial

import pytest

import pages.context
from services.config import Settings
from services.jobs.models import Job, JobFilter
from services.runtime import Runtime
from tests import media, shown
from tests.waiting import until

TYPED = ["²", "1e300", "-1", "nan", "9" * 5000, ""]


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    root = tmp_path_factory.mktemp("addresses")
    settings = Settings(
        data_dir=root / "data", device="cpu", engine="whisper", disk_reserve_mb=0, library=True
    )
    with Runtime(settings) as runtime:
        paper = media.write_pdf(root / "paper.pdf", [f"The budget, part {n}." for n in range(12)])
        batch = runtime.submit([paper, media.DATA / "conf-noempty.wav"])
        runtime.wait(batch.id, 120)
        until(lambda: runtime.search("budget"), 60)
        yield runtime


@pytest.fixture
def jobs(runtime) -> list[Job]:
    """Return the document and the recording."""
    return sorted(runtime.find(JobFilter()), key=lambda job: job.kind, reverse=True)


@pytest.fixture
def show(runtime, monkeypatch):
    monkeypatch.setattr(pages.context, "runtime", lambda: runtime)
    return partial(shown.show, monkeypatch)


@pytest.mark.parametrize("typed", TYPED, ids=lambda typed: typed[:8])
def test_a_page_shows_something(show, jobs, typed):
    document, recording = jobs
    for page, asked in [
        ("result.py", {"job": document.id, "page": typed, "find": typed}),
        ("result.py", {"job": recording.id, "t": typed}),
        ("result.py", {"job": typed}),
        ("batch.py", {"batch": typed}),
        ("search.py", {"q": "budget", "page": typed, "when": typed, "kind": typed}),
        ("search.py", {"q": typed, "page": typed}),
    ]:
        opened = show(page, asked)
        assert not opened.exception, (page, asked)
        assert [title.value for title in opened.title]


def test_a_page_of_a_document_that_there_is_not_is_the_first(show, jobs):
    for typed, number in (("12", "12"), ("13", "1"), ("²", "1")):
        opened = show("result.py", {"job": jobs[0].id, "page": typed})
        assert "".join(opened.query_params.get("page", "1")) == number
