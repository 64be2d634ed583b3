"""Who gets where: every route, every page and every method, for everybody who may come.

The tables below name all of them: one that is missing fails, so that nothing new is forgotten.
"""

from __future__ import annotations

import asyncio
import csv
import inspect
import io
import time
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
import streamlit
from starlette.routing import Mount, Route
from streamlit.testing.v1 import AppTest

import pages.components
import pages.context
import services.runtime
from services.account import Account
from services.admin import Admin
from services.api import app
from services.api.door import COOKIE
from services.api.v1.app import API, OPENAI
from services.config import Settings
from services.errors import AccountError, NotAllowed, StoreUnavailable
from services.front import Front
from services.jobs.models import JobFilter, State
from services.jobs.once import Once
from services.people import accounts
from services.people.attempts import TRIES
from services.people.audit import Wanted
from services.people.models import Role, Scope
from services.people.shares import Audience
from services.runtime import Runtime
from services.uploads.intake import Intake
from tests import media
from tests.integration import test_api_people as api_people
from tests.web import client_of, run

SECRET = "plan-of-bo"
WORD = "correct horse battery"
PAGES = Path(__file__).parents[2] / "pages"


@dataclass
class House:
    """An instance on which bo has a batch, and everybody who may come to it."""

    runtime: Runtime
    batch_id: str
    recording: str
    document: str
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def front(self, who: str) -> Runtime:
        """Return the runtime as somebody sees it."""
        sent = self.headers[who]
        cookie = sent.get("Cookie", "").partition("=")[2] or None
        bearer = sent.get("Authorization", "").partition(" ")[2] or None
        person = self.runtime.people.identify(cookie, bearer)
        assert person is not None
        return self.runtime.seen_by(person)


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


STRANGERS = ("nobody", "ended session", "expired token", "no token of ours")
READERS = ("owner", "reading token")
OTHERS = ("other", "admin", "other's token")

# --- routes -------------------------------------------------------------------------------

EVERYBODY = {
    ("GET", "/sign-in"),
    ("POST", "/sign-in"),
    ("GET", "/sign-out"),
    ("GET", "/s/{secret}"),
    ("GET", "/health/live"),
    ("GET", "/health/ready"),
}
"""How people get in and out, and whether the server works."""

ADMINS = {("GET", "/metrics")}
"""What shows the instance to those who run it."""

CONTENT = {
    ("GET", "/files/{job_id}/document.pdf"): "document",
    ("GET", "/files/{job_id}/pages/{number}.png"): "document",
    ("GET", "/files/{job_id}/parts.zip"): "document",
    ("GET", "/files/{job_id}/original"): "any",
    ("GET", "/files/{job_id}/result.{format}"): "any",
    ("GET", "/files/{job_id}/reader.json"): "recording",
    ("GET", "/files/{job_id}/peaks.bin"): "recording",
    ("GET", "/files/{job_id}/sound.m4a"): "recording",
    ("GET", "/files/batches/{batch_id}.zip"): "batch",
    ("GET", "/files/batches/{batch_id}.pdf"): "batch",
}
"""What shows something of somebody's, and of what."""

PROGRAMS = {
    (one.method, table.prefix + one.path) for table in (API, OPENAI) for one in table.endpoints
}
"""The API, which has a matrix of its own in `test_api_people`."""

ABOUT = {("GET", "/api/v1/openapi.json"), ("GET", "/api/v1/docs")}
"""What the API is: for everybody who is signed in."""

CHANGES = {("PATCH", "/files/{job_id}/edits"): "recording"}
"""What changes something of somebody's."""


UPLOADS = {
    ("POST", "/files/uploads"),
    ("POST", "/files/uploads/{upload_id}"),
    ("PATCH", "/files/uploads/{upload_id}"),
    ("DELETE", "/files/uploads/{upload_id}"),
}
"""How files are given: each upload is its sender's alone."""


def served(settings: Settings) -> set[tuple[str, str]]:
    """Return every (method, path) of ours; one for all that are safe."""
    found = set()
    waiting = [("", route) for route in app.routes(settings)]
    while waiting:
        prefix, route = waiting.pop()
        if isinstance(route, Mount):
            waiting += [(prefix + route.path, inner) for inner in route.routes]
            continue
        assert isinstance(route, Route), route
        methods = (route.methods or {"GET"}) - {"HEAD", "OPTIONS"}
        found |= {(method, prefix + route.path) for method in methods}
    return found


def test_every_route_is_in_the_matrix(house):
    assert served(house.runtime.settings) == (
        EVERYBODY | ADMINS | set(CONTENT) | set(CHANGES) | UPLOADS | PROGRAMS | ABOUT
    )


def test_somebody_else_tries_every_endpoint_that_names_something():
    for start, calls in (
        ("/batches/{batch_id}", api_people.OTHERS),
        ("/jobs/{job_id}", api_people.OTHERS_JOB),
    ):
        named = {
            (one.method, one.path.removeprefix(start))
            for one in API.endpoints
            if one.path.startswith(start)
        }
        assert named == {(method, rest.partition("?")[0]) for method, rest in calls}
    assert not [one for one in OPENAI.endpoints if "{" in one.path]


@pytest.mark.parametrize(("method", "path"), sorted(ADMINS))
def test_the_instance_is_shown_to_admins(house, method, path):
    expected = dict.fromkeys(house.headers, 403) | dict.fromkeys(STRANGERS, 401) | {"admin": 200}
    found = {who: asked(house, who, method, path).status_code for who in expected}
    assert found == expected


def address(house: House, path: str, job_id: str) -> str:
    values = {
        "{job_id}": job_id,
        "{batch_id}": house.batch_id,
        "{number}": "1",
        "{format}": "txt",
    }
    path = path.replace("parts.zip", "parts.zip?pages=1")
    for name, value in values.items():
        path = path.replace(name, value)
    return path


def asked(house: House, who: str, method: str, path: str, **options):
    client = client_of(house.runtime)
    return client.request(method, path, headers=house.headers[who], **options)


@pytest.mark.parametrize(("method", "path"), CONTENT, ids=lambda value: value)
def test_content_is_for_those_who_may_see_it(house, method, path):
    kind = CONTENT[method, path]
    jobs = {"document": [house.document], "recording": [house.recording]}.get(
        kind, [house.document, house.recording]
    )
    for job_id in jobs:
        where = address(house, path, job_id)
        for who in READERS:
            assert asked(house, who, method, where).status_code in (200, 202), who
        for who in OTHERS:
            answer = asked(house, who, method, where)
            assert answer.status_code == 404 and SECRET not in answer.text, who
        for who in STRANGERS:
            answer = asked(house, who, method, where)
            assert answer.status_code == 401 and SECRET not in answer.text, who
        assert asked(house, "submitting token", method, where).status_code == 403
        shared = kind != "batch" and job_id == house.document
        assert asked(house, "guest", method, where).status_code == (200 if shared else 404)


@pytest.mark.parametrize(("method", "path"), CHANGES, ids=lambda value: value)
def test_changes_are_for_those_who_may_make_them(house, method, path):
    where = address(house, path, house.recording)
    body = {"version": house.front("owner").reader(house.recording)["version"]}
    expected = {
        **dict.fromkeys(STRANGERS, 401),
        **dict.fromkeys(OTHERS, 404),
        "guest": 404,
        "submitting token": 403,
        "reading token": 403,
        "owner": 200,
    }
    assert set(expected) == set(house.headers)
    found = {who: asked(house, who, method, where, json=body).status_code for who in expected}
    assert found == expected


def test_uploads_are_given_by_those_who_may_and_continued_by_who_began_them(house):
    spoken = {"Tus-Resumable": "1.0.0"}
    piece = {**spoken, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}

    def sent(who: str, method: str, path: str, headers: dict[str, str], content: bytes = b""):
        client = client_of(house.runtime)
        given = house.headers[who] | headers
        return client.request(method, path, headers=given, content=content)

    def begun(who: str):
        return sent(who, "POST", "/files/uploads", {**spoken, "Upload-Length": "3"})

    expected = {
        **dict.fromkeys(STRANGERS, 401),
        **dict.fromkeys(("guest", "reading token"), 403),
        **dict.fromkeys(("owner", "submitting token", *OTHERS), 201),
    }
    assert {who: begun(who).status_code for who in house.headers} == expected
    path = begun("owner").headers["Location"]
    for who, status in expected.items():
        if who not in ("owner", "submitting token"):  # both are bo
            wrong = 404 if status == 201 else status
            assert sent(who, "PATCH", path, piece, b"abc").status_code == wrong
            assert sent(who, "HEAD", path, spoken).status_code == wrong
            assert sent(who, "DELETE", path, spoken).status_code == wrong
            other_way = {**spoken, "X-HTTP-Method-Override": "DELETE"}
            assert sent(who, "POST", path, other_way).status_code == wrong
    for site in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert sent("owner", "PATCH", path, piece | site, b"abc").status_code == 403
        assert sent("owner", "POST", "/files/uploads", spoken | site).status_code == 403
        hidden = {**spoken, **site, "X-HTTP-Method-Override": "DELETE"}
        assert sent("owner", "HEAD", path, hidden).status_code == 200, "and nothing is deleted"
    assert sent("submitting token", "PATCH", path, piece, b"abc").status_code == 204
    id = path.rpartition("/")[2]
    for who in OTHERS:
        with pytest.raises(KeyError):
            house.front(who).uploaded([id])
    with pytest.raises(NotAllowed):
        house.front("reading token").uploaded([id])
    _, files = house.front("owner").uploaded([id])
    assert [file.path.read_bytes() for file in files] == [b"abc"]


def test_a_page_of_another_site_changes_nothing(house):
    where = f"/files/{house.recording}/edits"
    for headers in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        client = client_of(house.runtime)
        sent = house.headers["owner"] | headers
        assert client.patch(where, json={"version": ""}, headers=sent).status_code == 403
        assert client.post("/sign-in", headers=headers).status_code == 403


def test_a_browser_is_led_to_the_sign_in_and_back(house):
    client = client_of(house.runtime)
    answer = client.get("/result?job=1", headers={"Accept": "text/html"})
    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Fresult%3Fjob%3D1"
    form = {"name": "bo", "password": WORD, "next": "/result?job=1"}
    answer = client.post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/result?job=1")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=lax" in cookie
    assert client.get(f"/files/{house.document}/original").status_code == 200
    picture = client.get("/sign-out", headers={"Sec-Fetch-Dest": "image"})
    assert picture.status_code == 303 and "set-cookie" not in picture.headers
    assert client.get(f"/files/{house.document}/original").status_code == 200
    assert client.get("/sign-out", headers={"Sec-Fetch-Dest": "document"}).status_code == 303
    assert client.get(f"/files/{house.document}/original").status_code == 401


def test_a_guest_gives_streamlit_no_files(house):
    """It keeps them whole in memory, and asks only for a session of a page."""
    where = "/_stcore/upload_file/0f1e/2d3c"
    for who, may in (("guest", False), ("reading token", False), ("owner", True)):
        answer = asked(house, who, "PUT", where, files={"file": ("a.wav", b"sound")})
        assert (answer.status_code != 403) is may, who


def test_streamlits_own_figures_are_for_admins(house):
    for who in ("guest", "owner", "submitting token"):
        assert asked(house, who, "GET", "/_stcore/metrics").status_code == 403, who
    assert asked(house, "admin", "GET", "/_stcore/metrics").status_code == 404, "not served here"


@pytest.mark.parametrize(
    "wanted", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:1", ""]
)
def test_the_sign_in_leads_nowhere_else(house, wanted):
    form = {"name": "bo", "password": WORD, "next": wanted}
    answer = client_of(house.runtime).post("/sign-in", data=form)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")


def test_what_is_typed_at_the_sign_in_is_shown_as_text(house):
    form = {"name": "<script>alert(1)</script>", "password": "x", "next": '"><img src=x>'}
    answer = client_of(house.runtime).post("/sign-in", data=form)
    assert answer.status_code == 401
    assert "<script>" not in answer.text and "<img" not in answer.text


def test_a_web_socket_is_for_who_is_signed_in(house):
    from starlette.websockets import WebSocketDisconnect

    for who in STRANGERS:
        with (
            pytest.raises(WebSocketDisconnect),
            client_of(house.runtime).websocket_connect(
                "/_stcore/stream", headers=house.headers[who]
            ),
        ):
            pass


def test_an_instance_of_one_person_answers_to_no_other_name(tmp_path):
    with Runtime(Settings(data_dir=tmp_path / "d", device="cpu", engine="whisper")) as runtime:
        client = client_of(runtime)
        assert client.get("/sign-in").status_code == 303
        for host in ("evil.example", "127.0.0.1.evil.example", ""):
            assert client.get("/sign-in", headers={"Host": host}).status_code == 421


# --- pages --------------------------------------------------------------------------------

ASKED = {
    "upload.py": {},
    "batches.py": {},
    "files.py": {},
    "search.py": {},
    "system.py": {},
    "team.py": {},
    "account.py": {},
    "guest.py": {},
    "batch.py": {"batch": "batch_id"},
    "result.py": {"job": "document"},
}
ADMINS_ONLY = ("system.py", "team.py")
SHOWS_IT = {"owner": ("batches.py", "files.py", "batch.py", "result.py"), "guest": ("result.py",)}


def test_every_page_is_in_the_matrix():
    named = {value for value in vars(pages.context).values() if str(value).endswith(".py")}
    assert {name for name in named if "/" not in str(name)} == set(ASKED)


@pytest.mark.parametrize("who", ["owner", "other", "admin", "guest"])
@pytest.mark.parametrize("page", ASKED)
def test_a_page_shows_what_its_person_may_see(house, monkeypatch, page, who):
    front = house.front(who)
    monkeypatch.setattr(pages.context, "runtime", lambda: front)
    monkeypatch.setattr(streamlit, "page_link", lambda *_, **__: None)  # needs the frame
    listed = []
    monkeypatch.setattr(pages.components, "rows", lambda items, **_: listed.extend(items))
    shown = AppTest.from_file(str(PAGES / page), default_timeout=60)
    for name, value in ASKED[page].items():
        shown.query_params[name] = getattr(house, value)
    shown.run()
    may = page not in ADMINS_ONLY or who == "admin"
    if not may or (who, page) == ("guest", "account.py"):
        assert shown.exception, page
    else:
        assert not shown.exception, shown.exception
    titles = [title.value for title in shown.title]
    said = f"{shown.main} {titles} {listed}".replace("\\", "")  # names are shown as they are
    assert (SECRET in said) == (page in SHOWS_IT.get(who, ())), page


@pytest.mark.parametrize("who", ["reading token", "submitting token"])
@pytest.mark.parametrize("page", ASKED)
def test_a_page_shows_no_more_than_its_scopes(house, monkeypatch, page, who):
    front = house.front(who)
    monkeypatch.setattr(pages.context, "runtime", lambda: front)
    monkeypatch.setattr(streamlit, "page_link", lambda *_, **__: None)  # needs the frame
    listed = []
    monkeypatch.setattr(pages.components, "rows", lambda items, **_: listed.extend(items))
    shown = AppTest.from_file(str(PAGES / page), default_timeout=60)
    for name, value in ASKED[page].items():
        shown.query_params[name] = getattr(house, value)
    shown.run()
    said = f"{shown.main} {[title.value for title in shown.title]} {listed}".replace("\\", "")
    reads = who == "reading token" and page in SHOWS_IT["owner"]
    assert (SECRET in said) == reads
    if page in (*ADMINS_ONLY, "account.py"):
        assert [one.value for one in shown.exception] and not listed


@pytest.mark.parametrize("who", ["owner", "other", "admin", "guest"])
def test_the_end_of_a_batch_is_told_to_its_owner_only(house, monkeypatch, who):
    monkeypatch.setattr(pages.context, "seen_by_session", lambda: house.front(who))
    shown = AppTest.from_string("from pages import told\n\ntold.tell()\n", default_timeout=60)
    shown.session_state["told_until"] = 0.0
    shown.run()
    assert not shown.exception
    assert bool(shown.toast) == (who == "owner")


@pytest.fixture
def open_page(house, monkeypatch):
    """Open a page as a browser with a session's secret does, which may end meanwhile."""
    monkeypatch.setattr(services.runtime, "running", [house.runtime])
    monkeypatch.setattr(streamlit, "page_link", lambda *_, **__: None)  # needs the frame
    monkeypatch.setattr(pages.components, "rows", lambda items, **_: None)

    def opened(page: str, secret: str | None, **parameters: str) -> AppTest:
        cookies = {COOKIE: secret} if secret else {}
        monkeypatch.setattr(pages.context, "cookies", lambda: cookies)
        shown = AppTest.from_file(str(PAGES / page), default_timeout=60)
        for name, value in parameters.items():
            shown.query_params[name] = value
        return shown.run()

    return opened


@pytest.mark.parametrize("page", ASKED)
@pytest.mark.parametrize("who", ["nobody", "an ended session"])
def test_a_page_shows_nothing_to_nobody(house, open_page, page, who):
    cookie = house.headers["ended session"]["Cookie"].partition("=")[2]
    given = {name: getattr(house, value) for name, value in ASKED[page].items()}
    shown = open_page(page, cookie if who == "an ended session" else None, **given)
    assert not shown.exception and SECRET not in str(shown.main)
    if page != "guest.py":  # which says what it says to everybody
        assert [title.value for title in shown.title] == ["You are signed out"]


def test_a_part_that_runs_by_itself_makes_no_session_last(house, monkeypatch):
    asked, person = [], house.front("owner").person

    def identify(cookie, bearer, touch):
        asked.append(touch)
        return person

    monkeypatch.setattr(services.runtime, "running", [house.runtime])
    monkeypatch.setattr(house.runtime.people, "identify", identify)
    shown = AppTest.from_string(
        """
from pages import context, told

context.seen_by_session()
told.tell()
context.refreshing(None)(context.seen_by_session)()
context.seen_by_session()
""",
        default_timeout=60,
    ).run()
    assert not shown.exception and asked == [True, False, False, True]


def test_a_click_in_a_list_makes_the_session_last(monkeypatch):
    asked = []
    clicked = SimpleNamespace(clicked={"action": "open", "id": "1"})
    monkeypatch.setattr(pages.context, "seen_by_session", lambda: asked.append(True))
    monkeypatch.setattr(streamlit, "session_state", {"list": clicked})
    for click in (lambda told: told(), lambda told: None):
        monkeypatch.setattr(
            pages.components,
            "_rows",
            lambda on_clicked_change, click=click, **_: click(on_clicked_change),
        )
        pages.components.rows([], key="list")
    assert asked == [True]


def test_a_part_whose_person_may_not_see_it_any_more_says_so_in_its_place():
    shown = AppTest.from_string(
        """
from pages import context
from services.errors import NotAllowed


@context.refreshing(None)
def part():
    raise NotAllowed("Only an admin of this instance may do that.")


part()
""",
        default_timeout=60,
    ).run()
    assert not shown.exception
    said = pages.context.plain("Only an admin of this instance may do that.")
    assert [one.value for one in shown.error] == [said]


def test_a_part_whose_session_has_ended_has_the_whole_page_run_again():
    shown = AppTest.from_string(
        """
import streamlit as st

from pages import context
from services.errors import SignedOut

st.session_state.runs = st.session_state.get("runs", 0) + 1


@context.refreshing(None)
def part():
    if st.session_state.runs == 1:
        raise SignedOut("You are signed out.")


part()
""",
        default_timeout=60,
    ).run()
    assert not shown.exception and shown.session_state.runs == 2


def test_a_part_that_cannot_reach_the_store_says_so_in_its_place():
    shown = AppTest.from_string(
        """
import streamlit as st

from pages import context
from services.errors import StoreUnavailable


@context.refreshing(None)
def part():
    raise StoreUnavailable("The job store cannot be reached now.")


st.write("before")
part()
st.write("after")
""",
        default_timeout=60,
    ).run()
    assert not shown.exception
    said = pages.context.plain("The job store cannot be reached now.")
    assert [one.value for one in shown.error] == [said]
    assert [one.value for one in shown.markdown] == ["before", "after"]


# --- methods ------------------------------------------------------------------------------


def test_what_is_somebody_elses_is_not_there(house):
    """The methods that pages and routes are made of, on a batch that somebody must not see."""
    batch_id, job_id, text = house.batch_id, house.document, house.recording
    mine = JobFilter(batch_id)
    for who in ("other", "admin", "other's token"):
        front = house.front(who)
        empty = {
            "batch": lambda f: f.batch(batch_id),
            "batches": lambda f: f.batches(),
            "count_batches": lambda f: f.count_batches(),
            "jobs": lambda f: f.jobs(batch_id),
            "job": lambda f: f.job(job_id),
            "own_batch": lambda f: f.own_batch(batch_id),
            "own_job": lambda f: f.own_job(job_id),
            "history": lambda f: f.history(job_id),
            "find": lambda f: f.find(JobFilter(text=SECRET)),
            "count": lambda f: f.count(JobFilter()),
            "models": lambda f: f.models(),
            "work": lambda f: f.work(batch_id),
            "earlier": lambda f: f.earlier([house.runtime.job(job_id).sha256]),
            "kept": lambda f: f.kept(batch_id)[0],
            "endings": lambda f: f.endings(0.0),
            "count_kinds": lambda f: f.count_kinds(JobFilter(batch_id)),
            "places": lambda f: f.places(),
            "common_options": lambda f: f.common_options(mine).language,
            "result": lambda f: f.result(job_id),
            "stamp": lambda f: f.stamp(job_id),
            "corrected": lambda f: f.corrected(job_id),
            "previous": lambda f: f.previous(job_id),
            "original": lambda f: f.original(job_id),
            "entries": lambda f: f.entries([job_id]),
            "index_counts": lambda f: f.index_counts(),
            "shelf": lambda f: f.shelf(),
            "labels": lambda f: f.labels(job_id).name,
            "label_names": lambda f: f.label_names("tags"),
            "shares": lambda f: f.shares(batch_id),
            "retry": lambda f: f.retry(batch_id),
            "retry_job": lambda f: f.retry_job(job_id),
            "rerun": lambda f: f.rerun(JobFilter()),
            "set_options": lambda f: f.set_options(mine, f.default_options()),
            "cancel": lambda f: f.cancel(job_id),
            "cancel_batch": lambda f: f.cancel_batch(batch_id),
            "unlock": lambda f: f.unlock(job_id, "x"),
            "delete": lambda f: f.delete([job_id, text]),
            "delete_batch": lambda f: f.delete_batch(batch_id),
            "delete_mine": lambda f: f.delete_mine(),
            "discard": lambda f: f.discard(batch_id),
            "keep_batch": lambda f: f.keep_batch(batch_id, 1.0),
            "index_again": lambda f: f.index_again([job_id]),
            "diarization": lambda f: f.diarization(text),
            "diarizations": lambda f: f.diarizations(batch_id),
            "speakers": lambda f: f.speakers(text),
            "find_speakers": lambda f: f.find_speakers(text),
            "stop_finding_speakers": lambda f: f.stop_finding_speakers(text),
            "forget_speakers": lambda f: f.forget_speakers(text),
            "has_pictures": lambda f: f.has_pictures(text),
        }
        for name, call in empty.items():
            assert not call(front), f"{name} for {who}"
        for call in (
            lambda f: f.export(job_id, "txt"),
            lambda f: f.reader(text),
            lambda f: f.peaks(text),
            lambda f: f.sound(text),
            lambda f: f.edit(text, "", [], {}),
        ):
            with pytest.raises(KeyError):
                call(front)
    owner = house.front("owner")
    assert len(owner.jobs(batch_id)) == 2 and owner.result(job_id) is not None


def test_what_is_for_admins_is_for_nobody_else(house):
    for who in ("owner", "other", "guest", "reading token", "other's token"):
        front = house.front(who)
        for call in (
            lambda f: f.admin,
            lambda f: f.admin.set_terms(("Ana Ruiz",), ()),
            lambda f: f.downloads,
            lambda f: f.counts(),
            lambda f: f.pause(),
            lambda f: f.resume(),
            lambda f: f.move_to_front(JobFilter()),
            lambda f: f.free_model(),
            lambda f: f.models_with_sizes(),
            lambda f: f.download_model("owner/name"),
            lambda f: f.stop_download(),
            lambda f: f.waiting_workspaces(),
            lambda f: f.watched_folders(),
            lambda f: f.scan_watched_folders(),
            lambda f: f.webhook_trouble(),
            lambda f: f.metrics(),
            lambda f: f.retention(),
            lambda f: f.data_problem(),
            lambda f: f.index_again(),
            lambda f: f.check_library(),
            lambda f: f.ask_to_restore(Path("backup.arrow")),
            lambda f: f.inherit("bo", "cy"),
            lambda f: f.beginning_with("a"),
        ):
            with pytest.raises(NotAllowed):
                call(front)


ADMIN_CALLS = {
    "users": lambda a: a.users(),
    "add_user": lambda a: a.add_user("evil", WORD, Role.ADMIN),
    "set_password": lambda a: a.set_password("bo", WORD + "2"),
    "set_role": lambda a: a.set_role("eve", Role.ADMIN),
    "disable": lambda a: a.disable("ana"),
    "terms": lambda a: a.terms(),
    "set_terms": lambda a: a.set_terms(("evil",), ()),
    "batches": lambda a: a.batches(),
    "count_batches": lambda a: a.count_batches(),
    "open_batch": lambda a: a.open_batch("b", "to read it"),
    "links": lambda a: a.links(),
    "count_links": lambda a: a.count_links(),
    "end_link": lambda a: a.end_link("s"),
    "audit": lambda a: a.audit(),
    "count_audit": lambda a: a.count_audit(),
    "audit_actions": lambda a: a.audit_actions(),
    "audit_csv": lambda a: a.audit_csv(),
}
ACCOUNT_CALLS = {
    "user": lambda a: a.user(),
    "set_password": lambda a: a.set_password(WORD, WORD + "2"),
    "tokens": lambda a: a.tokens(),
    "create_token": lambda a: a.create_token("t", [Scope.READ]),
    "revoke_token": lambda a: a.revoke_token("t"),
    "sign_out_everywhere": lambda a: a.sign_out_everywhere(),
}


@pytest.mark.parametrize(("kind", "calls"), [(Admin, ADMIN_CALLS), (Account, ACCOUNT_CALLS)])
def test_every_method_of_what_is_held_for_long_is_in_the_matrix(kind, calls):
    members = inspect.getmembers(kind, inspect.isfunction)
    assert {name for name, _ in members if not name.startswith("_")} == set(calls)


@pytest.fixture
def eve(house):
    """An admin with a page open, who is gone after the test."""
    people = house.runtime.people
    people.accounts.add("eve", WORD, Role.ADMIN)
    person = people.identify(people.sessions.begin("eve"), None)
    yield house.runtime.seen_by(person)
    if people.accounts.get("eve"):
        people.accounts.remove("eve")


TAKEN = {
    "no admin any more": lambda people: people.accounts.set_role("eve", Role.PERSON),
    "closed": lambda people: people.accounts.disable("eve"),
    "removed": lambda people: people.accounts.remove("eve"),
    "new password": lambda people: people.accounts.set_password("eve", WORD + "2"),
    "signed out": lambda people: people.sessions.end_all("eve"),
}


@pytest.mark.parametrize("taken", TAKEN)
def test_what_a_dialog_holds_ends_with_what_its_person_may_do(house, eve, taken):
    people, runtime = house.runtime.people, house.runtime
    admin, account, uploads = eve.admin, eve.account, eve.uploads
    downloads = eve.downloads
    assert admin.users() and account.user() and uploads and downloads is runtime.downloads
    TAKEN[taken](people)
    for name, call in ADMIN_CALLS.items():
        with pytest.raises(NotAllowed):
            call(admin)
        assert people.accounts.get("evil") is None, name
    for call in ACCOUNT_CALLS.values():
        with pytest.raises(NotAllowed):
            call(account)
    for call in (
        lambda: eve.downloads,
        lambda: eve.uploads,
        lambda: eve.pause(),
        lambda: eve.counts(),
        lambda: eve.batches(),
        lambda: eve.new_workspace(),
    ):
        with pytest.raises(NotAllowed):
            call()
    assert people.accounts.check("bo", WORD) and not people.accounts.get("ana").disabled
    assert not people.tokens.of("eve")


def test_a_role_that_goes_leaves_the_rest_of_an_open_page(house):
    """A provider's groups take a role away at a sign-in elsewhere; this session stays."""
    people = house.runtime.people
    people.accounts.enter("https://p 77", "gil", Role.ADMIN)
    front = house.runtime.seen_by(people.identify(people.sessions.begin("gil"), None))
    admin = front.admin
    people.accounts.enter("https://p 77", "gil", Role.PERSON)
    for call in (
        *(lambda call=call: call(admin) for call in ADMIN_CALLS.values()),
        lambda: front.downloads,
        lambda: front.counts(),
        lambda: front.resume(),
    ):
        with pytest.raises(NotAllowed, match="Only an admin"):
            call()
    assert front.batches() == [] and front.account.user().name == "gil"
    assert front.uploads and front.may(Scope.SUBMIT) and not front.may(Scope.ADMIN)
    people.accounts.remove("gil")


def test_an_account_is_reached_by_who_signed_in_only(house):
    assert house.front("owner").account.user().name == "bo"
    for who in ("guest", "reading token", "submitting token"):
        with pytest.raises(NotAllowed):
            house.front(who).account  # noqa: B018


def test_an_admin_opens_content_with_a_reason_that_is_kept(house):
    runtime = house.runtime
    front = house.front("admin")
    (summary,) = front.admin.batches()
    assert (summary.batch.id, summary.first_name) == (house.batch_id, "")
    with pytest.raises(Exception, match="Say why"):
        front.admin.open_batch(house.batch_id, "  ")
    front.admin.open_batch(house.batch_id, "bo asked")
    assert front.result(house.document) is not None
    assert not front.may_change(front.job(house.document))
    line = front.admin.audit()[0]
    assert (line.who, line.action, line.object) == ("ana", "open content", house.batch_id)
    assert "bo asked" in line.detail
    for share in runtime.people.shares.of(house.batch_id):
        if share.by == "ana":
            runtime.people.shares.revoke(share.id)
    assert front.result(house.document) is None


def test_an_admin_who_opens_content_keeps_what_was_shared_with_them(house):
    owner, admin = house.front("owner"), house.front("admin")
    share, _ = owner.share(house.batch_id, None, Audience.PERSON, "ana", editing=True)
    job = admin.job(house.recording)
    assert admin.may_correct(job)
    admin.admin.open_batch(house.batch_id, "bo asked")
    assert admin.may_correct(job) and share in owner.shares(house.batch_id)
    with pytest.raises(AccountError):
        owner.share(house.batch_id, None, Audience.ADMIN, "cy")
    for one in owner.shares(house.batch_id):
        if one.audience is not Audience.LINK:
            assert owner.unshare(one.id)
    assert admin.job(house.recording) is None


def test_an_admin_ends_somebodys_link_and_the_log_says_so(house):
    owner, admin = house.front("owner"), house.front("admin")
    share, _ = owner.share(house.batch_id, house.recording, Audience.LINK)
    team, _ = owner.share(house.batch_id, None, Audience.TEAM)
    assert share in admin.admin.links() and admin.admin.count_links() == 2
    assert not admin.admin.end_link(team.id), "no link"
    assert admin.admin.end_link(share.id) and not admin.admin.end_link(share.id)
    assert share not in owner.shares(house.batch_id) and owner.unshare(team.id)
    line = admin.admin.audit(limit=2)[-1]
    assert (line.who, line.action, line.object) == ("ana", "end link", house.recording)
    assert line.detail == "of bo"


def test_the_audit_log_is_a_file_that_spreadsheets_show(house):
    house.runtime.people.audit.record("=evil()", "sign-in failed", "", 'a "quoted", word')
    admin = house.front("admin").admin
    rows = list(csv.reader(io.StringIO(admin.audit_csv().decode())))
    assert rows[0] == ["when", "who", "what", "of", "detail"]
    assert rows[1][1:] == ["'=evil()", "sign-in failed", "", 'a "quoted", word']
    assert abs(datetime.fromisoformat(rows[1][0]).timestamp() - time.time()) < 60
    assert len(rows) == admin.count_audit() + 1
    assert admin.audit_csv(Wanted("no such person")).count(b"\n") == 1


def test_signing_out_and_the_opening_of_links_are_logged(house):
    client, admin = client_of(house.runtime), house.front("admin").admin
    _, link = house.front("owner").share(house.batch_id, house.document, Audience.LINK)
    client.get("/sign-out")  # nobody is signed in
    client.get(f"/s/{link}")
    client.get("/sign-out")  # a guest
    client.post("/sign-in", data={"name": "cy", "password": WORD})
    client.get(f"/s/{link}")
    client.get("/sign-out")
    lines = [(line.who, line.action, line.object) for line in admin.audit(4)]
    assert lines == [
        ("cy", "sign-out", ""),
        ("cy", "open link", house.document),
        ("cy", "sign-in", ""),
        ("guest", "open link", house.document),
    ]
    assert link not in str(admin.audit(10))


def test_what_is_shared_is_seen_and_what_is_not_said_stays_with_its_owner(house):
    owner, other = house.front("owner"), house.front("other")
    share, _ = owner.share(house.batch_id, house.recording, Audience.PERSON, "cy")
    assert other.job(house.recording) and not other.job(house.document)
    assert other.batch(house.batch_id) is None
    for call in (
        lambda: other.edit(house.recording, "", [], {}),
        lambda: other.share(house.batch_id, house.recording),
        lambda: other.label(other.job(house.recording), name="x"),
    ):
        with pytest.raises((NotAllowed, Exception), match=r"only|no such batch|Only"):
            call()
    assert other.delete([house.recording]) == 0 and other.cancel(house.recording) == 0
    assert not other.unshare(share.id), "somebody else's"
    owner.share(house.batch_id, house.recording, Audience.PERSON, "cy", editing=True)
    version = other.reader(house.recording)["version"]
    assert other.edit(house.recording, version, [], {})["version"]
    for one in owner.shares(house.batch_id, house.recording):
        if one.audience is Audience.PERSON:
            assert owner.unshare(one.id)
    assert other.job(house.recording) is None


def test_who_inherits_work_ends_what_was_shared_of_it(house):
    """Also what somebody else shared, an admin say, or who had it before."""
    owner, shares = house.front("owner"), house.runtime.people.shares
    by_another, _ = shares.create("zoe", house.batch_id, None, Audience.LINK)
    assert not house.front("other").unshare(by_another.id)
    assert owner.unshare(by_another.id) and shares.get(by_another.id) is None
    inherited, _ = shares.create("zoe", house.batch_id, None, Audience.TEAM)
    house.runtime.inherit("zoe", "bo")
    assert shares.get(inherited.id).by == "bo" and owner.unshare(inherited.id)


def test_a_newcomer_gets_no_name_under_which_there_is_work(house):
    """A provider may give the name of somebody who left to another."""
    found = house.runtime.vouched_for("https://p 21", "Bo", Role.PERSON)
    assert found.name == "bo-2"
    accounts_of = house.runtime.people.accounts
    accounts_of.remove("bo-2")
    moved = house.runtime.submit([media.DATA / "conf-noempty.wav"], owner="bo-2")
    assert house.runtime.vouched_for("https://p 22", "bo", Role.PERSON).name == "bo-3"
    accounts_of.remove("bo-3")
    house.runtime.wait(moved.id, 60)
    house.runtime.delete_batch(moved.id)


def test_nobody_is_added_under_a_name_with_work(house):
    runtime, admin = house.runtime, house.front("admin").admin
    admin.add_user("leaver", WORD, Role.PERSON)
    person = runtime.people.identify(runtime.people.sessions.begin("leaver"), None)
    once = Once("a key", "0" * 64)
    batch = runtime.seen_by(person).submit([media.DATA / "conf-noempty.wav"], once=once)
    runtime.people.accounts.remove("leaver")
    for add in (admin.add_user, runtime.admin.add_user):
        with pytest.raises(AccountError, match=r"users inherit leaver .* --take-over"):
            add(" Leaver", WORD, Role.PERSON)
    runtime.admin.add_user("leaver", WORD, Role.PERSON, take_over=True)
    person = runtime.people.identify(runtime.people.sessions.begin("leaver"), None)
    assert runtime.seen_by(person).submitted(once) == batch
    runtime.people.accounts.remove("leaver")

    runtime.inherit("leaver", "bo")
    admin.add_user("leaver", WORD, Role.PERSON)
    person = runtime.people.identify(runtime.people.sessions.begin("leaver"), None)
    theirs = runtime.seen_by(person)
    assert theirs.batches() == [] and theirs.submitted(once) is None
    runtime.people.accounts.remove("leaver")
    runtime.wait(batch.id, 60)
    runtime.delete_batch(batch.id)


def test_tries_at_once_are_counted_as_if_one_followed_the_other(house):
    transport = httpx.ASGITransport(client_of(house.runtime).app)
    form = {"name": "nobody-known", "password": "x"}

    async def burst() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            tries = [client.post("/sign-in", data=form) for _ in range(40)]
            return [answer.status_code for answer in await asyncio.gather(*tries)]

    assert sorted(run(burst())) == [401] * TRIES + [429] * (40 - TRIES)


def test_tries_while_the_store_is_away_do_not_count(house, monkeypatch):
    client, form = client_of(house.runtime), {"name": "bo", "password": WORD}

    def away(*_: object) -> None:
        raise StoreUnavailable("The job store cannot be reached now.")

    with monkeypatch.context() as patch:
        patch.setattr(house.runtime.people.accounts, "check", away)
        for _ in range(TRIES + 1):
            with pytest.raises(StoreUnavailable):
                client.post("/sign-in", data=form)
    assert client.post("/sign-in", data=form).status_code == 303


def test_uploads_are_found_again_by_who_made_them_only(house):
    mine = house.front("owner").new_workspace()
    assert house.front("owner").open_workspace(mine.path.name) is not None
    assert house.front("other").open_workspace(mine.path.name) is None


INTAKE_CALLS = {
    "begin": lambda i, u: i.begin("b.wav", 3, u.workspace.path.name),
    "find": lambda i, u: i.find(u.id),
    "collect": lambda i, u: i.collect([u.id]),
}
"""What names something of an owner's."""
THEIR_UPLOADS = {"receive", "expires", "end"}
"""Methods that take an upload: only `find` and `of` give one."""
LIMITS = {"require_allowed", "require_share", "require_pace"}
OWN = {"seen_by", "of", "give_up", "note_refusal"}


def test_every_way_to_an_upload_is_in_the_matrix(house):
    members = inspect.getmembers(Intake, inspect.isfunction)
    names = {name for name, _ in members if not name.startswith("_")}
    assert names == set(INTAKE_CALLS) | THEIR_UPLOADS | LIMITS | OWN
    owner = house.front("owner")
    upload = owner.uploads.begin("a.wav", 3)
    for who in OTHERS:
        theirs = house.front(who).uploads
        for call in INTAKE_CALLS.values():
            with pytest.raises(KeyError):
                call(theirs, upload)
        assert theirs.of(upload.workspace) == []
        theirs.give_up()
    assert owner.uploads.find(upload.id) == upload and owner.uploads.of(upload.workspace)
    for who in ("guest", "reading token"):
        with pytest.raises(NotAllowed):
            house.front(who).uploads  # noqa: B018
    owner.uploads.end(upload)


def test_who_deletes_their_data_leaves_no_uploads_behind(house):
    front = house.front("other")
    kept, gone = house.front("owner").new_workspace(), front.new_workspace()
    front.uploads.begin("a.wav", 10, gone.path.name)
    front.delete_mine()
    assert not front.uploads.of(gone)
    deadline = time.monotonic() + 60
    while gone.exists:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kept.exists, "somebody else's"


def test_who_submits_owns_it_whatever_they_say(house, tmp_path):
    media.write_pdf(tmp_path / "mine.pdf", ["Mine."])
    front = house.front("other")
    batch = front.submit([tmp_path / "mine.pdf"], owner="bo")
    assert batch.owner == "cy"
    house.runtime.wait(batch.id, 60)
    assert front.delete_mine() == 1


def test_the_key_of_a_submission_is_its_persons_alone(house, tmp_path):
    media.write_pdf(tmp_path / "mine.pdf", ["Mine."])
    once = Once("key", "0" * 64)
    front = house.front("other")
    batch = front.submit([tmp_path / "mine.pdf"], once=once)
    assert front.submitted(once) == batch
    assert house.front("owner").submitted(once) is None
    assert house.front("admin").submitted(once) is None
    house.runtime.wait(batch.id, 60)
    assert front.delete_mine() == 1


# What is not in the tests above: who calls it needs nothing of anybody's.
HARMLESS = {
    *("ask", "search", "search_page", "similar", "warm_search", "search_ready", "search_problem"),
    *("default_options", "engine_choice", "engine_status", "speech_models", "paused"),
    *(
        "diarization_model",
        "every_model",
        "hub_answers",
        "queue_pause",
        "estimate",
        "indexing",
        "inspect",
        "require",
        "may",
    ),
    *("seen_by", "may_change", "may_correct", "log_action", "close", "start", "stop"),
}
"""Search is tested with a library of its own; the rest shows the machine, or asks who one is."""

TESTED = {
    *("new_workspace", "open_workspace", "submit", "wait", "share", "unshare", "label"),
    *("move_job_to_front", "can_run_again", "write_zip", "page_image", "restore_library"),
}


def test_every_method_is_in_the_matrix():
    source = inspect.getsource(inspect.getmodule(test_every_method_is_in_the_matrix))
    names = {
        name
        for kind in (Front, Runtime)
        for name, _ in inspect.getmembers(kind, inspect.isfunction)
        if not name.startswith("_")
    }
    missing = {name for name in names - HARMLESS - TESTED if f".{name}(" not in source}
    assert not missing
