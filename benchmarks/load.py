"""A team at work: thirty sessions on the pages, five of them uploading, a large batch running.

The sessions speak the browser's own protocol with the server: a web socket each, pages opened one
after the other, fragments run again when the server says so. So the time of a rerun is the
server's, from the wish to the last word of the answer, without that of thirty browsers on the same
cores. Peer: one session alone on the idle server, in the same run.
Run as `python -m benchmarks.load --minutes 30`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from services.config import Settings
from services.front import Front
from services.jobs.models import JobFilter
from services.people.models import Role
from tests import media

ROOT = Path(__file__).parents[1]
PEOPLE, UPLOADING, UPLOAD_BYTES = 30, 5, 200_000_000
JOBS = 500
PIECE = 4 * 1024 * 1024
PASSWORD = "correct horse battery"
PAGES = ("batches", "files", "search", "", "batch")
EARLY = ForwardMsg.FINISHED_EARLY_FOR_RERUN
LOOK_SECONDS = 5
THINK = (1.0, 4.0)
"""Seconds that a person looks at a page before going on."""


@dataclass
class Seen:
    """What the sessions saw: seconds of whole runs and of fragments, and what went wrong."""

    runs: list[float] = field(default_factory=list)
    fragments: list[float] = field(default_factory=list)
    drops: int = 0
    errors: list[str] = field(default_factory=list)
    uploaded: int = 0
    memory: list[float] = field(default_factory=list)


class Browser:
    """One session with the server, as a browser keeps it."""

    def __init__(self, socket: ClientConnection, seen: Seen) -> None:
        self._socket = socket
        self._seen = seen
        self._every: dict[str, tuple[float, float]] = {}
        """When each fragment is due again, and its pause, in seconds."""
        self._page_hash = ""

    async def open(self, page: str, query: str = "") -> None:
        """Open a page; return when all of it is there."""
        wish = BackMsg()
        wish.rerun_script.query_string = query
        wish.rerun_script.page_name = page
        self._seen.runs.append(await self._run(wish))

    async def look(self, seconds: float) -> None:
        """Look at the page, whose fragments run again meanwhile."""
        end = time.monotonic() + seconds
        while (now := time.monotonic()) < end:
            due = [id for id, (at, _) in self._every.items() if at <= now]
            for id in due:
                if id not in self._every:  # one before it had the whole page run again
                    continue
                wish = BackMsg()
                wish.rerun_script.fragment_id = id
                wish.rerun_script.page_script_hash = self._page_hash
                wish.rerun_script.is_auto_rerun = True
                self._every[id] = (now + self._every[id][1], self._every[id][1])
                self._seen.fragments.append(await self._run(wish))
            await asyncio.sleep(0.05)

    async def _run(self, wish: BackMsg) -> float:
        """Send a wish and read the answer to its end.

        A run that ends early makes room for another one, which belongs to the answer. A whole page
        forgets the fragments of the one before: to a wish for one of those nothing is answered.
        """
        begun = time.perf_counter()
        every: dict[str, tuple[float, float]] = {}
        await self._socket.send(wish.SerializeToString())
        while True:
            said = ForwardMsg()
            said.ParseFromString(await asyncio.wait_for(self._socket.recv(), 60))  # type: ignore[arg-type]
            kind = said.WhichOneof("type")
            if kind == "new_session":
                self._page_hash = said.new_session.page_script_hash
                every = {}
            elif kind == "auto_rerun":
                pause = said.auto_rerun.interval
                every[said.auto_rerun.fragment_id] = (time.monotonic() + pause, pause)
            elif kind == "delta" and said.delta.new_element.HasField("exception"):
                self._seen.errors.append(said.delta.new_element.exception.message[:200])
            elif kind == "page_not_found":
                self._seen.errors.append(f"no page {said.page_not_found.page_name}")
            elif kind == "script_finished" and said.script_finished != EARLY:
                whole = said.script_finished != ForwardMsg.FINISHED_FRAGMENT_RUN_SUCCESSFULLY
                self._every = every if whole else {**self._every, **every}
                return time.perf_counter() - begun


@contextlib.contextmanager
def server(data: Path) -> Iterator[tuple[str, psutil.Process]]:
    """Run the dashboard for a team; yield its address and process."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    more = {"SCRIPTORIUM_DATA": str(data), "SCRIPTORIUM_MODE": "accounts", "HF_HUB_OFFLINE": "1"}
    with (data.parent / "server.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamlit", "run", "main.py", "--server.port", str(port)],
            cwd=ROOT,
            env={**os.environ, **more},
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        address = f"http://127.0.0.1:{port}"
        try:
            while True:
                with contextlib.suppress(httpx.HTTPError):
                    httpx.get(f"{address}/_stcore/health", timeout=1)
                    break
                assert process.poll() is None, (data.parent / "server.log").read_text()
                time.sleep(0.1)
            yield address, psutil.Process(process.pid)
        finally:
            process.terminate()
            process.wait(60)


_SIGNING_IN = asyncio.Lock()


async def sign_in(client: httpx.AsyncClient, name: str) -> None:
    """Sign somebody in, one after the other: all come from one address, which has twenty tries."""
    async with _SIGNING_IN:
        answer = await client.post("/sign-in", data={"name": name, "password": PASSWORD})
    assert answer.status_code == 303, answer.status_code


@contextlib.asynccontextmanager
async def session(address: str, name: str, seen: Seen) -> AsyncIterator[tuple[Browser, str]]:
    """Sign somebody in and open a session; yield it and the cookie."""
    async with httpx.AsyncClient(base_url=address, timeout=60) as client:
        await sign_in(client, name)
        cookie = "; ".join(f"{key}={value}" for key, value in client.cookies.items())
    stream = address.replace("http", "ws") + "/_stcore/stream"
    headers = {"Cookie": cookie, "Origin": address}
    async with connect(
        stream, additional_headers=headers, subprotocols=["streamlit"], max_size=None
    ) as socket:  # type: ignore[list-item]
        yield Browser(socket, seen), cookie


async def person(address: str, name: str, batch: str, end: float, seen: Seen) -> None:
    """Go from page to page until the end; a connection that breaks is a drop."""
    turn = random.Random(name)
    while time.monotonic() < end:
        try:
            async with session(address, name, seen) as (browser, _):
                while time.monotonic() < end:
                    page = turn.choice(PAGES)
                    await browser.open(page, f"batch={batch}" if page == "batch" else "")
                    await browser.look(turn.uniform(*THINK))
        except Exception as error:
            seen.drops += 1
            seen.errors.append(f"{type(error).__name__}: {error}"[:200])
            await asyncio.sleep(1)


async def uploader(address: str, name: str, end: float, seen: Seen) -> None:
    """Upload a large file again and again, by the route that the page uses."""
    speaking = {"Tus-Resumable": "1.0.0"}
    async with httpx.AsyncClient(base_url=address, timeout=120) as client:
        await sign_in(client, name)
        block = os.urandom(PIECE)
        while time.monotonic() < end:
            made = await client.post(
                "/files/uploads", headers={**speaking, "Upload-Length": str(UPLOAD_BYTES)}
            )
            where, offset = made.headers.get("Location", ""), 0
            if made.status_code != 201:
                seen.errors.append(f"upload refused: {made.status_code}")
                return
            while offset < UPLOAD_BYTES:
                piece = block[: UPLOAD_BYTES - offset]
                sent = await client.patch(
                    where,
                    content=piece,
                    headers={
                        **speaking,
                        "Upload-Offset": str(offset),
                        "Content-Type": "application/offset+octet-stream",
                    },
                )
                if sent.status_code != 204:
                    seen.errors.append(f"piece refused: {sent.status_code}")
                    break
                offset += len(piece)
            else:
                seen.uploaded += UPLOAD_BYTES
            await client.delete(where, headers=speaking)


async def watch(process: psutil.Process, end: float, seen: Seen) -> None:
    """Note what the server holds in memory."""
    while time.monotonic() < end:
        seen.memory.append(process.memory_info().rss / 1e6)
        await asyncio.sleep(LOOK_SECONDS)


async def alone(address: str, batch: str) -> Seen:
    """Measure one session on a server that has nothing else to do."""
    seen = Seen()
    async with session(address, "p0", seen) as (browser, _):
        for page in (*PAGES, *PAGES):
            await browser.open(page, f"batch={batch}" if page == "batch" else "")
    seen.runs = seen.runs[len(PAGES) :]  # the first ones load what pages need
    return seen


async def together(address: str, process: psutil.Process, batch: str, minutes: float) -> Seen:
    """Measure everybody at once."""
    seen, end = Seen(), time.monotonic() + minutes * 60
    people = [person(address, f"p{n}", batch, end, seen) for n in range(PEOPLE)]
    uploads = [uploader(address, f"p{n}", end, seen) for n in range(UPLOADING)]
    await asyncio.gather(*people, *uploads, watch(process, end, seen))
    return seen


def percentile(values: list[float], share: float) -> float:
    """Return the value below which that share of them lies, in milliseconds."""
    ordered = sorted(values)
    return 1000 * ordered[min(int(share * len(ordered)), len(ordered) - 1)] if ordered else 0.0


def submit(data: Path, folder: Path) -> str:
    """Put a large batch of p0's into the queue; return its id."""
    folder.mkdir()
    pages = ["A page of a report. " * 40] * 20
    for number in range(JOBS):
        media.write_pdf(folder / f"report {number:03}.pdf", [f"Report {number}.", *pages])
    front = Front(Settings(data_dir=data))
    try:
        for number in range(PEOPLE):
            front.people.accounts.add(f"p{number}", PASSWORD, Role.PERSON)
        return front.submit(sorted(folder.glob("*.pdf")), owner="p0").id
    finally:
        front.close()


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    minutes = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory) / "data"
        front = Front(Settings(data_dir=data))
        front.pause()
        front.close()
        batch = submit(data, Path(directory) / "files")
        with server(data) as (address, process):
            one = asyncio.run(alone(address, batch))
            front = Front(Settings(data_dir=data))
            front.resume()
            seen = asyncio.run(together(address, process, batch, minutes))
            counts = {str(state): count for state, count in front.count(JobFilter(batch)).items()}
            front.close()
    print(
        f"{PEOPLE} sessions, {UPLOADING} of them uploading files of {UPLOAD_BYTES / 1e6:.0f} MB, "
    )
    print(f"a batch of {JOBS} documents; {minutes:g} minutes, {os.cpu_count()} cores\n")
    print("| | count | median, ms | p95, ms | slowest, ms |\n|---|---|---|---|---|")
    for label, values in (
        ("one session alone, whole pages", one.runs),
        ("everybody, whole pages", seen.runs),
        ("everybody, fragments", seen.fragments),
    ):
        middle = 1000 * statistics.median(values or [0.0])
        row = (len(values), middle, percentile(values, 0.95), percentile(values, 1.0))
        print(f"| {label} | {row[0]} | {row[1]:.0f} | {row[2]:.0f} | {row[3]:.0f} |")
    quarter = max(1, len(seen.memory) // 4)
    first, last = (
        statistics.mean(part) for part in (seen.memory[:quarter], seen.memory[-quarter:])
    )
    print(f"\nweb sockets dropped: {seen.drops}; errors: {len(seen.errors)} {seen.errors[:3]}")
    print(f"uploaded: {seen.uploaded / 1e9:.1f} GB; the batch: {counts}")
    print(
        f"memory of the server: {first:.0f} MB in the first quarter, {last:.0f} in the last, ",
        end="",
    )
    print(f"{max(seen.memory):.0f} at most; at each minute, MB:")
    print(*(f"{value:.0f}" for value in seen.memory[:: 60 // LOOK_SECONDS]))


if __name__ == "__main__":
    main()
