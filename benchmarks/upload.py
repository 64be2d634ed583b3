"""What a large upload costs the server: memory and time, with a connection that breaks.

Run as `python -m benchmarks.upload`; `--gigabytes 0.5` for a smaller file. The server is a process
of its own, on a directory that is removed afterwards. The last two rows need Chromium.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
BLOCK = 1 << 20
PIECE = 16 << 20  # bytes in one request, as the page sends them
SEED = os.urandom(BLOCK - 8)
BROWSER_GIGABYTES = 1.0

NOTE = """
memory: the resident memory of the server's process, sampled every 20 ms; "more" is its peak minus
  what it was before the upload.
cut off: in the middle of a request, once by closing the connection, once by falling silent with
  the connection open, once by killing the server (kill -9) and starting it again, which reads what
  is there once more for its SHA-256. The time includes all of that.
st.file_uploader: Streamlit's own way, in headless Chromium, with our page's "simple way" switch;
  the time ends when the page shows the file, so it includes our copy into the workspace.
the page's component: the same file, browser and end, through the page's own uploader.
  Of both the faster of two runs, which took turns."""


class Server:
    """The server in a process of its own, whose memory is watched."""

    def __init__(self, data: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._data = data
        self.start()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        environment = {
            **os.environ,
            "SCRIPTORIUM_DATA": str(self._data),
            "SCRIPTORIUM_LIBRARY": "false",
            "SCRIPTORIUM_ENGINE": "whisper",
            "HF_HUB_OFFLINE": "1",
        }
        self.process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "main.py", "--server.port", str(self.port)],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + 120
        while True:
            try:
                if self.ask("OPTIONS", "/files/uploads")[0] == 204:
                    return
            except OSError:
                pass
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise SystemExit("The server did not start.")
            time.sleep(0.2)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def memory(self) -> int:
        """Return its resident memory in bytes; 0 while it is not running."""
        try:
            return int(psutil.Process(self.process.pid).memory_info().rss)
        except psutil.Error:
            return 0

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
        """Send a request without a body; return its status and headers."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=300)
        connection.request(method, path, headers={"Tus-Resumable": "1.0.0", **_named(headers)})
        answer = connection.getresponse()
        answer.read()
        connection.close()
        return answer.status, {key.lower(): value for key, value in answer.getheaders()}


@contextmanager
def watched(server: Server) -> Iterator[list[int]]:
    """Yield a list that holds the memory before and, at the end, the peak."""
    found = [server.memory(), 0]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.02):
            found[1] = max(found[1], server.memory())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield found
    finally:
        over.set()
        thread.join()


def block(number: int) -> bytes:
    """Return one MiB of the file: no two are the same."""
    return number.to_bytes(8, "big") + SEED


def send(server: Server, address: str, begin: int, end: int, cut: int | None) -> socket.socket:
    """Send a piece as one request; at byte `cut` stop in the middle of it."""
    line = socket.create_connection(("127.0.0.1", server.port), timeout=300)
    head = (
        f"PATCH {address} HTTP/1.1\r\nHost: 127.0.0.1\r\nTus-Resumable: 1.0.0\r\n"
        "Content-Type: application/offset+octet-stream\r\nConnection: close\r\n"
        f"Upload-Offset: {begin}\r\nContent-Length: {end - begin}\r\n\r\n"
    )
    line.sendall(head.encode())
    at = begin
    while at < end:
        data = block(at // BLOCK)[at % BLOCK :][: end - at]
        if cut is not None and at + len(data) > cut:
            line.sendall(data[: cut - at])
            return line
        line.sendall(data)
        at += len(data)
    answer = b""
    while received := line.recv(65536):
        answer += received
    line.close()
    if not answer.startswith(b"HTTP/1.1 204"):
        raise SystemExit(f"refused: {answer[:200]!r}")
    return line


def resumed(server: Server, size: int) -> tuple[str, list[str]]:
    """Upload the file, cut off three times; return its id and what was seen at each cut."""
    said = f"filename {base64.b64encode(b'large.wav').decode()}"
    status, headers = server.ask(
        "POST", "/files/uploads", Upload_Length=str(size), Upload_Metadata=said
    )
    assert status == 201, status
    address = headers["location"]
    cuts = [int(size * share) + 12_345 for share in (0.23, 0.51, 0.82)]
    kinds = ["the connection closed", "silent, connection open", "the server killed"]
    seen: list[str] = []
    at = 0
    while at < size:
        end = min(at + PIECE, size)
        cut = cuts[0] if cuts and cuts[0] < end else None
        line = send(server, address, at, end, cut)
        if cut is None:
            at = end
            continue
        cuts.pop(0)
        if len(seen) == 2:
            server.kill()
        if len(seen) != 1:
            line.close()
        began = time.monotonic()
        if len(seen) == 2:
            server.start()
        _, headers = server.ask("HEAD", address)
        at = int(headers["upload-offset"])
        kind = kinds[len(seen)]
        seen.append(
            f"  {kind:24} at byte {cut:>13,}: goes on at {at:>13,} "
            f"after {time.monotonic() - began:.1f} s"
        )
        line.close()
    return address, seen


def stored(data: Path, name: str) -> Path:
    """Return where the server put the file."""
    (path,) = data.glob(f"temp/ws-*/*-{name}")
    return path


def of(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def plain(folder: Path, size: int) -> float:
    """Return the seconds that writing and hashing the same bytes takes, without any network."""
    began = time.monotonic()
    digest = hashlib.sha256()
    with (folder / "plain").open("wb") as handle:
        for number in range(size // BLOCK):
            data = block(number)
            digest.update(data)
            handle.write(data)
        os.fsync(handle.fileno())
    (folder / "plain").unlink()
    return time.monotonic() - began


def by_browser(server: Server, file: Path, simple: bool) -> tuple[float, list[int]]:
    """Upload a file in Chromium; return the seconds until the page shows it, and the memory.

    A small file goes before it, so that what a first page and a first look at a file need is
    there before the memory is taken.
    """
    small = file.with_name("small.bin")
    small.write_bytes(SEED[:1000])
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{server.port}")
        if simple:
            page.get_by_text("Trouble uploading? Use the simple way").click()
            page.get_by_test_id("stFileUploader").wait_for()
        page.locator("input[type=file]").first.set_input_files(str(small))
        page.get_by_text("1 file, 1 unusable").wait_for(timeout=60_000)
        time.sleep(2)
        with watched(server) as memory:
            began = time.monotonic()
            page.locator("input[type=file]").first.set_input_files(str(file))
            page.get_by_text("2 files, 2 unusable").wait_for(timeout=600_000)
            took = time.monotonic() - began
        browser.close()
    return took, memory


def row(name: str, size: int, took: float, memory: list[int] | None) -> str:
    """Return a line of the table."""
    before, peak = memory or (0, 0)
    shown = (
        f"{before / 1e6:>10,.0f} {peak / 1e6:>9,.0f} {(peak - before) / 1e6:>9,.0f}"
        if memory
        else f"{'':>10} {'':>9} {'':>9}"
    )
    return f"{name:40} {size / 1e9:>6.2f} {took:>8.1f} {size / 1e6 / took:>8.0f} {shown}"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--gigabytes", type=float, default=5.0)
    size = int(parser.parse_args().gigabytes * 1e9) // BLOCK * BLOCK
    small = min(size, int(BROWSER_GIGABYTES * 1e9) // BLOCK * BLOCK)
    print(f"{'':40} {'GB':>6} {'s':>8} {'MB/s':>8} {'before MB':>10} {'peak MB':>9} {'more MB':>9}")
    folder = Path(tempfile.mkdtemp(prefix="upload-", dir=os.environ.get("TMPDIR")))
    try:
        print(row("written and hashed, no network", small, plain(folder, small), None), flush=True)
        data = folder / "data"
        server = Server(data)
        try:
            digest = hashlib.sha256()
            for number in range(size // BLOCK):
                digest.update(block(number))
            with watched(server) as memory:
                began = time.monotonic()
                _, seen = resumed(server, size)
                took = time.monotonic() - began
            print(row("tus, cut off three times", size, took, memory), flush=True)
            path = stored(data, "large.wav")
            right = of(path) == path.name[:64] == digest.hexdigest()
        finally:
            server.stop()
        path.unlink()
        if shutil.which("chromium"):
            file = folder / "browser.bin"
            with file.open("wb") as handle:
                for number in range(small // BLOCK):
                    handle.write(block(number))
            found: dict[str, list[tuple[float, list[int]]]] = {}
            for _ in range(2):  # in turns, because other programs may be at work
                for name, simple in (("the page's component", False), ("st.file_uploader", True)):
                    server = Server(folder / "data-browser")
                    try:
                        found.setdefault(name, []).append(by_browser(server, file, simple))
                    finally:
                        server.stop()
                        shutil.rmtree(folder / "data-browser")
            for name, runs in found.items():
                print(row(name, small, *min(runs)), flush=True)
        print(f"\ncuts of the {size / 1e9:.2f} GB (SHA-256 {'right' if right else 'WRONG'}):")
        print("\n".join(seen))
        print(NOTE)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(0 if right else 1)


def _named(headers: dict[str, str]) -> dict[str, str]:
    return {name.replace("_", "-"): value for name, value in headers.items()}


if __name__ == "__main__":
    main()
