"""What the door lets nobody do, whoever asks: be silent, be too large, come from elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.testclient import TestClient

from services.api import app, turns
from services.api.door import COOKIE, is_own_page, session_of
from services.config import Settings
from services.runtime import Runtime
from services.uploads.intake import TOLD_SECONDS
from tests.web import client_of, run

LARGE = 3_000_000


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    root = tmp_path_factory.mktemp("door")
    with Runtime(Settings(data_dir=root / "data", device="cpu", disk_reserve_mb=0)) as made:
        yield made


async def take(request: Request) -> Response:
    """Read a file into memory, as Streamlit does."""
    body = await request.body()
    return Response(str(len(body)))


@pytest.fixture
def served(runtime) -> Starlette:
    routes = [
        *app.routes(runtime.settings),
        Route("/_stcore/upload_file/{session}/{file}", take, methods=["PUT"]),
        Route("/_stcore/metrics", lambda _: Response("figures")),
    ]
    return Starlette(routes=routes, middleware=app.middleware(runtime))


def asked(
    served: Starlette, path: str, messages: list[dict], method: str = "POST", kind: str = ""
) -> tuple[int, bytes, dict]:
    """Send these parts of a request and then nothing more; return what was answered."""
    sent: list[dict] = []

    async def receive() -> dict:
        if messages:
            return messages.pop(0)
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict) -> None:
        sent.append(message)

    headers = [(b"host", b"127.0.0.1"), (b"content-type", kind.encode())]
    if path == "/sign-in":
        headers.append((b"content-length", b"100"))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "method": method, "path": path,
        "query_string": b"", "headers": headers, "client": ("127.0.0.1", 5000),
    }  # fmt: skip
    run(asyncio.wait_for(served(scope, receive, send), 60))
    if not sent:
        return 0, b"", {}
    body = b"".join(one.get("body", b"") for one in sent[1:])
    return sent[0]["status"], body, dict(sent[0]["headers"])


FORM = "multipart/form-data; boundary=x"
SILENT = [
    ("POST", "/sign-in", "application/x-www-form-urlencoded"),
    ("POST", "/api/v1/batches", FORM),
    ("POST", f"/api/v1/batches/{'0' * 32}/retry", "application/json"),
    ("PUT", "/_stcore/upload_file/1/2", FORM),
]


@pytest.mark.parametrize(("method", "path", "kind"), SILENT)
@pytest.mark.parametrize("begun", [True, False])
def test_who_is_silent_amid_a_request_is_given_up(served, monkeypatch, method, path, kind, begun):
    monkeypatch.setattr(turns, "IDLE_SECONDS", 0.05)
    parts = [{"type": "http.request", "body": b"--x\r\n", "more_body": True}] if begun else []
    status, body, headers = asked(served, path, parts, method, kind)
    assert status == 408 and b"did not come" in body
    assert headers[b"connection"] == b"close"


@pytest.mark.parametrize(("method", "path", "kind"), SILENT)
def test_who_hangs_up_is_a_line_in_the_log_and_no_stack(served, caplog, method, path, kind):
    caplog.set_level(logging.INFO)
    parts = [{"type": "http.request", "body": b"--x\r\n", "more_body": True}]
    asked(served, path, [*parts, {"type": "http.disconnect"}], method, kind)
    ours = [one for one in caplog.records if one.name.startswith("services.api")]
    assert len(ours) <= 1 and not any(one.exc_info for one in ours)


@pytest.mark.parametrize("limit", ["_file_limit", "_owner_limit"])
@pytest.mark.parametrize("announced", ["rightly", "not at all", "wrongly"])
def test_what_streamlit_would_hold_in_memory_keeps_to_the_limits(
    served, runtime, monkeypatch, limit, announced
):
    monkeypatch.setattr(runtime._intake, limit, LARGE)
    client = TestClient(served, base_url="http://127.0.0.1", client=("127.0.0.1", 5000))
    read = 0

    def pieces(size: int):
        nonlocal read
        for _ in range(0, size, 100_000):
            read += 100_000
            yield bytes(100_000)

    # A length beside chunks says nothing.
    wrong = {"Content-Length": "1", "Transfer-Encoding": "chunked"}
    for size, status in ((LARGE, 200), (10 * LARGE, 413)):
        content = bytes(size) if announced == "rightly" else pieces(size)
        headers = wrong if announced == "wrongly" else {}
        answer = client.put("/_stcore/upload_file/1/2", content=content, headers=headers)
        assert answer.status_code == status
    said = answer.json()["detail"]
    assert "The file" in said and "may h" in said
    assert runtime.uploads.refusal == said, "what the page shows"
    later = time.monotonic() + TOLD_SECONDS
    monkeypatch.setattr("services.uploads.intake.time", SimpleNamespace(monotonic=lambda: later))
    assert runtime.uploads.refusal is None


def test_what_was_not_announced_is_cut_where_it_is_too_large(served, runtime, monkeypatch):
    monkeypatch.setattr(runtime._intake, "_file_limit", LARGE)
    part = {"type": "http.request", "body": bytes(500_000), "more_body": True}
    parts = [dict(part) for _ in range(100)]
    status, body, _ = asked(served, "/_stcore/upload_file/1/2", parts, "PUT", FORM)
    assert status == 413 and "upload_limit_gb" in json.loads(body)["detail"]
    assert len(parts) > 90, "what comes after the limit is not read"


@pytest.mark.parametrize("client", [("192.168.1.20", 5000), ("testclient", 1)])
@pytest.mark.parametrize("path", ["/", "/health/live", "/sign-in", "/api/v1/batches"])
def test_where_nobody_signs_in_other_machines_are_refused(runtime, client, path):
    answer = client_of(runtime, client=client).get(path)
    assert answer.status_code == 403 and "its own machine" in answer.json()["detail"]
    assert client_of(runtime, client=("::1", 5000)).get("/health/live").status_code == 200


@pytest.mark.parametrize("origin", ["http://[", "http://a]b", "null", "//", "http://"])
@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_page_that_names_no_address_is_another_sites(origin, host):
    assert not is_own_page(Headers({"origin": origin, "host": host}), None)


@pytest.mark.parametrize("host", ["[", "a]b", "[::1", ""])
def test_what_is_no_name_is_not_ours(runtime, host):
    client = client_of(runtime)
    assert client.get("/health/live", headers={"Host": host}).status_code == 421
    assert client.get("/health/live").status_code == 200


@pytest.mark.parametrize("other", ['theme={"dark": 1}', "[a]=1", "just-a-word", "a@b=1", 'q="x;y"'])
def test_a_cookie_of_another_program_hides_no_session(other):
    for sent in (f"{other}; {COOKIE}=secret", f"{COOKIE}=secret; {other}"):
        assert session_of(Headers({"cookie": sent})) == "secret"
