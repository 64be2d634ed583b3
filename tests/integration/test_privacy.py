"""What somebody may see stays with them: also in the caches of browsers."""

from __future__ import annotations

import pytest
from starlette.routing import Route

from services.api import files, transcripts
from services.api.door import COOKIE
from services.config import Settings
from services.runtime import Runtime
from tests import media
from tests.web import client_of

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    data = tmp_path_factory.mktemp("privacy") / "data"
    with Runtime(
        Settings(data_dir=data, device="cpu", engine="whisper", mode="accounts", disk_reserve_mb=0)
    ) as made:
        for name in ("bo", "cy"):
            made.people.accounts.add(name, PASSWORD)
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
