"""The API of a team: each reaches what they may, by a token or in a browser, and nothing else."""

from __future__ import annotations

import asyncio

import pytest

from services.api.v1.app import API, OPENAI
from services.api.v1.events import follow
from services.config import Settings
from services.people.models import Role, Scope
from services.people.shares import Audience
from services.runtime import Runtime
from tests import media
from tests.web import client_of, run

OTHERS = [
    ("GET", ""),
    ("GET", "/jobs"),
    ("GET", "/events"),
    ("GET", "/export"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("DELETE", ""),
]
OTHERS_JOB = [
    ("GET", ""),
    ("GET", "/history"),
    ("GET", "/result"),
    ("GET", "/export?format=txt"),
    ("GET", "/original"),
    ("POST", "/cancel"),
    ("POST", "/retry"),
    ("DELETE", ""),
    ("GET", "/speakers"),
    ("POST", "/speakers"),
    ("DELETE", "/speakers"),
]
SOUND = (media.DATA / "conf-noempty.wav").read_bytes()
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    root = tmp_path_factory.mktemp("people")
    settings = Settings(
        data_dir=root / "data", mode="accounts", device="cpu", engine="whisper", disk_reserve_mb=0
    )
    with Runtime(settings) as made:
        made.pause()  # nothing ends by itself
        made.people.accounts.add("root", PASSWORD, Role.ADMIN)
        for name in ("ana", "ben"):
            made.people.accounts.add(name, PASSWORD)
        yield made


def token(runtime: Runtime, user: str, *scopes: Scope, days: float | None = None) -> str:
    secret, _ = runtime.people.tokens.create(
        user, "test", scopes or (Scope.READ, Scope.SUBMIT), days
    )
    return secret


def asking(runtime: Runtime, secret: str):
    return client_of(runtime, headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def ana(runtime):
    return asking(runtime, token(runtime, "ana"))


@pytest.fixture
def ben(runtime):
    return asking(runtime, token(runtime, "ben"))


@pytest.fixture
def batch(runtime, ana):
    """A batch of Ana's with one job."""
    made = ana.post("/api/v1/batches", files={"files": ("talk.wav", SOUND)})
    assert made.status_code == 201, made.text
    id = made.json()["id"]
    yield id, ana.get(f"/api/v1/batches/{id}/jobs").json()["items"][0]["id"]
    ana.delete(f"/api/v1/batches/{id}")


def ask(client, method: str, path: str):
    return client.request(method, path, json={} if path.endswith("/retry") else None)


def test_nobody_gets_anything(runtime):
    client = client_of(runtime)
    for table in (API, OPENAI):
        for one in table.endpoints:
            path = table.prefix + one.path.replace("{batch_id}", "0" * 32)
            answer = client.request(one.method, path.replace("{job_id}", "0" * 32))
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"
            found = answer.json()
            assert found["error"]["message"] if table is OPENAI else found["detail"]
    assert client.get("/api/v1/openapi.json").status_code == 401


@pytest.mark.parametrize(
    "kind", ["expired", "revoked", "invented", "session's", "closed account's"]
)
def test_a_token_that_does_not_hold_is_none(runtime, kind):
    secret = token(runtime, "ana", days=-1 if kind == "expired" else None)
    if kind == "revoked":
        assert runtime.people.tokens.revoke(runtime.people.tokens.of("ana")[0].id, "ana")
    elif kind == "invented":
        secret = "scr_" + "x" * 43
    elif kind == "session's":
        secret = runtime.people.sessions.begin("ana")
    elif kind == "closed account's":
        runtime.people.accounts.disable("ana")
    try:
        assert asking(runtime, secret).get("/api/v1/me").status_code == 401
    finally:
        runtime.people.accounts.disable("ana", False)


def test_a_token_may_do_what_its_scopes_say(runtime, batch):
    """Every endpoint, with a token that has all scopes but one that it needs."""
    tried = 0
    for table in (API, OPENAI):
        for one in table.endpoints:
            for missing in one.scopes:
                rest = set(Scope) - {missing}
                client = asking(runtime, token(runtime, "root", *rest))
                path = table.prefix + one.path.replace("{batch_id}", batch[0])
                answer = client.request(one.method, path.replace("{job_id}", batch[1]))
                assert answer.status_code == 403, (path, missing)
                said = answer.json()
                said = said["error"]["message"] if table is OPENAI else said["detail"]
                assert missing in said
                tried += 1
    assert tried > 20


def test_a_token_that_only_submits_gets_the_id_and_sees_nothing(runtime, ana):
    client = asking(runtime, token(runtime, "ana", Scope.SUBMIT))
    made = client.post("/api/v1/batches", files={"files": ("talk.wav", SOUND)})
    assert made.status_code == 201 and made.json()["owner"] == "ana"
    assert client.get(made.headers["location"]).status_code == 403
    assert ana.get(made.headers["location"]).json()["total"] == 1
    assert client.get("/api/v1/me").json()["scopes"] == ["submit"]
    ana.delete(made.headers["location"])


def test_two_people_do_not_see_each_others_things(runtime, ana, ben, batch):
    admin = asking(runtime, token(runtime, "root", *Scope))
    for other in (ben, admin):  # an admin opens content with a reason, and not here
        for method, rest in OTHERS:
            answer = ask(other, method, f"/api/v1/batches/{batch[0]}{rest}")
            assert answer.status_code == 404, (method, rest)
        for method, rest in OTHERS_JOB:
            answer = ask(other, method, f"/api/v1/jobs/{batch[1]}{rest}")
            assert answer.status_code == 404, (method, rest)
        assert other.get("/api/v1/batches").json() == {"items": [], "total": 0}
        assert other.get("/api/v1/jobs").json() == {"items": [], "total": 0}
    assert ana.get("/api/v1/batches").json()["total"] == 1


def test_what_is_shared_is_seen_and_not_changed(runtime, ana, ben, batch):
    person = runtime.people.identify(None, token(runtime, "ana"))
    share, _ = runtime.seen_by(person).share(batch[0], audience=Audience.PERSON, person="ben")
    assert ben.get(f"/api/v1/batches/{batch[0]}").json()["owner"] == "ana"
    assert ben.get("/api/v1/jobs").json()["total"] == 1
    for method, path in (
        ("POST", f"batches/{batch[0]}/cancel"),
        ("POST", f"batches/{batch[0]}/retry"),
        ("DELETE", f"batches/{batch[0]}"),
        ("POST", f"jobs/{batch[1]}/cancel"),
        ("POST", f"jobs/{batch[1]}/retry"),
        ("DELETE", f"jobs/{batch[1]}"),
        ("POST", f"jobs/{batch[1]}/speakers"),
        ("DELETE", f"jobs/{batch[1]}/speakers"),
    ):
        answer = ask(ben, method, f"/api/v1/{path}")
        assert answer.status_code == 403 and "only ana can" in answer.json()["detail"]
    assert ana.get(f"/api/v1/jobs/{batch[1]}").json()["name"] == "talk.wav"
    runtime.seen_by(person).unshare(share.id)
    assert ben.get(f"/api/v1/batches/{batch[0]}").status_code == 404


def test_one_persons_key_is_not_anothers(ana, ben):
    sent = {"files": {"files": ("a.wav", SOUND)}, "headers": {"Idempotency-Key": "same"}}
    one, other = (client.post("/api/v1/batches", **sent).json()["id"] for client in (ana, ben))
    assert one != other
    assert ana.post("/api/v1/batches", **sent).json()["id"] == one


def test_a_browser_that_is_signed_in_needs_no_token_but_comes_from_our_page(runtime):
    client = client_of(
        runtime, cookies={"scriptorium_session": runtime.people.sessions.begin("ana")}
    )
    assert client.get("/api/v1/me").json() == {
        "name": "ana",
        "scopes": ["read", "submit"],
        "proof": "session",
    }
    files = {"files": ("a.wav", SOUND)}
    for headers in ({"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert client.post("/api/v1/batches", files=files, headers=headers).status_code == 403
    own = {"Origin": "http://127.0.0.1"}
    assert client.post("/api/v1/batches", files=files, headers=own).status_code == 201


def test_events_end_when_the_token_does(runtime, ana, batch):
    secret = token(runtime, "ana")
    person = runtime.people.identify(None, secret)

    async def listen() -> list[str]:
        seen = []
        async for event in follow(runtime.seen_by(person), batch[0]):
            seen.append(event)
            if event.startswith("event: batch"):
                runtime.people.tokens.revoke(person.key, "ana")
        return seen

    seen = run(asyncio.wait_for(listen(), 60))
    assert [event.partition("\n")[0] for event in seen] == ["event: job", "event: batch"]
