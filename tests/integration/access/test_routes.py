"""Who gets where: every route, for everybody who may come.

The tables name all of them: one that is missing fails, so that nothing new is forgotten.
"""

from __future__ import annotations

import pytest
from starlette.routing import Mount, Route

from services.api import app
from services.api.v1.app import API, OPENAI
from services.config import Settings
from services.runtime import Runtime
from tests.integration import test_api_people as api_people
from tests.integration.access.house import OTHERS, READERS, SECRET, STRANGERS, WORD, House, asked
from tests.web import client_of

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
    (named,) = (one for one in OPENAI.endpoints if "{" in one.path)
    assert named.path == "/models/{model:path}", "models are nobody's own"


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
