"""What CI makes of the answers of OSV, from a server here that stands for it."""

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

AUDIT = Path(__file__).parents[2] / ".ci" / "audit.py"


@contextmanager
def osv(vulnerable: str) -> Iterator[str]:
    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            name = asked["package"]["name"]
            fixed = {"events": [{"introduced": "0"}, {"fixed": "99"}], "type": "ECOSYSTEM"}
            affected = {"package": asked["package"], "ranges": [fixed], "versions": []}
            bug = {
                "id": "GHSA-0000",
                "modified": "2026-01-01T00:00:00Z",
                "published": "2026-01-01T00:00:00Z",
                "summary": "bad",
                "affected": [affected],
            }
            body = json.dumps({"vulns": [bug]} if name == vulnerable else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    server.server_close()


def audit(url: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, str(AUDIT)],
        env={**os.environ, "OSV_URL": url},
        capture_output=True,
        text=True,
        timeout=200,
    )
    return done.returncode, done.stdout + done.stderr


def test_a_package_with_a_known_vulnerability_fails():
    with osv("pypdf") as url:
        status, said = audit(url)
    assert status == 1, said
    assert "pypdf" in said and "GHSA-0000, fixed in 99" in said and "vulnerabilities: 1" in said


def test_packages_without_one_pass_and_are_counted():
    with osv("not-installed") as url:
        status, said = audit(url)
    assert status == 0 and "vulnerabilities: 0" in said, said
    assert int(said.split()[0]) > 100, "all that is installed was asked for"


def test_that_nothing_was_audited_is_said():
    with osv("none") as url:
        pass  # and the server is gone
    status, said = audit(url)
    assert status == 0 and "not audited, because OSV does not answer" in said, said
