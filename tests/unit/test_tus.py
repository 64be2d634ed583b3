"""The tus protocol as a client meets it: https://tus.io/protocols/resumable-upload."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import io
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api import turns, uploads
from services.config import Settings
from services.files.disk import Room
from services.files.uploads import Uploads
from services.files.workspace import Workspace
from services.front import Front
from services.people.models import SCOPES, Person, Role
from services.uploads import metadata

TUS = {"Tus-Resumable": "1.0.0"}
PIECE = {**TUS, "Content-Type": "application/offset+octet-stream"}
CONTENT = b"0123456789" * 1000


class Door:
    """Says who sends a request; the real one is tested with every route, in integration/access."""

    def __init__(self, app: ASGIApp, front: Front) -> None:
        self._app = app
        self._front = front

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        name = dict(scope.get("headers", ())).get(b"x-person", b"local").decode()
        person = Person(name, SCOPES[Role.PERSON], everything=True)
        scope.setdefault("state", {})["front"] = self._front.seen_by(person)
        await self._app(scope, receive, send)


@pytest.fixture
def front(settings: Settings) -> Iterator[Front]:
    front = Front(settings)
    yield front
    front.close()


def app_of(front: Front) -> Starlette:
    return Starlette(routes=uploads.routes(), middleware=[Middleware(Door, front=front)])


@pytest.fixture
def client(front) -> Iterator[TestClient]:
    with TestClient(app_of(front)) as client:
        yield client


def said(**values: str) -> str:
    return ",".join(f"{k} {base64.b64encode(v.encode()).decode()}" for k, v in values.items())


def begin(client, size: int = len(CONTENT), name: str = "talk.wav", headers=(), **more) -> str:
    answer = client.post(
        uploads.PATH,
        headers={
            **TUS,
            "Upload-Length": str(size),
            "Upload-Metadata": said(filename=name, **more),
            **dict(headers),
        },
    )
    assert answer.status_code == 201, answer.text
    return answer.headers["Location"]


def piece(client, address: str, offset: int, content: bytes, **headers: str):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return client.patch(
        address, content=content, headers={**PIECE, "Upload-Offset": str(offset), **named}
    )


def offset(client, address: str, **headers: str) -> int:
    answer = client.head(address, headers={**TUS, **headers})
    assert answer.status_code == 200
    return int(answer.headers["Upload-Offset"])


def id_of(address: str) -> str:
    return address.rsplit("/", 1)[1]


def test_the_server_says_what_it_speaks(client):
    answer = client.options(uploads.PATH)
    assert answer.status_code == 204
    assert answer.headers["Tus-Version"] == answer.headers["Tus-Resumable"] == "1.0.0"
    assert set(answer.headers["Tus-Extension"].split(",")) == {
        "creation",
        "termination",
        "checksum",
        "expiration",
    }
    assert answer.headers["Tus-Checksum-Algorithm"] == "sha1,sha256"
    assert "Tus-Max-Size" not in answer.headers


def test_a_file_in_three_pieces(client, front):
    address = begin(client, modified="17")
    assert re.fullmatch("/files/uploads/[0-9a-f]{32}-[0-9a-f]{32}", address)
    for begun, end in ((0, 10), (10, 4000), (4000, 10_000)):
        assert offset(client, address) == begun
        answer = piece(client, address, begun, CONTENT[begun:end])
        assert (answer.status_code, answer.headers["Upload-Offset"]) == (204, str(end))
    answer = client.head(address, headers=TUS)
    assert answer.headers["Upload-Length"] == answer.headers["Upload-Offset"] == "10000"
    assert answer.headers["Cache-Control"] == "no-store" and "Upload-Expires" not in answer.headers
    assert metadata.parse(answer.headers["Upload-Metadata"])["modified"] == "17"
    _, (file,) = front.uploaded([id_of(address)])
    assert file.path.read_bytes() == CONTENT and file.name == "talk.wav"
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()


def test_a_batch_of_what_was_uploaded(client, front):
    pdf = Path(__file__).read_bytes()
    addresses = [begin(client, len(pdf), f"{n}.txt") for n in range(2)]
    for address in addresses:
        piece(client, address, 0, pdf)
    workspace, files = front.uploaded(map(id_of, addresses))
    batch = front.submit(files, "local", workspace=workspace)
    assert [job.name for job in front.jobs(batch.id)] == ["0.txt", "1.txt"]
    assert client.head(addresses[0], headers=TUS).status_code == 404


def test_after_a_restart_it_goes_on(front, settings):
    with TestClient(app_of(front)) as client:
        address = begin(client)
        piece(client, address, 0, CONTENT[:6000])
    again = Front(settings)
    with TestClient(app_of(again)) as client:
        assert offset(client, address) == 6000
        assert piece(client, address, 6000, CONTENT[6000:]).status_code == 204
    _, (file,) = again.uploaded([id_of(address)])
    assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()
    again.close()


@pytest.mark.parametrize("wrong", [0, 9, 11, 10_000])
def test_a_piece_from_elsewhere_is_a_conflict(client, wrong):
    address = begin(client)
    piece(client, address, 0, CONTENT[:10])
    answer = piece(client, address, wrong, b"x")
    assert answer.status_code == 409 and "goes on at byte 10" in answer.text
    assert offset(client, address) == 10


@pytest.mark.parametrize("version", [None, "0.2.2", "2.0.0", ""])
def test_another_version_is_refused_and_ours_named(client, version):
    address = begin(client)
    headers = {} if version is None else {"Tus-Resumable": version}
    for method in ("HEAD", "PATCH", "DELETE"):
        answer = client.request(method, address, headers=headers)
        assert (answer.status_code, answer.headers["Tus-Version"]) == (412, "1.0.0")
    assert client.post(uploads.PATH, headers=headers).status_code == 412


@pytest.mark.parametrize("algorithm", uploads.ALGORITHMS)
def test_a_checksum_guards_a_piece(client, algorithm):
    address = begin(client)

    def sum_of(data: bytes) -> str:
        return f"{algorithm} {base64.b64encode(hashlib.new(algorithm, data).digest()).decode()}"

    first, rest = CONTENT[:5000], CONTENT[5000:]
    assert piece(client, address, 0, first, Upload_Checksum=sum_of(first)).status_code == 204
    answer = piece(client, address, 5000, b"x" * 5000, Upload_Checksum=sum_of(rest))
    assert answer.status_code == 460 and offset(client, address) == 5000
    assert piece(client, address, 5000, rest, Upload_Checksum=sum_of(rest)).status_code == 204


@pytest.mark.parametrize("checksum", ["md5 AAAA", "sha1", "sha256 %%%", "", "sha1 é"])
def test_a_checksum_that_is_none_is_refused(client, checksum):
    address = begin(client)
    answer = piece(client, address, 0, b"x", Upload_Checksum=checksum.encode("latin-1"))
    assert answer.status_code in (400, 460) and offset(client, address) == 0


def test_more_than_was_announced_is_refused_and_not_kept(client):
    address = begin(client, 10)
    assert piece(client, address, 0, b"x" * 11).status_code == 413

    def unmeasured() -> Iterator[bytes]:
        yield b"0123456789"
        yield b"and more" * 200_000

    answer = client.patch(address, content=unmeasured(), headers={**PIECE, "Upload-Offset": "0"})
    assert answer.status_code == 413 and offset(client, address) == 0
    assert piece(client, address, 0, b"0123456789").status_code == 204
    assert piece(client, address, 10, b"x").status_code == 413
    assert piece(client, address, 10, b"").status_code == 204, "finished, and so it stays"


def test_only_pieces_are_taken(client):
    address = begin(client)
    for kind in ("text/plain", "application/octet-stream", ""):
        assert piece(client, address, 0, b"x", Content_Type=kind).status_code == 415


@pytest.mark.parametrize("length", ["", "-1", "1e3", "9" * 17, "9" * 16, "٣", "0x10", " ", "1,2"])
def test_a_length_that_is_none_is_refused(client, length):
    headers = [(k.encode(), v.encode()) for k, v in {**TUS, "Upload-Length": length}.items()]
    assert client.post(uploads.PATH, headers=headers).status_code == 400
    address = begin(client)
    answer = piece(client, address, 0, b"x", Upload_Offset=length.encode())
    assert answer.status_code == 400


@pytest.mark.parametrize("header", ["filename %%%", "filename /w==", "a " + "A" * 17_000])
def test_metadata_that_cannot_be_read_is_refused(client, header):
    answer = client.post(
        uploads.PATH, headers={**TUS, "Upload-Length": "1", "Upload-Metadata": header}
    )
    assert answer.status_code == 400 and "metadata" in answer.text


def test_an_upload_can_be_ended(client, front):
    address = begin(client)
    piece(client, address, 0, CONTENT[:10])
    assert client.delete(address, headers=TUS).status_code == 204
    for method in ("HEAD", "DELETE"):
        assert client.request(method, address, headers=TUS).status_code == 404
    assert piece(client, address, 10, CONTENT[10:]).status_code == 404
    assert not [*front.settings.temp_root.rglob("upload-*")]


def test_the_method_can_be_named_in_a_header(client):
    address = begin(client, 3)
    answer = client.post(
        address,
        content=b"abc",
        headers={**PIECE, "Upload-Offset": "0", "X-HTTP-Method-Override": "PATCH"},
    )
    assert answer.status_code == 204 and offset(client, address) == 3
    assert client.post(address, headers=TUS).status_code == 405
    assert client.get(address, headers=TUS).status_code == 405


def test_when_it_is_given_up_is_told(client, settings):
    answer = client.head(begin(client), headers=TUS)
    expires = parsedate_to_datetime(answer.headers["Upload-Expires"])
    lasts = settings.workspace_hours * 3600
    assert expires.timestamp() == pytest.approx(time.time() + lasts, abs=60)


def test_nobody_else_sees_continues_or_ends_an_upload(client, front):
    address = begin(client, headers={"X-Person": "ana"})
    for who in ({"X-Person": "bob"}, {}):
        assert client.head(address, headers={**TUS, **who}).status_code == 404
        assert piece(client, address, 0, b"x", **who).status_code == 404
        assert client.delete(address, headers={**TUS, **who}).status_code == 404
    assert offset(client, address, **{"X-Person": "ana"}) == 0


def test_somebody_elses_workspace_is_as_good_as_none(client, front):
    name = Workspace.create(Room(front.settings.temp_root), "ana").path.name
    begin(client, headers={"X-Person": "ana"}, workspace=name)
    for who, wanted in (("bob", name), ("ana", "ws-" + "0" * 32), ("ana", "../" + name)):
        answer = client.post(
            uploads.PATH,
            headers={
                **TUS,
                "X-Person": who,
                "Upload-Length": "3",
                "Upload-Metadata": said(filename="a.wav", workspace=wanted),
            },
        )
        assert answer.status_code == 404


def test_limits_are_told_before_anything_is_sent(tmp_path):
    settings = Settings(data_dir=tmp_path, upload_limit_gb=1e-6, owner_upload_limit_gb=1.5e-6)
    front = Front(settings)
    with TestClient(app_of(front)) as client:
        assert client.options(uploads.PATH).headers["Tus-Max-Size"] == "1000"
        headers = {**TUS, "Upload-Length": "1001", "Upload-Metadata": said(filename="big.wav")}
        answer = client.post(uploads.PATH, headers=headers)
        assert answer.status_code == 413 and "“big.wav”" in answer.text
        begin(client, 1000)
        answer = client.post(uploads.PATH, headers={**headers, "Upload-Length": "501"})
        assert answer.status_code == 413 and "your uploads hold" in answer.text
        begin(client, 1000, headers={"X-Person": "bob"})
    front.close()


def test_a_share_counts_files_however_they_came(tmp_path):
    """Also those of a form, and uploads that were gathered in one batch."""
    room = Room(tmp_path)
    held = Uploads(room, 60.0)
    workspace, other = Workspace.create(room, "ana"), Workspace.create(room, "bob")
    workspace.add("a.wav", io.BytesIO(b"12345"))
    other.add("b.wav", io.BytesIO(b"123"))
    held.begin(workspace, "ana", "c.wav", 7)
    assert (held.held_by("ana"), held.held_by("bob"), held.held_by("cy")) == (12, 3, 0)


def test_a_disk_that_fills_up_while_it_runs_stops_the_upload(client, monkeypatch):
    address = begin(client)
    piece(client, address, 0, CONTENT[:10])
    monkeypatch.setattr(Room, "missing", lambda *_: "Disk full: free some space.")
    answer = piece(client, address, 10, CONTENT[10:])
    assert (answer.status_code, answer.json()["detail"]) == (413, "Disk full: free some space.")
    monkeypatch.undo()
    assert piece(client, address, 10, CONTENT[10:]).status_code == 204


# --- connections that break ---------------------------------------------------------------


class Broken:
    """A body that sends a little and is then silent, until it is told to end."""

    def __init__(self, first: bytes) -> None:
        self.first = first
        self.silent = asyncio.Event()
        self.end = asyncio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.first
        self.silent.set()
        await self.end.wait()


def talk(front: Front, conversation) -> None:
    async def run() -> None:
        transport = httpx.ASGITransport(app_of(front))
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            await asyncio.wait_for(conversation(client), 60)

    # In a thread of its own: what drives the browser tests has a loop that runs in this one.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, run()).result()


async def announced(client: httpx.AsyncClient) -> str:
    answer = await client.post(uploads.PATH, headers={**TUS, "Upload-Length": str(len(CONTENT))})
    return answer.headers["Location"]


def test_who_comes_back_ends_the_connection_that_only_looks_alive(front):
    async def conversation(client: httpx.AsyncClient) -> None:
        address = await announced(client)
        body = Broken(CONTENT[:4000])
        old = asyncio.create_task(
            client.patch(address, content=body, headers={**PIECE, "Upload-Offset": "0"})
        )
        await body.silent.wait()
        answer = await client.head(address, headers=TUS)
        assert answer.headers["Upload-Offset"] == "4000", "what it had sent is kept"
        answer = await client.patch(
            address, content=CONTENT[4000:], headers={**PIECE, "Upload-Offset": "4000"}
        )
        assert answer.status_code == 204
        assert (await old).status_code == 408

    talk(front, conversation)


def test_nobody_else_ends_the_request_of_whose_upload_it_is(front):
    async def conversation(client: httpx.AsyncClient) -> None:
        address = await announced(client)
        body = Broken(CONTENT[:4000])
        sending = asyncio.create_task(
            client.patch(address, content=body, headers={**PIECE, "Upload-Offset": "0"})
        )
        await body.silent.wait()
        other = {"X-Person": "bob"}
        for answer in (
            await client.head(address, headers=TUS | other),
            await client.patch(address, headers=PIECE | other | {"Upload-Offset": "4000"}),
            await client.delete(address, headers=TUS | other),
        ):
            assert answer.status_code == 404
        body.end.set()
        assert (await sending).status_code == 204

    talk(front, conversation)


def test_an_interrupted_piece_with_a_checksum_is_not_kept(front):
    async def conversation(client: httpx.AsyncClient) -> None:
        address = await announced(client)
        body = Broken(CONTENT[:4000])
        checksum = base64.b64encode(hashlib.sha1(CONTENT).digest()).decode()
        headers = {**PIECE, "Upload-Offset": "0", "Upload-Checksum": f"sha1 {checksum}"}
        old = asyncio.create_task(client.patch(address, content=body, headers=headers))
        await body.silent.wait()
        answer = await client.head(address, headers=TUS)
        assert answer.headers["Upload-Offset"] == "0"
        assert (await old).status_code == 408

    talk(front, conversation)


def test_a_sender_that_is_silent_is_given_up(front, monkeypatch):
    monkeypatch.setattr(turns, "IDLE_SECONDS", 0.05)

    async def conversation(client: httpx.AsyncClient) -> None:
        address = await announced(client)
        body = Broken(CONTENT[:4000])
        answer = await client.patch(address, content=body, headers={**PIECE, "Upload-Offset": "0"})
        assert answer.status_code == 408
        assert (await client.head(address, headers=TUS)).headers["Upload-Offset"] == "4000"

    talk(front, conversation)


def test_a_server_that_stops_does_not_wait_for_a_slow_sender(front, monkeypatch):
    stops = threading.Event()
    monkeypatch.setattr(turns, "stopping", stops)
    monkeypatch.setattr(turns, "LOOK_SECONDS", 0.05)

    async def conversation(client: httpx.AsyncClient) -> None:
        address = await announced(client)
        body = Broken(CONTENT[:4000])
        headers = {**PIECE, "Upload-Offset": "0"}
        sending = asyncio.create_task(client.patch(address, content=body, headers=headers))
        await body.silent.wait()
        stops.set()
        assert (await sending).status_code == 408
        assert (await client.head(address, headers=TUS)).headers["Upload-Offset"] == "4000"

    talk(front, conversation)


def test_many_at_once_on_one_upload_never_mix(front):
    async def conversation(client: httpx.AsyncClient) -> None:
        address = await announced(client)
        answers = await asyncio.gather(
            *(
                client.patch(address, content=CONTENT, headers={**PIECE, "Upload-Offset": "0"})
                for _ in range(10)
            )
        )
        assert sum(answer.status_code == 204 for answer in answers) <= 1
        assert {answer.status_code for answer in answers} <= {204, 408, 409, 413}
        answer = await client.head(address, headers=TUS)
        rest = CONTENT[int(answer.headers["Upload-Offset"]) :]
        headers = {**PIECE, "Upload-Offset": answer.headers["Upload-Offset"]}
        assert (await client.patch(address, content=rest, headers=headers)).status_code == 204
        _, (file,) = front.uploaded([id_of(address)])
        assert file.sha256 == hashlib.sha256(CONTENT).hexdigest()

    talk(front, conversation)
