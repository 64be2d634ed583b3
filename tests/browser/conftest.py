"""A real server in a process of its own, and a real browser in front of it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.waiting import until

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
]


@contextmanager
def serving(data: Path, port: int = 0, **environment: str) -> Iterator[str]:
    """Run the server on a port of 127.0.0.1, a free one if none is given; yield its address."""
    if not port:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
    log = (data.parent / f"server-{port}.log").open("wb")
    process = subprocess.Popen(
        [sys.executable, "-m", "streamlit", "run", "main.py", "--server.port", str(port)],
        cwd=ROOT,
        env={**os.environ, "SCRIPTORIUM_DATA": str(data), "HF_HUB_OFFLINE": "1", **environment},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, Path(log.name).read_text()
            try:
                with urllib.request.urlopen(f"{address}/_stcore/health", timeout=1):
                    break
            except OSError:
                assert time.monotonic() < deadline, Path(log.name).read_text()
                time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def wait_until(page, expression: str, arg=None) -> None:
    """Wait for what JavaScript says of a page.

    Playwright's own `wait_for_function` asks again by `eval`, which the content policy refuses.
    """
    until(lambda: page.evaluate(expression, arg))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with serving(tmp_path_factory.mktemp("server") / "data") as address:
        yield address


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    if CHROMIUM is None:
        reason = "Chromium is not installed (Debian package: chromium)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=15_000)
    with sync_playwright() as playwright:
        microphone = ROOT / "tests" / "data" / "agent-alreadyon.wav"
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=[*FLAGS, f"--use-file-for-fake-audio-capture={microphone}"],
        )
        yield browser
        browser.close()


@pytest.fixture
def open_page(browser, request) -> Iterator[Callable[..., object]]:
    """Open an address in a fresh profile, as another person would.

    At the end no page may have tried what the content policy forbids.
    """
    contexts, refused = [], []

    def note(message) -> None:
        if "Content Security Policy" in message.text:
            refused.append(message.text)

    def open_at(address: str, width: int = 1440, height: int = 900, **options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **options
        )
        context.set_default_timeout(30_000)
        contexts.append(context)
        context.on("console", note)
        page = context.new_page()
        page.goto(address)
        return page

    yield open_at
    for context in contexts:
        context.close()
    assert not refused, sorted({text[:170] for text in refused})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give a browser on a busy machine a second try: what it waits for may come too late."""
    for item in items:
        if "browser" in item.path.parts:
            item.add_marker(pytest.mark.flaky(reruns=2))
