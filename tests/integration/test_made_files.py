"""A file that is made for one request is gone with it."""

from __future__ import annotations

import asyncio
import tempfile

import pytest
from starlette.requests import ClientDisconnect

from services.api.files import made_file
from services.config import Settings
from services.runtime import Runtime
from tests import media
from tests.web import client_of, run


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("made")
    paper = media.write_pdf(root / "paper.pdf", ["One", "Two"])
    settings = Settings(data_dir=root / "data", device="cpu", engine="whisper", disk_reserve_mb=0)
    with Runtime(settings) as runtime:
        batch = runtime.submit([paper])
        runtime.wait(batch.id, 120)
        made = client_of(runtime)
        made.values = {"batch_id": batch.id, "job_id": runtime.jobs(batch.id)[0].id}
        yield made


@pytest.mark.parametrize(
    "path",
    [
        "/files/batches/{batch_id}.zip",
        "/files/batches/{batch_id}.pdf",
        "/files/{job_id}/document.pdf?pages=1",
        "/files/{job_id}/parts.zip?pages=1",
        "/api/v1/batches/{batch_id}/export",
    ],
)
def test_what_was_made_comes_whole_and_nothing_of_it_stays(client, path, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    for asked in ("bytes=0-4", "bytes=9999999-", "bytes=5-2"):
        answer = client.get(path.format(**client.values), headers={"Range": asked})
        assert answer.status_code == 200 and "accept-ranges" not in answer.headers
        assert len(answer.content) == int(answer.headers["content-length"]) > 5
        assert not [*tmp_path.iterdir()], asked


@pytest.mark.parametrize("end", ["broken", "cancelled"])
def test_nothing_stays_of_what_nobody_takes(tmp_path, end):
    path = tmp_path / "made.zip"
    path.write_bytes(bytes(1 << 20))

    async def send(message: dict) -> None:
        if end == "broken":
            raise ClientDisconnect
        await asyncio.Event().wait()

    async def serve() -> None:
        scope = {"type": "http", "method": "GET", "headers": [], "asgi": {"spec_version": "2.4"}}
        sending = made_file(path, "made.zip")(scope, asyncio.Event().wait, send)
        await asyncio.wait_for(sending, 0.1)

    with pytest.raises(ClientDisconnect if end == "broken" else TimeoutError):
        run(serve())
    assert not path.exists()
