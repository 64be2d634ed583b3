"""What somebody may see stays with them: in caches of browsers, in what guests get."""

from __future__ import annotations

import pytest
from starlette.routing import Route

from services.api import files, transcripts
from services.api.door import COOKIE
from services.config import Settings
from services.people.shares import Audience
from services.runtime import Runtime
from tests import media
from tests.web import client_of

PASSWORD = "correct horse battery"
TERM = "Projekt Zugspitze"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    data = tmp_path_factory.mktemp("privacy") / "data"
    with Runtime(
        Settings(data_dir=data, device="cpu", engine="whisper", mode="accounts", disk_reserve_mb=0)
    ) as made:
        for name in ("bo", "cy"):
            made.people.accounts.add(name, PASSWORD)
        made.people.set_terms([TERM], ())
        yield made


@pytest.fixture(scope="module")
def batch(runtime, tmp_path_factory):
    """A batch of Bo's that is done: a recording, and a document."""
    paper = media.write_pdf(tmp_path_factory.mktemp("bo") / "paper.pdf", ["What Bo plans."])
    made = runtime.submit([media.DATA / "conf-noempty.wav", paper], owner="bo")
    runtime.wait(made.id, 120)
    return made.id


def browser(runtime: Runtime, secret: str):
    return client_of(runtime, headers={"Cookie": f"{COOKIE}={secret}"})


def test_a_browser_shows_nobody_what_the_one_before_them_saw(runtime, batch):
    recording, document = runtime.jobs(batch)
    bo = browser(runtime, runtime.people.sessions.begin("bo"))
    seen = 0
    for route in [*files.routes(), *transcripts.routes()]:
        if not isinstance(route, Route) or "GET" not in (route.methods or ()):
            continue
        for job in (recording, document):
            path = route.path.format(job_id=job.id, batch_id=batch, number=1, format="txt")
            headers = bo.get(path).headers
            kept = headers["Cache-Control"]
            assert kept == "no-store" or (
                kept.startswith("private") and "Cookie" in headers["Vary"]
            )
            seen += kept != "no-store"
    assert seen == 2, "a page's picture and the outline of a sound need not come again and again"


def test_a_guest_learns_none_of_the_names_that_the_team_listens_for(runtime, batch):
    _, link = runtime.people.shares.create("bo", batch, None, Audience.LINK)
    guest = browser(runtime, runtime.people.sessions.open_link(link, None)[0])
    bo = browser(runtime, runtime.people.sessions.begin("bo"))
    job = runtime.jobs(batch)[0].id
    for path in (
        "options",
        "batches",
        "jobs",
        "batches/{batch}",
        "batches/{batch}/jobs",
        "jobs/{job}",
    ):
        where = "/api/v1/" + path.format(batch=batch, job=job)
        assert TERM in bo.get(where).text
        answer = guest.get(where)
        assert answer.status_code == 200 and TERM not in answer.text, path
