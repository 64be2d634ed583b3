"""The page's own uploader in a real browser: what breaks goes on where it was."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from pathlib import Path

import psutil
from playwright.sync_api import Page, Request, expect

from tests.browser.conftest import serving
from tests.waiting import until

SLOW = 250_000  # bytes a second: the steps before it ends may take a busy machine a while
SIZE = 20_000_000
DATA = Path(__file__).parents[1] / "data"


def throttle(page: Page) -> Callable[..., None]:
    """Make the connection of a page slow; return what changes it."""
    session = page.context.new_cdp_session(page)
    session.send("Network.enable")

    def limit(rate: int = -1, offline: bool = False) -> None:
        session.send(
            "Network.emulateNetworkConditions",
            {"offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": rate},
        )

    limit(SLOW)
    return limit


def choose(page: Page, *files: Path, folder: bool = False) -> None:
    page.get_by_label("Choose a folder" if folder else "Choose files").locator(
        "visible=false"
    ).set_input_files([str(file) for file in files])


def under_way(page: Page, file: Path) -> None:
    """Wait until some of a file has been sent, and not all."""
    bar = page.get_by_role("progressbar", name=file.name)
    expect(bar).to_have_attribute("aria-valuenow", re.compile("^[1-9][0-9]?$"))


def is_stored(data: Path, file: Path) -> bool:
    """Whether the server has exactly this file."""
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    (stored,) = data.glob(f"temp/ws-*/{sha256}-{file.name}")
    return hashlib.sha256(stored.read_bytes()).hexdigest() == sha256


def received(page: Page, file: Path) -> None:
    """Wait until the page has looked at a file that cannot be processed."""
    expect(page.get_by_text(f"“{file.name}” cannot be read as audio or video")).to_be_visible(
        timeout=60_000
    )


def offsets(page: Page) -> list[int]:
    """Return a list that fills with the offsets at which pieces are sent."""
    seen: list[int] = []

    def note(request: Request) -> None:
        if request.method == "PATCH":
            seen.append(int(request.headers["upload-offset"]))

    page.on("request", note)
    return seen


def drop(page: Page, *paths: Path) -> None:
    """Drop files and folders on the page, as the desktop does."""
    box = page.get_by_text("Drop files or folders here").bounding_box()
    data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
    session = page.context.new_cdp_session(page)
    for kind in ("dragEnter", "dragOver", "drop"):
        event = {"type": kind, "x": box["x"] + 5, "y": box["y"] + 5, "data": data}
        session.send("Input.dispatchDragEvent", event)


def test_files_folders_limits_and_the_simple_way(tmp_path, open_page):
    folder, data = tmp_path / "talks", tmp_path / "data"
    (folder / "day 1").mkdir(parents=True)
    for number in range(3):
        (folder / "day 1" / f"{number}.wav").write_bytes(os.urandom(100 + number))
    (folder / ".DS_Store").write_bytes(b"what file managers leave")
    alone, simple = tmp_path / "alone.pdf", tmp_path / "simple.mkv"
    alone.write_bytes(b"%PDF-1.7 and nothing more")
    simple.write_bytes(os.urandom(1000))
    huge = tmp_path / ("a name that is long " * 9 + ".mkv")
    with huge.open("wb") as handle:
        handle.truncate(60_000_000)
    large = tmp_path / "large.mkv"
    with large.open("wb") as handle:
        handle.truncate(46_000_000)
    limits = {"SCRIPTORIUM_UPLOAD_LIMIT_GB": "0.05", "SCRIPTORIUM_OWNER_UPLOAD_LIMIT_GB": "0.04"}
    with serving(data, **limits) as server:
        page = open_page(server, width=390, height=844)
        expect(page.get_by_text("Up to 50 MB a file")).to_be_visible()
        sent = offsets(page)
        drop(page, huge)
        expect(page.get_by_text("has 60 MB; one file may have 50 MB at most")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390 and not sent
        page.get_by_role("button", name=f"Cancel: {huge.name}").click()
        expect(page.get_by_text(huge.name)).to_have_count(0)

        drop(page, folder, alone)
        expect(page.get_by_text("4 files, 4 unusable")).to_be_visible()
        assert is_stored(data, alone) and is_stored(data, folder / "day 1" / "2.wav")
        choose(page, folder, folder=True)  # once more: each file is there already
        ended = "[window.scriptoriumUploads.list.length, window.scriptoriumUploads.ended.size]"
        until(lambda: page.evaluate(ended) == [0, 7])
        expect(page.get_by_text("4 files, 4 unusable")).to_be_visible()

        page.get_by_text("Trouble uploading? Use the simple way").click()
        page.get_by_test_id("stFileUploader").locator("input").set_input_files([str(simple)])
        expect(page.get_by_text("5 files, 5 unusable")).to_be_visible()
        assert is_stored(data, simple)
        given = page.get_by_test_id("stFileUploader").locator("input")
        given.set_input_files([str(huge)])
        expect(page.get_by_text("File must be 50.0MB or smaller")).to_be_attached()
        given.set_input_files([str(large)])
        expect(page.get_by_text("may hold 0.04 GB")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_an_upload_outlives_whatever_breaks(tmp_path, open_page):
    """A pause, another page, a lost connection, a killed server and a reload, in one upload."""
    data = tmp_path / "data"
    large = tmp_path / "large.mkv"
    large.write_bytes(os.urandom(SIZE))
    with serving(data) as server:
        page = open_page(server)
        limit, sent = throttle(page), offsets(page)
        choose(page, large, DATA / "agent-alreadyon.wav")
        under_way(page, large)
        page.get_by_role("button", name=f"Pause: {large.name}").click()
        expect(page.get_by_text(re.compile("^Paused · [0-9]+ %"))).to_be_visible()
        expect(page.get_by_role("button", name="Run 1 file")).to_be_disabled()
        page.get_by_role("button", name=f"Resume: {large.name}").click()
        expect(page.get_by_role("button", name=f"Pause: {large.name}")).to_be_visible()

        page.get_by_role("link", name="Batches").click()  # it goes on meanwhile
        expect(page.get_by_role("heading", name="Batches")).to_be_visible()
        page.get_by_role("link", name="New batch").first.click()
        under_way(page, large)

        limit(offline=True)
        expect(page.get_by_text("The connection is lost.")).to_be_visible()
        limit(SLOW)
        expect(page.get_by_text("The connection is lost.")).to_have_count(0)
        under_way(page, large)
        port = int(server.rpartition(":")[2])
        kill_listener(port)
    expect(page.get_by_text("The connection is lost.")).to_be_visible()
    away = page.get_by_role("dialog", name="Connection error")
    said = away.get_by_text("connected to the internet").evaluate(
        "(text) => [getComputedStyle(text).visibility, getComputedStyle(text, '::after').content]"
    )
    assert said[0] == "hidden" and "goes on by itself" in said[1]
    with serving(data, port=port):
        expect(page.get_by_text("The connection is lost.")).to_have_count(0, timeout=60_000)
        under_way(page, large)
        page.on("dialog", lambda dialog: dialog.accept())  # the browser asks before it leaves
        page.reload()
        expect(page.get_by_text("Choose the file again to go on")).to_be_visible()
        limit()
        choose(page, large)
        received(page, large)
        assert is_stored(data, large)
        assert sent == sorted(sent) and sent[-1] > 0, "it never began again"
        expect(page.get_by_role("button", name="Run 1 file")).to_be_enabled()

        # One that is cancelled leaves nothing, nor one that was left and is discarded.
        other = tmp_path / "other.mkv"
        other.write_bytes(os.urandom(SIZE))
        limit(SLOW)
        choose(page, other)
        under_way(page, other)
        page.get_by_role("button", name=f"Cancel: {other.name}").click()
        expect(page.get_by_text(other.name)).to_have_count(0)
        choose(page, other)
        under_way(page, other)
        page.reload()
        with page.expect_response(lambda answer: answer.request.method == "DELETE"):
            page.get_by_role("button", name=f"Discard: {other.name}").click()
        expect(page.get_by_text(other.name)).to_have_count(0)
        assert not [*data.glob("temp/ws-*/upload-*.part")]


def kill_listener(port: int) -> None:
    """End the server on a port as a power cut would."""
    for connection in psutil.net_connections("tcp"):
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
            psutil.Process(connection.pid).kill()
