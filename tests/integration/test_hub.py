"""Fetching a checkpoint from a model hub: a small server that speaks the hub's protocol."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.audio.checkpoints import DIGITS, find

MODEL = "nvidia/parakeet-tdt-0.6b-v3"
REVISION = "a" * 40
ROOT = Path(__file__).parents[2]


@pytest.fixture
def hub():
    """A hub that holds one model, with the spoken-digits checkpoint for its content."""
    checkpoint = find(DIGITS)
    assert checkpoint is not None
    content = checkpoint.read_bytes()
    digest = hashlib.sha256(content).hexdigest()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self.answer(body=False)

        def do_GET(self) -> None:
            self.answer(body=True)

        def answer(self, body: bool) -> None:
            if self.path.startswith(f"/api/models/{MODEL}"):
                information = {"id": MODEL, "modelId": MODEL, "sha": REVISION, "siblings": []}
                data, kind = json.dumps(information).encode(), "application/json"
            elif "/resolve/" in self.path and self.path.endswith("/parakeet-tdt-0.6b-v3.nemo"):
                data, kind = content, "application/octet-stream"
            else:
                self.send_error(404)
                return
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{digest}"')
            self.send_header("X-Repo-Commit", REVISION)
            self.end_headers()
            if body:
                self.wfile.write(data)

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_auto_downloads_the_checkpoint_that_the_hub_has(hub, tmp_path):
    """In a process of its own: huggingface_hub reads its variables when it is imported."""
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
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "data")],
        cwd=ROOT,
        env={
            **os.environ,
            "HF_ENDPOINT": hub,
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
    engine, offline, model, name, told = json.loads(done.stdout.strip().splitlines()[-1])
    assert (engine, offline, model) == ("nemo", False, MODEL)
    assert name.startswith("NeMo 3")
    assert told == sorted(told) and told[-1] == 1.0
