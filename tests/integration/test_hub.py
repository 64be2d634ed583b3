"""Fetching a checkpoint from a model hub: a small server that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import struct
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.audio.checkpoints import DIGITS, find

MODEL = "nvidia/parakeet-tdt-0.6b-v3"
REVISION = "a" * 40
BINARY = "application/octet-stream"
ROOT = Path(__file__).parents[2]


class LocalHub:
    """A hub that holds some repositories; what is asked of it can be cut off in the middle."""

    def __init__(self) -> None:
        self.repositories: dict[str, dict[str, bytes]] = {}
        self.cuts: list[int] = []
        """Of how many answers with a body the connection is cut, each after so many bytes."""
        self.reset = False
        """Whether a cut is an error of the connection (RST) rather than its end (FIN)."""
        self.asked: list[str] = []
        """The ranges of the files that were asked for, in order."""

    def answer(self, handler: BaseHTTPRequestHandler, body: bool) -> None:
        found = self._found(handler.path)
        if found is None:
            handler.send_response(404)
            handler.send_header("X-Error-Code", "RepoNotFound")
            handler.send_header("Content-Length", "0")
            handler.end_headers()
            return
        content, kind = found
        first, wanted = 0, handler.headers.get("Range")
        if wanted:
            first = int(wanted.removeprefix("bytes=").partition("-")[0])
        handler.send_response(206 if wanted else 200)
        if wanted:
            spread = f"bytes {first}-{len(content) - 1}/{len(content)}"
            handler.send_header("Content-Range", spread)
        handler.send_header("Content-Type", kind)
        handler.send_header("Content-Length", str(len(content) - first))
        handler.send_header("ETag", f'"{hashlib.sha256(content).hexdigest()}"')
        handler.send_header("X-Repo-Commit", REVISION)
        handler.end_headers()
        if not body:
            return
        if kind == BINARY:
            self.asked.append(wanted or "")
        if kind == BINARY and self.cuts:
            handler.wfile.write(content[first : self.cuts.pop(0)])
            handler.wfile.flush()
            if self.reset:
                now = struct.pack("ii", 1, 0)
                handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
                handler.connection.close()
            handler.close_connection = True
        else:
            handler.wfile.write(content[first:])

    def _found(self, path: str) -> tuple[bytes, str] | None:
        for name, files in self.repositories.items():
            if path.startswith(f"/api/models/{name}"):
                siblings = [{"rfilename": file, "size": len(files[file])} for file in files]
                about = {"id": name, "modelId": name, "sha": REVISION, "siblings": siblings}
                return json.dumps(about).encode(), "application/json"
            for file, content in files.items():
                if path.startswith(f"/{name}/resolve/") and path.endswith(f"/{file}"):
                    return content, BINARY
        return None


@pytest.fixture
def hub():
    """A hub that holds one model, with the spoken-digits checkpoint for its content."""
    checkpoint = find(DIGITS)
    assert checkpoint is not None
    held = LocalHub()
    held.repositories[MODEL] = {
        "README.md": b"A model card.",
        "parakeet-tdt-0.6b-v3.nemo": checkpoint.read_bytes(),
    }

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            held.answer(self, body=False)

        def do_GET(self) -> None:
            held.answer(self, body=True)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.handle_error = lambda *_: None  # a client that goes away is no news
    threading.Thread(target=server.serve_forever, daemon=True).start()
    held.address = f"http://127.0.0.1:{server.server_port}"
    yield held
    server.shutdown()
    server.server_close()


def ask(script: str, hub: LocalHub, tmp_path: Path, *arguments: str) -> list[object]:
    """Run a script in a process of its own; return what it printed last.

    huggingface_hub reads its variables when it is imported.
    """
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        env={
            **os.environ,
            "HF_ENDPOINT": hub.address,
            "HF_HOME": str(tmp_path / "hf"),
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_DISABLE_TELEMETRY": "1",
        },
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.strip().splitlines()[-1])


FETCH = """
import json, sys
import huggingface_hub.constants
huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE = 65536
huggingface_hub.constants.HF_HUB_DISABLE_SYMLINKS = "plain" in sys.argv
from services.audio import cached
from services.audio.checkpoints import download
from services.audio.fetching import Cancelled
from services.errors import ModelUnavailable

told, until = [], float(sys.argv[2])
try:
    got = str(download(sys.argv[1], told.append, stopping=lambda: bool(told) and told[-1] >= until))
except Cancelled:
    got = "cancelled"
except ModelUnavailable as error:
    got = str(error)
print(json.dumps([got, told, [[one.engine, one.name] for one in cached.models()]]))
"""
NEVER = "2"
"""A share of a download that it never reaches."""


def first_bytes(asked: list[str]) -> list[int]:
    """Return where each file that was asked for began."""
    return [int(wanted.removeprefix("bytes=").partition("-")[0] or 0) for wanted in asked]


@pytest.mark.parametrize("reset", [False, True], ids=["ended", "reset"])
def test_a_download_goes_on_where_its_connection_was_cut(hub, tmp_path, reset):
    content = hub.repositories[MODEL]["parakeet-tdt-0.6b-v3.nemo"]
    half = len(content) // 2
    hub.cuts, hub.reset = [half], reset
    got, told, held = ask(FETCH, hub, tmp_path, MODEL, NEVER)
    assert Path(got).read_bytes() == content
    assert held == [["nemo", MODEL]]
    first, second = first_bytes(hub.asked)
    # A reset throws away what the client's machine had and the client had not read yet.
    assert first == 0 and 0 < second <= half, hub.asked
    assert reset or second > half - 65536
    assert told == sorted(told) and told[-1] == 1.0


def test_a_download_goes_on_after_it_was_cancelled_also_in_another_process(hub, tmp_path):
    content = hub.repositories[MODEL]["parakeet-tdt-0.6b-v3.nemo"]
    got, told, held = ask(FETCH, hub, tmp_path, MODEL, "0.5")
    assert (got, held) == ("cancelled", [])
    assert 0.5 <= told[-1] < 0.6
    got, told, held = ask(FETCH, hub, tmp_path, MODEL, NEVER)
    assert Path(got).read_bytes() == content and held == [["nemo", MODEL]]
    assert first_bytes(hub.asked)[1] >= len(content) * 0.4
    assert told[0] >= 0.4, "what is here counts from the start"


def test_what_came_damaged_is_not_kept(hub, tmp_path):
    content = hub.repositories[MODEL]["parakeet-tdt-0.6b-v3.nemo"]
    ask(FETCH, hub, tmp_path, MODEL, "0.5")
    (part,) = tmp_path.rglob("*.incomplete")
    part.write_bytes(b"x" * part.stat().st_size)
    got, _, held = ask(FETCH, hub, tmp_path, MODEL, NEVER)
    assert "came damaged and was removed" in got and held == []
    got, _, _ = ask(FETCH, hub, tmp_path, MODEL, NEVER)
    assert Path(got).read_bytes() == content


def test_a_checkpoint_of_another_name_and_a_whisper_model_are_fetched_too(hub, tmp_path):
    hub.repositories["team/court"] = {"final.nemo": b"n" * 1000}
    hub.repositories["team/whisper"] = {
        "model.bin": b"w" * 200_000,
        "config.json": b'{"alignment_heads": []}',
        "vocabulary.json": b"{}",
        "tokenizer.json": b"{}",
        "pytorch_model.bin": b"of no use here",
    }
    got, _, _ = ask(FETCH, hub, tmp_path, "team/court", NEVER)
    assert Path(got).name == "final.nemo" and Path(got).read_bytes() == b"n" * 1000
    got, told, held = ask(FETCH, hub, tmp_path, "team/whisper", NEVER)
    names = {path.name for path in Path(got).iterdir()}
    assert names == {"model.bin", "config.json", "vocabulary.json", "tokenizer.json"}
    assert held == [["nemo", "team/court"], ["whisper", "team/whisper"]]
    assert told == sorted(told) and told[-1] == 1.0


@pytest.mark.parametrize("links", ["linked", "plain"])
def test_a_model_lies_in_the_cache_once_and_is_not_fetched_again(hub, tmp_path, links):
    """Also where there are no symbolic links, as on Windows."""
    content = hub.repositories[MODEL]["parakeet-tdt-0.6b-v3.nemo"]
    for _ in range(2):
        got, _, held = ask(FETCH, hub, tmp_path, MODEL, NEVER, links)
        assert Path(got).read_bytes() == content and held == [["nemo", MODEL]]
    assert Path(got).is_symlink() or links == "plain" or sys.platform == "win32"
    assert len(hub.asked) == 1
    kept = [path for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in kept) < 1.5 * len(content)


def test_what_cannot_be_fetched_is_said_with_its_reason(hub, tmp_path):
    hub.repositories["team/bert"] = {"pytorch_model.bin": b"w", "config.json": b"{}"}
    got, _, _ = ask(FETCH, hub, tmp_path, "team/bert", NEVER)
    assert "team/bert holds neither a .nemo file nor a faster-whisper model" in got
    got, _, _ = ask(FETCH, hub, tmp_path, "team/gone", NEVER)
    assert got.startswith("The hub has no model team/gone") and "Check its name" in got


def test_auto_downloads_the_checkpoint_that_the_hub_has(hub, tmp_path):
    script = """
import json, sys
from pathlib import Path
from services.audio.engines.host import EngineHost, Hub
from services.config import Settings

settings = Settings(data_dir=Path(sys.argv[1]), device="cpu")
told = []

class Listening(EngineHost):
    def __setattr__(self, name, value):
        if name == "status" and value.progress is not None:
            told.append(value.progress)
        super().__setattr__(name, value)

host = Listening(settings, Hub(settings.nemo_model, 10))
choice = host.choose("auto", None)
engine = host.get("auto", None, "arrays")
print(json.dumps([choice.engine, choice.offline, engine.model, engine.name, told]))
"""
    engine, offline, model, name, told = ask(script, hub, tmp_path, str(tmp_path / "data"))
    assert (engine, offline, model) == ("nemo", False, MODEL)
    assert name.startswith("NeMo 3")
    assert told == sorted(told) and told[-1] == 1.0
