"""What somebody may see stays with them: in caches of browsers, in what guests get, in events."""

from __future__ import annotations

import asyncio

import pytest
from starlette.routing import Route

from services.api import files, transcripts
from services.api.door import COOKIE
from services.api.v1.events import follow
from services.config import Settings
from services.errors import StoreUnavailable
from services.jobs.models import JobFilter, Kind
from services.people.models import Role
from services.people.shares import Audience
from services.runtime import Runtime
from tests import media
from tests.waiting import until
from tests.web import client_of, run

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


@pytest.fixture
def waiting(runtime):
    """A batch of Bo's that waits, shared with Cy, and what follows it as Cy."""
    runtime.pause()
    made = runtime.submit([media.DATA / "conf-noempty.wav"], owner="bo")
    share, _ = runtime.people.shares.create("bo", made.id, None, Audience.PERSON, "cy")
    cy = runtime.people.identify(runtime.people.sessions.begin("cy"), None)
    yield made.id, share.id, runtime.seen_by(cy)
    runtime.delete_batch(made.id)
    runtime.resume()


@pytest.mark.parametrize("gone", ["share", "batch", "store"])
def test_what_is_not_to_be_seen_any_more_has_not_ended(runtime, waiting, monkeypatch, gone):
    batch_id, share_id, front = waiting

    def away(_: str) -> list:
        raise StoreUnavailable("The store is away.")

    def happen() -> None:
        if gone == "share":
            runtime.people.shares.revoke(share_id)
        elif gone == "batch":
            runtime.delete_batch(batch_id)
        else:
            monkeypatch.setattr(front, "jobs", away)

    async def listen() -> list[str]:
        seen = []
        async for event in follow(front, batch_id):
            seen.append(event.partition("\n")[0])
            if seen[-1] == "event: batch":
                happen()
        return seen

    seen = run(asyncio.wait_for(listen(), 60))
    assert seen == ["event: job", "event: batch"], "who waits for the end has not been told of it"


def test_only_admins_read_where_on_the_server_a_disk_is_full(runtime, waiting, monkeypatch):
    batch_id, _, cy = waiting
    if runtime.people.accounts.get("ana") is None:
        runtime.people.accounts.add("ana", PASSWORD, Role.ADMIN)
    secret = runtime.people.sessions.begin("ana")
    ana = runtime.seen_by(runtime.people.identify(secret, None))
    monkeypatch.setattr(runtime._temp_room, "reserve", 10**18)
    until(runtime.paused)
    where = str(runtime.settings.temp_root)
    assert where in ana.paused() and where in runtime.paused()
    assert " are needed on the server's disk and " in cy.paused() and where not in cy.paused()

    runtime.resume()  # nothing is taken all the same, but by this test
    job = runtime._store.claim(Kind.AUDIO)
    runtime._store.release(job, runtime._temp_room.missing())
    seen = [cy.job(job.id), *cy.jobs(batch_id), *cy.find(JobFilter(batch_id))]
    told = [*(one.error for one in seen), cy.history(job.id)[-1].reason]
    assert all("on the server's disk" in one and where not in one for one in told), told
    assert where in runtime.job(job.id).error

    browsers = {
        name: browser(runtime, runtime.people.sessions.begin(name)) for name in ("cy", "ana")
    }
    announced = {"Tus-Resumable": "1.0.0", "Upload-Length": "1000"}
    for name, client in browsers.items():
        form = client.post("/api/v1/batches", files={"files": ("a.wav", b"RIFF")})
        upload = client.post("/files/uploads", headers=announced)
        assert (form.status_code, upload.status_code) == (507, 413)
        for answer in (form, upload):
            assert "Disk full" in answer.json()["detail"]
            assert (where in answer.json()["detail"]) == (name == "ana")
