from __future__ import annotations

import io
from dataclasses import replace

import pytest

from services.api.door import COOKIE
from services.config import Settings
from services.jobs.models import State
from services.people import accounts
from services.people.models import Role, Scope
from services.people.shares import Audience
from services.runtime import Runtime
from tests import media
from tests.integration.access.house import SECRET, WORD, House


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    root = tmp_path_factory.mktemp("access")
    settings = Settings(
        data_dir=root / "data", device="cpu", engine="whisper", mode="accounts", disk_reserve_mb=0
    )
    patch = pytest.MonkeyPatch()
    patch.setattr(accounts, "_hasher", accounts.PasswordHasher(1, 8, 1))
    media.write_pdf(root / f"{SECRET}.pdf", ["What bo plans."])
    with Runtime(settings) as runtime:
        people = runtime.people
        for name, role in (("ana", Role.ADMIN), ("bo", Role.PERSON), ("cy", Role.PERSON)):
            people.accounts.add(name, WORD, role)
        workspace = runtime.new_workspace()
        sound = (media.DATA / "conf-noempty.wav").read_bytes()
        files = [workspace.add(f"{SECRET}.wav", io.BytesIO(sound)), root / f"{SECRET}.pdf"]
        options = replace(runtime.default_options(), language="en")
        batch = runtime.submit(files, owner="bo", options=options, workspace=workspace)
        runtime.wait(batch.id, 120)
        jobs = runtime.jobs(batch.id)
        assert [job.state for job in jobs] == [State.DONE] * 2, [job.error for job in jobs]
        house = House(runtime, batch.id, jobs[0].id, jobs[1].id)

        def session(secret: str) -> dict[str, str]:
            return {"Cookie": f"{COOKIE}={secret}"}

        def token(name: str, scopes: list[Scope], days: float | None = None) -> dict[str, str]:
            secret, _ = people.tokens.create(name, "t", scopes, days)
            return {"Authorization": f"Bearer {secret}"}

        _, link = people.shares.create("bo", batch.id, jobs[1].id, Audience.LINK)
        ended = people.sessions.begin("bo")
        people.sessions.end(ended)
        house.headers = {
            "nobody": {},
            "owner": session(people.sessions.begin("bo")),
            "other": session(people.sessions.begin("cy")),
            "admin": session(people.sessions.begin("ana")),
            "guest": session(people.sessions.open_link(link, None)[0]),
            "ended session": session(ended),
            "expired token": token("bo", [Scope.READ, Scope.SUBMIT], days=-1),
            "no token of ours": {"Authorization": "Bearer scr_guessed"},
            "reading token": token("bo", [Scope.READ]),
            "submitting token": token("bo", [Scope.SUBMIT]),
            "other's token": token("cy", [Scope.READ, Scope.SUBMIT]),
        }
        yield house
    patch.undo()
