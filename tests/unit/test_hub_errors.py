"""What a person reads when the hub gives nothing: its own client asks servers that refuse it."""

from __future__ import annotations

import datetime
import ipaddress
import json
import os
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ROOT = Path(__file__).parents[2]
ASK = """
import json, sys
from huggingface_hub import HfApi
from services.audio.hub_errors import why

found = []
for model in ("team/gated", "team/gone", "team/busy"):
    try:
        HfApi().model_info(model, timeout=20)
    except Exception as error:
        found.append(why(error))
print(json.dumps(found))
"""


class Refusing(BaseHTTPRequestHandler):
    """Answers as the hub does to those who may not have a model."""

    def do_GET(self) -> None:
        status, code = {"gated": (403, "GatedRepo"), "gone": (404, "RepoNotFound")}.get(
            self.path.rpartition("/")[2], (503, "")
        )
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving(certificate: Path | None = None) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusing)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def ask(endpoint: str, **more: str) -> list[str]:
    # In a process of its own: the client reads the hub's address when it is imported.
    environment = {**os.environ, "HF_ENDPOINT": endpoint, "HF_HUB_OFFLINE": "0", **more}
    command = [sys.executable, "-c", ASK]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, check=True)
    return json.loads(done.stdout)


@pytest.fixture
def certificate(tmp_path) -> Path:
    """A certificate that nobody has heard of, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path / "proxy.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


REFUSALS = ["accept the model's terms", "no such model", "status 503"]


def refused(found: list[str]) -> bool:
    return all(text in one for text, one in zip(REFUSALS, found, strict=True))


def test_the_hubs_own_refusals_are_told_apart():
    with serving() as endpoint:
        assert refused(ask(endpoint))
        assert all("HF_HUB_OFFLINE is set" in one for one in ask(endpoint, HF_HUB_OFFLINE="1"))


def test_a_network_that_inspects_connections_is_known_and_what_is_said_of_it_helps(certificate):
    with serving(certificate) as endpoint:
        assert all("SSL_CERT_FILE" in one for one in ask(endpoint))
        assert refused(ask(endpoint, SSL_CERT_FILE=str(certificate)))
