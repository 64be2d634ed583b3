"""The API of a local instance, from a submission to its results."""

from __future__ import annotations

import asyncio
import base64
import dataclasses
import glob
import io
import json
import random
import signal
import sys
import threading
import tracemalloc
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import quote

import pytest
from starlette.applications import Starlette

from services.api import app as web
from services.api.stopping import notice_signals, stopping
from services.api.v1 import events
from services.api.v1.app import API, OPENAI, described
from services.api.v1.receive import MOST_PARTS
from services.api.v1.results import StyleQuery
from services.audio.exports import Style
from services.config import Settings
from services.files.uploads import Uploads
from services.jobs.models import NewJob
from services.library.models import Filters, Found, Group, Hit
from services.people.models import LOCAL
from services.runtime import Runtime
from tests import media
from tests.waiting import until
from tests.web import client_of, run

SOUND = (media.DATA / "conf-noempty.wav").read_bytes()
SAID = "No empty conferences currently exist."
NAME = "Gespräch – “<b>שלום”.wav"


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    root = tmp_path_factory.mktemp("api")
    settings = Settings(data_dir=root / "data", device="cpu", engine="whisper", disk_reserve_mb=0)
    with Runtime(settings) as made:
        yield made


@pytest.fixture(scope="module")
def client(runtime):
    return client_of(runtime)


@pytest.fixture
def still(runtime):
    """A queue that stands still, so that nothing ends by itself."""
    runtime.pause()
    yield
    runtime.resume()


def submit(client, *files: tuple[str, bytes], key: str | None = None, **options):
    return client.post(
        "/api/v1/batches",
        files=[("files", file) for file in files],
        data={"options": json.dumps(options)} if options else {},
        headers={"Idempotency-Key": key} if key else {},
    )


def ended(client, batch: str) -> dict:
    until(lambda: client.get(f"/api/v1/batches/{batch}").json()["ended"], 120)
    return client.get(f"/api/v1/batches/{batch}").json()


@pytest.fixture(scope="module")
def done(client, tmp_path_factory) -> tuple[dict, list[dict]]:
    """A batch of a recording, a document, and one that cannot be read; and its jobs."""
    pdf = media.write_pdf(tmp_path_factory.mktemp("pdf") / "p.pdf", ["The scribes copied it."])
    made = submit(
        client,
        (NAME, SOUND),
        ("paper.pdf", pdf.read_bytes()),
        ("broken.pdf", b"nothing"),
        language="en",
        hotwords=["conferences"],
    )
    assert made.status_code == 201, made.text
    assert made.headers["location"] == f"/api/v1/batches/{made.json()['id']}"
    batch = ended(client, made.json()["id"])
    return batch, client.get(f"/api/v1/batches/{batch['id']}/jobs").json()["items"]


def test_what_is_submitted_is_processed_with_the_options_asked_for(client, done):
    batch, jobs = done
    assert batch["counts"] == {"queued": 0, "running": 0, "done": 2, "failed": 1, "cancelled": 0}
    assert (batch["total"], batch["first_name"], batch["owner"]) == (3, NAME, "local")
    assert [job["name"] for job in jobs] == [NAME, "paper.pdf", "broken.pdf"]
    assert jobs[0]["options"]["language"] == "en"
    assert jobs[0]["options"]["hotwords"] == ["conferences"]
    assert jobs[2]["state"] == "failed" and "broken.pdf" in jobs[2]["error"]
    assert client.get(f"/api/v1/jobs/{jobs[0]['id']}").json() == jobs[0]
    assert batch in client.get("/api/v1/batches").json()["items"]


@pytest.mark.parametrize("name", [one.name for one in dataclasses.fields(Style)])
def test_each_part_of_the_style_can_be_asked_for(name):
    other = not getattr(Style(), name)
    assert StyleQuery(**{name: other}).style() == Style(**{name: other})


def test_results_and_exports(client, done):
    _, (sound, paper, broken) = done
    result = client.get(f"/api/v1/jobs/{sound['id']}/result").json()
    assert (result["kind"], result["text"]) == ("transcript", SAID)
    document = client.get(f"/api/v1/jobs/{paper['id']}/result").json()
    assert document["pages"][0]["text"].strip() == "The scribes copied it."
    export = f"/api/v1/jobs/{sound['id']}/export"
    assert client.get(export, params={"format": "txt"}).text == f"{SAID}\n"
    timed = client.get(export, params={"format": "txt", "times": "true"})
    assert timed.text == f"[0:00] {SAID}\n"
    assert "filename*=UTF-8''Gespr%C3%A4ch" in timed.headers["content-disposition"]
    assert client.get(export, params={"format": "vtt"}).text.startswith("WEBVTT")
    missing = client.get(f"/api/v1/jobs/{paper['id']}/export", params={"format": "srt"})
    assert missing.status_code == 404 and "cannot be written as srt" in missing.json()["detail"]
    none = client.get(f"/api/v1/jobs/{broken['id']}/result")
    assert none.status_code == 404 and "has no result: it is failed" in none.json()["detail"]


def test_the_original_comes_back_whole_or_in_part(client, done):
    _, (sound, _, _) = done
    original = f"/api/v1/jobs/{sound['id']}/original"
    assert client.get(original).content == SOUND
    part = client.get(original, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, SOUND[4:8])
    for asked, status in (("bytes=99999999-", 416), ("bytes=7-4", 400), ("bytes 4", 400)):
        none = client.get(original, headers={"Range": asked})
        assert none.headers["content-type"] == "application/problem+json"
        assert none.status_code == none.json()["status"] == status
        assert none.headers.get("content-range") == (
            f"bytes */{len(SOUND)}" if status == 416 else None
        )


def test_an_original_is_what_its_content_is_and_not_its_name(client, tmp_path):
    pdf = media.write_pdf(tmp_path / "a.pdf", ["One."]).read_bytes()
    page = b"<script>alert(1)</script><img src=//evil.example>"
    sent = {
        "x.js": (SOUND, "audio/wav"),
        "x.svg": (SOUND, "audio/wav"),
        "report.html": (pdf.replace(b"\n", b"\n%" + page + b"\n", 1), "application/pdf"),
        "page.html": (page, None),
        "page.wav": (page, None),
    }
    made = submit(client, *((name, content) for name, (content, _) in sent.items())).json()
    ended(client, made["id"])
    for job in client.get(f"/api/v1/batches/{made['id']}/jobs").json()["items"]:
        content, kind = sent[job["name"]]
        answer = client.get(f"/files/{job['id']}/original")
        assert (answer.status_code, answer.content) == (200, content)
        assert answer.headers["content-type"] == (kind or "application/octet-stream"), job["name"]
        saved = answer.headers.get("content-disposition", "inline").startswith("attachment")
        assert saved is (kind is None), job["name"]
        assert answer.headers["content-security-policy"] == "sandbox; default-src 'none'"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_batch_comes_as_a_zip(client, done):
    batch, _ = done
    answer = client.get(f"/api/v1/batches/{batch['id']}/export", params={"format": ["txt", "md"]})
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        assert {name.partition("/")[0] for name in archive.namelist()} == {"txt", "md"}
        assert len(archive.namelist()) == 4


def hostile_texts() -> Iterator[str]:
    """Texts that no page of ours sends, the same in every run."""
    yield from (
        "",
        "0",
        "-1",
        "1-",
        "-",
        "1" * 4301,
        "1-" + "9" * 5000,
        "1," * 5000,
        "٣",
        "²",
        "1.5",
    )
    yield from (
        "1e9",
        "inf",
        "nan",
        "\0",
        "\n",
        "\ud800",
        "x" * 9000,
        "../..",
        "<b>",
        "%",
        "🎧",
        "99999",
    )
    yield from ("1,1;1 1", "3-1", "1--2", "1-2-3", "–", "0x1", "9" * 9, "1" * 9 + "-" + "1" * 9)
    chance = random.Random(4)
    for _ in range(15):
        yield "".join(chance.choices("0123456789-,; –٣²\n\0a", k=chance.randrange(60)))


def test_hostile_addresses_end_in_a_sentence(client, done):
    """Of the routes that no OpenAPI document describes, and so no test of the schema reaches."""
    batch, jobs = done
    sound, document, _ = jobs
    quoted = [quote(text.encode(errors="replace"), safe="") for text in hostile_texts()]
    asked = [f"/files/batches/{batch['id']}.zip?format={text}" for text in quoted]
    for text in quoted:
        asked += [
            f"/files/{document['id']}/document.pdf?pages={text}",
            f"/files/{document['id']}/parts.zip?pages={text}",
            f"/files/{document['id']}/pages/{text}.png",
            f"/files/{document['id']}/result.{text}",
            f"/files/{sound['id']}/result.txt?speakers={text}&times={text}",
            f"/files/{sound['id']}/reader.json?{text}={text}",
            f"/files/{sound['id']}/peaks.bin?width={text}",
            f"/files/{text}/original",
            f"/files/batches/{text}.zip",
            f"/files/batches/{text}.pdf?pages={text}",
        ]
    for address in asked:
        if len(address) < 60_000:  # what no server hands on
            answer = client.get(address)
            assert answer.status_code < 500, address[:200]
            assert all(len(value) < 2_000 for value in answer.headers.values()), address[:200]


def test_a_result_that_is_deleted_while_its_zip_is_made_is_told(client, done, monkeypatch):
    def gone(*_: Any) -> None:
        raise FileNotFoundError

    monkeypatch.setattr("services.exports.write_zip", gone)
    answer = client.get(f"/files/batches/{done[0]['id']}.zip")
    assert answer.status_code == 409 and "deleted meanwhile" in answer.text


def test_lists_are_filtered_and_paged(client, done):
    batch, jobs = done
    path = f"/api/v1/batches/{batch['id']}/jobs"
    page = client.get(path, params={"limit": 1, "offset": 1}).json()
    assert [one["name"] for one in page["items"]] == ["paper.pdf"] and page["total"] == 3
    failed = client.get(path, params={"state": ["failed", "cancelled"]}).json()
    assert [one["name"] for one in failed["items"]] == ["broken.pdf"]
    found = client.get("/api/v1/jobs", params={"name": "PAPER", "kind": "document"}).json()
    assert [one["id"] for one in found["items"]] == [jobs[1]["id"]]
    assert client.get("/api/v1/jobs", params={"until": 1}).json() == {"items": [], "total": 0}
    heard = client.get("/api/v1/jobs", params={"model": jobs[0]["model"]}).json()
    assert jobs[0]["id"] in [one["id"] for one in heard["items"]]


def test_the_history_and_the_events_of_what_has_ended(client, done):
    batch, (sound, _, _) = done
    history = client.get(f"/api/v1/jobs/{sound['id']}/history").json()["items"]
    assert [one["state"] for one in history] == ["queued", "running", "done"]
    stream = client.get(f"/api/v1/batches/{batch['id']}/events")
    assert stream.headers["content-type"].startswith("text/event-stream")
    told = [block.split("\n") for block in stream.text.strip().split("\n\n")]
    assert [lines[0] for lines in told] == ["event: job"] * 3 + ["event: batch", "event: end"]
    assert json.loads(told[0][1].removeprefix("data: "))["state"] == "done"
    assert told[-1][2] == "id: end"
    assert client.head(f"/api/v1/batches/{batch['id']}/events").status_code == 200
    again = client.get(f"/api/v1/batches/{batch['id']}/events", headers={"Last-Event-ID": "end"})
    assert again.status_code == 204


def test_a_batch_is_followed_until_it_has_ended(client, runtime, still, monkeypatch):
    monkeypatch.setattr(events, "PAUSE", 0.02)
    monkeypatch.setattr(events, "HEARTBEAT", 0.1)
    batch = submit(client, ("a.wav", SOUND), ("b.wav", SOUND)).json()["id"]
    seen: list[str] = []

    async def listen() -> None:
        async for event in events.follow(runtime.seen_by(LOCAL), batch):
            seen.append(event)
            if event.startswith(":") and "event: end" not in seen:
                runtime.cancel_batch(batch)

    run(asyncio.wait_for(listen(), 60))
    kinds = [event.partition("\n")[0] for event in seen]
    assert kinds[:4] == ["event: job", "event: job", "event: batch", ": still here"]
    assert kinds[-1] == "event: end" and '"cancelled":2' in seen[-1]


def test_who_goes_ends_the_events(client, runtime, still):
    """As the server does it: a message says that the client has gone."""
    batch = submit(client, ("a.wav", SOUND)).json()["id"]
    served = Starlette(routes=web.routes(runtime.settings), middleware=web.middleware(runtime))
    sent: list[dict] = []
    told = asyncio.Event()

    async def receive() -> dict:
        await told.wait()
        return {"type": "http.disconnect"}

    async def send(message: dict) -> None:
        sent.append(message)
        if b"event: batch" in message.get("body", b""):
            told.set()

    scope = {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "method": "GET",
        "path": f"/api/v1/batches/{batch}/events",
        "query_string": b"",
        "headers": [(b"host", b"127.0.0.1")],
    }
    run(asyncio.wait_for(served(scope, receive, send), 60))
    assert sent[0]["status"] == 200 and b"event: end" not in b"".join(
        message.get("body", b"") for message in sent
    )
    runtime.delete_batch(batch)


def test_a_server_that_stops_waits_for_no_listener(client, runtime, still):
    batch = submit(client, ("a.wav", SOUND)).json()["id"]
    timer = threading.Timer(0.2, stopping.set)
    timer.start()
    try:
        assert "event: job" in client.get(f"/api/v1/batches/{batch}/events").text
    finally:
        timer.join()
        stopping.clear()
        runtime.delete_batch(batch)


ENDING = [signal.SIGINT, signal.SIGTERM, *([signal.SIGBREAK] if sys.platform == "win32" else [])]


@pytest.mark.parametrize("ending", ENDING)
def test_a_signal_that_ends_the_server_is_noticed_and_passed_on(ending):
    handlers = {n: signal.getsignal(n) for n in ENDING}
    called: list[int] = []
    try:
        signal.signal(ending, lambda number, frame: called.append(number))
        notice_signals()
        assert not stopping.is_set()
        signal.raise_signal(ending)
        assert stopping.is_set() and called == [ending]
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
        stopping.clear()


def test_cancel_retry_and_delete(client, runtime, still):
    batch = submit(client, ("a.wav", SOUND), ("b.wav", SOUND)).json()["id"]
    path = f"/api/v1/batches/{batch}"
    one, other = (job["id"] for job in client.get(f"{path}/jobs").json()["items"])
    assert client.post(f"/api/v1/jobs/{one}/retry", json={}).status_code == 409  # it waits
    assert client.post(f"/api/v1/jobs/{one}/cancel").json()["state"] == "cancelled"
    assert client.post(f"/api/v1/jobs/{one}/cancel").json()["state"] == "cancelled"
    assert client.post(f"{path}/cancel").json() == {"count": 1}
    again = client.post(f"/api/v1/jobs/{one}/retry", json={"options": {"language": "de"}}).json()
    assert (again["state"], again["options"]["language"]) == ("queued", "de")
    assert client.post(f"{path}/retry").json() == {"count": 1}, "nothing has to be said"
    assert client.get(f"/api/v1/jobs/{other}").json()["options"]["language"] is None
    assert client.post(f"{path}/cancel").json() == {"count": 2}
    changed = {"all": True, "options": {"engine": "nemo", "model": "spoken-digits"}}
    assert client.post(f"{path}/retry", json=changed).json() == {"count": 2}
    assert client.get(f"/api/v1/jobs/{other}").json()["options"]["model"] == "spoken-digits"
    assert client.delete(f"/api/v1/jobs/{one}").status_code == 204
    assert client.get(f"/api/v1/jobs/{one}").status_code == 404
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == client.delete(path).status_code == 404


def options_after(client, address: str, job: str, **changes) -> dict:
    """Return a job's options after it was run again with changed ones, and cancelled."""
    body = {"options": changes} | ({"all": True} if "batches" in address else {})
    assert client.post(f"{address}/retry", json=body).status_code == 200
    client.post(f"{address}/cancel")
    return client.get(f"/api/v1/jobs/{job}").json()["options"]


@pytest.mark.parametrize("what", ["jobs", "batches"])
def test_what_is_done_again_keeps_the_settings_of_which_nothing_is_said(client, still, what):
    asked = {"language": "fr", "hotwords": ["Ana"], "engine": "nemo", "model": "spoken-digits"}
    asked["track"] = 0
    batch = submit(client, ("a.wav", SOUND), ("b.wav", SOUND), **asked).json()["id"]
    job = client.get(f"/api/v1/batches/{batch}/jobs").json()["items"][0]["id"]
    client.post(f"/api/v1/batches/{batch}/cancel")
    address = f"/api/v1/{what}/{job if what == 'jobs' else batch}"
    found = options_after(client, address, job, language="de")
    assert {name: found[name] for name in asked} == asked | {"language": "de"}
    found = options_after(client, address, job, language=None, translate_to=None, speakers=None)
    assert {name: found[name] for name in asked} == asked | {"language": None}, "null: found out"
    found = options_after(client, address, job, engine="whisper")
    assert (found["engine"], found["model"], found["hotwords"]) == ("whisper", None, ["Ana"])


def test_a_key_makes_one_batch_of_what_is_sent_twice_at_once(client, runtime, still):
    before = runtime.count_batches()
    answers: list = []
    threads = [
        threading.Thread(
            target=lambda: answers.append(submit(client_of(runtime), ("a.wav", SOUND), key="k-1"))
        )
        for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [answer.status_code for answer in answers] == [201] * 4
    assert len({answer.json()["id"] for answer in answers}) == 1
    replayed = [answer.headers.get("idempotent-replayed") for answer in answers]
    assert sorted(map(str, replayed)) == ["None", "true", "true", "true"]
    assert runtime.count_batches() == before + 1
    other = submit(client, ("b.wav", SOUND), key="k-1")
    assert other.status_code == 422 and "Use a new key" in other.json()["detail"]
    options = submit(client, ("a.wav", SOUND), key="k-1", language="de")
    assert options.status_code == 422
    assert runtime.count_batches() == before + 1
    runtime.delete_batch(answers[0].json()["id"])


def uploaded(client, name: str, content: bytes) -> str:
    """Send a file by the tus protocol; return the id of its upload."""
    named = base64.b64encode(name.encode()).decode()
    tus = {"Tus-Resumable": "1.0.0"}
    begun = client.post(
        "/files/uploads",
        headers=tus | {"Upload-Length": str(len(content)), "Upload-Metadata": f"filename {named}"},
    )
    kind = {"Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
    assert client.patch(begun.headers["location"], content=content, headers=tus | kind).is_success
    return begun.headers["location"].rpartition("/")[2]


def test_what_was_uploaded_before_is_submitted_by_its_ids(client, runtime, still):
    ids = [uploaded(client, name, SOUND) for name in ("a.wav", "b.wav")]
    form = [("uploads", (None, id)) for id in ids]
    headers = {"Idempotency-Key": "uploads"}
    made = client.post("/api/v1/batches", files=form, headers=headers)
    assert made.status_code == 201 and made.json()["total"] == 2, made.text
    names = {job.name for job in runtime.jobs(made.json()["id"])}
    assert names == {"a.wav", "b.wav"}
    again = client.post("/api/v1/batches", files=form, headers=headers)
    assert again.json()["id"] == made.json()["id"]
    assert again.headers["idempotent-replayed"] == "true"
    gone = client.post("/api/v1/batches", files=form)
    assert gone.status_code == 409 and "waits as" in gone.json()["detail"]
    both = client.post("/api/v1/batches", files=[*form, ("files", ("c.wav", SOUND))])
    assert both.status_code == 422 and "not both" in both.json()["detail"]
    runtime.delete_batch(made.json()["id"])


def left_in_workspaces(runtime: Runtime, pattern: str) -> list[str]:
    """Return what is there; a workspace that is removed meanwhile is no error, as it is to Path."""
    return glob.glob(f"ws-*/{pattern}", root_dir=runtime.settings.temp_root)  # noqa: PTH207


def test_a_thousand_files_may_have_options_beside_them(client):
    ids = [("uploads", (None, f"{number:032x}")) for number in range(1000)]
    answer = client.post("/api/v1/batches", files=[*ids, ("options", (None, "{}"))])
    assert (answer.status_code, "No upload of yours" in answer.text) == (409, True)


def test_a_key_that_is_none_is_named(client):
    headers = {"Idempotency-Key": "two words"}
    answer = client.post("/api/v1/batches", files={"files": ("a.wav", SOUND)}, headers=headers)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["where"] == "header.Idempotency-Key"


@pytest.mark.parametrize("limit", ["_file_limit", "_owner_limit"])
@pytest.mark.parametrize("announced", ["rightly", "not at all", "wrongly"])
def test_what_is_larger_than_allowed_is_refused(client, runtime, monkeypatch, limit, announced):
    monkeypatch.setattr(runtime._intake, limit, 40_000)
    monkeypatch.setattr(runtime._intake._uploads, "held_by", lambda *_: 0)  # whatever ran before
    body = form(FILE + "x" * 50_000)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if announced == "wrongly":  # a length beside chunks says nothing
        headers |= {"Content-Length": "1", "Transfer-Encoding": "chunked"}
    answer = client.post(
        "/api/v1/batches",
        content=body if announced == "rightly" else iter([body[:20_000], body[20_000:]]),
        headers=headers,
    )
    assert answer.status_code == 413 and "may h" in answer.json()["detail"]
    assert not left_in_workspaces(runtime, "incoming-*")
    submitted = submit(client, ("a.wav", SOUND[:30_000]))
    assert submitted.status_code == 201
    runtime.delete_batch(submitted.json()["id"])


@pytest.fixture
def anew(runtime, monkeypatch):
    """As if nobody held anything yet; what ran before may have left originals."""
    count, before = Uploads.held_by, set(runtime.settings.temp_root.glob("ws-*"))
    monkeypatch.setattr(
        Uploads, "held_by", lambda made, owner, without=(): count(made, owner, {*without, *before})
    )


@pytest.mark.parametrize("announced", [True, False])
def test_forms_at_once_hold_no_more_than_one_person_may(
    client, runtime, monkeypatch, still, anew, announced
):
    monkeypatch.setattr(runtime._intake, "_owner_limit", 50_000)
    body = form(FILE + "x" * 30_000)
    headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    if announced:
        headers["Content-Length"] = str(len(body))
    monkeypatch.setattr("services.api.v1.receive.BLOCK", 1000)
    both = threading.Barrier(2)

    def slowly() -> Iterator[bytes]:
        yield body[:20_000]
        both.wait(60)
        yield body[20_000:]

    def send(_: int):
        answer = client.post("/api/v1/batches", content=slowly(), headers=headers)
        if answer.status_code == 413 and announced:
            both.wait(60)  # it was not read
        return answer

    with ThreadPoolExecutor(2) as pool:
        answers = sorted(pool.map(send, range(2)), key=lambda one: one.status_code)
    assert [answer.status_code for answer in answers] == [201, 413]
    runtime.delete_batch(answers[0].json()["id"])
    assert not runtime._intake._coming


def test_what_was_sent_with_wrong_options_can_be_sent_again_at_once(
    client, runtime, monkeypatch, still, anew
):
    monkeypatch.setattr(runtime._intake, "_owner_limit", len(SOUND) + 10_000)
    assert submit(client, ("a.wav", SOUND), langage="en").status_code == 422
    assert submit(client, ("a.wav", SOUND), model="no such").status_code == 422
    kept = submit(client, ("a.wav", SOUND), key="once", language="en")
    assert kept.status_code == 201
    runtime.delete_batch(kept.json()["id"])


def test_one_of_two_requests_at_once_gets_the_uploads(client, runtime, monkeypatch, still):
    both, look = threading.Barrier(2), runtime._inspector.new_jobs

    def together(*given: Any) -> list[NewJob]:
        both.wait(60)  # neither sees what the other is about to store
        return look(*given)

    monkeypatch.setattr(runtime._inspector, "new_jobs", together)
    form = [("uploads", (None, uploaded(client, "a.wav", SOUND)))]
    with ThreadPoolExecutor(2) as pool:
        asked = [pool.submit(client.post, "/api/v1/batches", files=form) for _ in range(2)]
        answers = sorted((answer.result() for answer in asked), key=lambda one: one.status_code)
    assert [answer.status_code for answer in answers] == [201, 409]
    assert "in a batch already" in answers[1].json()["detail"]
    runtime.delete_batch(answers[0].json()["id"])


def test_a_flood_of_forms_ends(client, runtime, monkeypatch, still):
    began = len(runtime._intake._begun[LOCAL.name])
    monkeypatch.setattr("services.uploads.intake.MOST_AN_HOUR", began + 2)
    first = submit(client, ("a.wav", b""), ("b.wav", b""))
    assert first.status_code == 201
    refused = submit(client, ("c.wav", b""))
    assert refused.status_code == 413 and "within an hour" in refused.json()["detail"]
    runtime.delete_batch(first.json()["id"])


BOUNDARY = "x"


def form(*parts: str, end: bool = True) -> bytes:
    text = "".join(f"--{BOUNDARY}\r\n{part}\r\n" for part in parts)
    return (text + (f"--{BOUNDARY}--\r\n" if end else "")).encode()


FILE = 'Content-Disposition: form-data; name="files"; filename="a.wav"\r\n\r\nsound'


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (422, form()),
        (422, form('Content-Disposition: form-data; name="files"\r\n\r\nno file')),
        (422, form(FILE, 'Content-Disposition: form-data; name="options"\r\n\r\n{"what": 1}')),
        (422, form(FILE, 'Content-Disposition: form-data; name="options"\r\n\r\n' + "[" * 9999)),
        (422, form(FILE, 'Content-Disposition: form-data; name="what"\r\n\r\nx')),
        (400, form(FILE, end=False)),
        (400, form("Content-Disposition: form-data\r\n\r\nnameless")),
        (400, b"not a form"),
        (413, form(FILE, f'Content-Disposition: form-data; name="options"\r\n\r\n{"x" * 2**20}')),
        (400, form(*['Content-Disposition: form-data; name="x"\r\n\r\n'] * (MOST_PARTS + 1))),
    ],
)
def test_a_form_that_cannot_be_taken_leaves_nothing(client, runtime, status, body):
    before = runtime.count_batches()
    kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
    answer = client.post("/api/v1/batches", content=body, headers=kind)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status and answer.json()["detail"]
    assert runtime.count_batches() == before
    assert not left_in_workspaces(runtime, "incoming-*")
    assert not left_in_workspaces(runtime, "*.tmp")


def test_a_full_disk_is_told_before_anything_is_read(client, runtime, monkeypatch):
    monkeypatch.setattr(runtime._temp_room, "reserve", 10**18)
    answer = submit(client, ("a.wav", SOUND))
    assert answer.status_code == 507 and "Disk full" in answer.json()["detail"]


def test_json_is_taken_as_json_only_and_not_without_end(client, done):
    batch, _ = done
    path = f"/api/v1/batches/{batch['id']}/retry"
    form = client.post(path, content="{}", headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    assert client.post(path, content="{}").status_code == 415, "of no type"
    kind = {"Content-Type": "application/json"}
    assert client.post(path, content=b"[" * 10**6 * 2, headers=kind).status_code == 413
    assert client.post(path, content=b"[" * 10**5, headers=kind).status_code == 422
    wrong = client.post(path, json={"options": {"model": "/etc/passwd"}})
    assert wrong.status_code == 422
    assert wrong.json()["errors"][0]["where"] == "options.model"


@pytest.mark.parametrize("path", ["/api/v1/what", "/api/x", "/api/v1/jobs/x", "/api/v1/batches/"])
def test_what_is_not_there_is_a_problem_too(client, path):
    answer = client.get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"


def test_a_wrong_method_is_told_the_right_ones(client):
    answer = client.put("/api/v1/batches")
    assert answer.status_code == 405
    assert set(answer.headers["allow"].split(", ")) == {"GET", "HEAD", "POST"}
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_another_sites_page_sends_is_refused(client, runtime):
    before = runtime.count_batches()
    answer = client.post(
        "/api/v1/batches", files={"files": SOUND}, headers={"Origin": "https://evil.example"}
    )
    assert answer.status_code == 403 and runtime.count_batches() == before


def test_a_fault_of_the_server_is_a_problem_without_its_stack(client, runtime, monkeypatch):
    def fault(self, *_):
        raise RuntimeError("secret")

    monkeypatch.setattr(Runtime, "default_options", fault)
    answer = client.get("/api/v1/options")
    assert answer.status_code == 500 and "secret" not in answer.text
    assert answer.headers["content-type"] == "application/problem+json"


def test_the_choices_are_those_that_a_submission_may_make(client, runtime):
    choices = client.get("/api/v1/options").json()
    assert choices["defaults"]["engine"] == "whisper" and choices["languages"]["de"] == "German"
    models = {model["id"]: model for model in client.get("/api/v1/models").json()["items"]}
    assert models["spoken-digits"]["allowed"] and models["spoken-digits"]["here"]
    assert not models["nvidia/canary-1b-v2"]["allowed"]  # it would be fetched from a hub
    refused = submit(client, ("a.wav", SOUND), model="nvidia/canary-1b-v2")
    assert refused.status_code == 422
    assert submit(client, ("a", b""), engine="whisper", model="spoken-digits").status_code == 422


def test_a_search_is_asked_as_the_library_understands_it(client, runtime, done, monkeypatch):
    batch, (sound, _, _) = done
    asked: list = []
    hit = Hit(
        *("key", SAID, 0.5, sound["id"], NAME, "audio", "local", batch["id"], 7.0),
        start=1.5,
        spans=((3, 8),),
        tags=("team",),
    )

    def search_page(self, *given, **more):
        asked.append((*given, more))
        return Found((Group(sound["id"], (hit,)),), 21, {"kind": {"audio": 21}}, False)

    missing = client.get("/api/v1/search", params={"q": "empty"})
    assert missing.status_code == 404 and "switched off" in missing.json()["detail"]
    monkeypatch.setattr(Runtime, "has_library", True)
    monkeypatch.setattr(Runtime, "search_page", search_page)
    query = {"q": "empty", "limit": 5, "offset": 20, "kind": "audio", "job": sound["id"]}
    more = {"tag": ["team", "x"], "collection": "c", "since": 1, "until": 9, "language": "en"}
    found = client.get("/api/v1/search", params=query | more).json()
    (typed, filters, limit, offset, patience), *_ = asked
    assert (typed, limit, offset) == ("empty", 5, 20) and patience["patience"] <= 60
    assert filters == Filters(
        kind="audio",
        source=sound["id"],
        language="en",
        since=1.0,
        until=9.0,
        tags=("team", "x"),
        collections=("c",),
    )
    assert (found["total"], found["facets"], found["semantic"]) == (
        21,
        {"kind": {"audio": 21}},
        False,
    )
    (source,) = found["items"]
    assert (source["job"], source["batch"], source["tags"]) == (sound["id"], batch["id"], ["team"])
    (passage,) = source["hits"]
    assert (passage["text"], passage["spans"], passage["start"]) == (SAID, [[3, 8]], 1.5)
    for wrong in ({}, {"q": "x", "kind": "film"}, {"q": "x", "limit": 51}, {"q": "x", "foo": 1}):
        assert client.get("/api/v1/search", params=wrong).status_code == 422


def test_who_asks_and_what_is_watched(client, runtime):
    me = client.get("/api/v1/me").json()
    assert me == {"name": "local", "scopes": ["read", "submit", "admin"], "proof": None}
    assert client.get("/api/v1/watched-folders").json() == {"items": []}
    assert client.post("/api/v1/watched-folders/scan").status_code == 202


def test_the_page_shows_every_endpoint_and_runs_no_script(client):
    document = client.get("/api/v1/openapi.json").json()
    answer = client.get("/api/v1/docs")
    assert "<script" not in answer.text.lower()
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert all(f"<code>{path}</code>" in answer.text for path in document["paths"])
    wanted = {f'href="#{name}"' for name in ("BatchOutput", "OptionsInput", "Transcript")}
    assert all(link in answer.text for link in wanted)


def test_the_document_names_every_route_that_is_served(runtime):
    served = {
        (path, method)
        for table in (API, OPENAI)
        for one in table.endpoints
        for path, method in [(table.prefix + one.described_path, one.method.lower())]
    }
    written = {
        (path, method) for path, methods in described()["paths"].items() for method in methods
    }
    assert written == served
    names = [
        m["operationId"] for methods in described()["paths"].values() for m in methods.values()
    ]
    assert len(names) == len(set(names))


def test_a_large_upload_is_not_held_in_memory(client, runtime, still):
    """64 MB through the form, in pieces, while Python's own memory grows by a few."""
    piece, pieces = bytes(1 << 20), 64
    head = '--x\r\nContent-Disposition: form-data; name="files"; filename="a.bin"\r\n\r\n'

    received = [head.encode(), *[piece] * pieces, b"\r\n--x--\r\n"]
    status, made, peak = posted_form(runtime, received)
    (job,) = runtime.jobs(made["id"])
    assert status == 201 and job.size == pieces << 20
    assert peak < 20e6
    runtime.delete_batch(made["id"])


def test_many_large_fields_are_not_held_in_memory(client, runtime):
    head = '\r\n--x\r\nContent-Disposition: form-data; name="f{}"\r\n\r\n'
    field = bytes(1_000_000 // 2)
    received = [part for n in range(100) for part in (head.format(n).encode(), field)]
    status, problem, peak = posted_form(runtime, [*received, b"\r\n--x--\r\n"])
    assert status == 413 and "bytes together" in problem["detail"]
    assert peak < 10e6


def test_the_first_errors_of_many_are_told(client):
    named = "".join(f'--x\r\nContent-Disposition: form-data; name="{"n" * 900}{n}"\r\n\r\n\r\n'
                    for n in range(900))  # fmt: skip
    kind = {"Content-Type": "multipart/form-data; boundary=x"}
    answer = client.post("/api/v1/batches", content=f"{named}--x--\r\n", headers=kind)
    assert answer.status_code == 422 and len(answer.content) < 20_000
    errors = answer.json()["errors"]
    assert len(errors) == 21 and errors[-1]["message"].startswith("880 more")


def posted_form(runtime: Runtime, received: list[bytes]) -> tuple[int, Any, int]:
    """Send a form in these pieces; return the status, the answer, and the bytes held at most."""
    served = Starlette(routes=web.routes(runtime.settings), middleware=web.middleware(runtime))
    sent: list[dict] = []

    async def receive() -> dict:
        block = received.pop(0) if received else b""
        return {"type": "http.request", "body": block, "more_body": bool(received)}

    async def send(message: dict) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "method": "POST",
        "path": "/api/v1/batches",
        "query_string": b"",
        "headers": [
            (b"host", b"127.0.0.1"),
            (b"content-type", b"multipart/form-data; boundary=x"),
        ],
    }
    tracemalloc.start()
    run(served(scope, receive, send))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return sent[0]["status"], json.loads(sent[1]["body"]), peak
