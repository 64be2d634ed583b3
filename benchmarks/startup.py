"""How soon the dashboard is there, what it holds in memory, and what a rerun costs.

Peer: a Streamlit app of one line, on the same machine in the same run.
Run as `python -m benchmarks.startup`.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import psutil

from services.config import Settings
from services.files.workspace import StoredFile
from services.jobs.models import Kind, NewJob, Options
from services.jobs.store import JobStore

ROOT = Path(__file__).parents[1]
PORT = 8599
BATCHES = (500, 2000)
REPEATS = 9


@contextmanager
def server(script: Path, data: Path) -> Iterator[tuple[psutil.Process, float]]:
    """Run a Streamlit script; yield its process and the seconds until it answered."""
    command = [sys.executable, "-m", "streamlit", "run", str(script)]
    command += ["--server.port", str(PORT), "--server.address", "127.0.0.1"]
    command += ["--server.headless", "true", "--browser.gatherUsageStats", "false"]
    environment = dict(psutil.Process().environ(), SCRIPTORIUM_DATA=str(data))
    begun = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=script.parent,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    try:
        while True:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{PORT}/_stcore/health", timeout=1).close()
                break
            except OSError:
                time.sleep(0.02)
        yield psutil.Process(process.pid), time.perf_counter() - begun
    finally:
        process.terminate()
        process.wait(30)


def first_page(script: Path, data: Path) -> dict[str, float]:
    """Measure a server from its start to the first page in a browser."""
    from playwright.sync_api import sync_playwright

    with (
        sync_playwright() as playwright,
        playwright.chromium.launch(
            executable_path="/usr/bin/chromium",
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"],
        ) as browser,
        server(script, data) as (process, up),
    ):
        begun = time.perf_counter()
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{PORT}/")
        page.wait_for_selector("h1")
        shown = time.perf_counter() - begun
        time.sleep(2)
        libraries = {Path(mapped.path).name for mapped in process.memory_maps()}
        return {
            "server up, s": up,
            "first page after that, s": shown,
            "server memory, MB": process.memory_info().rss / 1e6,
            "torch loaded": float(any(name.startswith("libtorch") for name in libraries)),
        }


def rerun(data: Path, count: int) -> float:
    """Return the median time of a rerun of the page of a batch of `count` jobs, in seconds."""
    from streamlit.testing.v1 import AppTest

    import services.runtime
    from services.runtime import Runtime

    settings = Settings(data_dir=data)
    store = JobStore(settings.store_url)
    file = StoredFile(ROOT / "main.py", "recording.wav", "0" * 64, 1)
    jobs = [
        # Of no lane's kind, so that they stay as they are while the page is measured.
        NewJob(f"recording {n}.wav", Kind.UNKNOWN, file.path, file.sha256, 1000, 60.0)
        for n in range(count)
    ]
    batch = store.add_batch("local", data, Options(), jobs)
    store.close()
    # A page that runs without a browser has nobody's address.
    with Runtime(settings) as runtime, mock.patch("pages.context.owner", return_value="local"):
        services.runtime.running.append(runtime)
        page = AppTest.from_file(str(ROOT / "pages" / "app.py"), default_timeout=30)
        page.query_params["batch"] = batch.id
        page.run()
        page.switch_page("batch.py").run()
        times = []
        for _ in range(REPEATS):
            begun = time.perf_counter()
            page.run()
            times.append(time.perf_counter() - begun)
        assert not page.exception and page.title[0].value.startswith("recording 0.wav and"), page
        services.runtime.running.remove(runtime)
    return statistics.median(times)


def main() -> None:
    """Measure, and print the table."""
    with tempfile.TemporaryDirectory() as directory:
        data = Path(directory)
        bare = data / "bare.py"
        bare.write_text("import streamlit as st\nst.title('bare')\n")
        ours = first_page(ROOT / "main.py", data / "ours")
        theirs = first_page(bare, data)
        reruns = {count: rerun(data / str(count), count) for count in BATCHES}
    goals = {"first page after that, s": 3.0, "server memory, MB": 350.0, "torch loaded": 0.0}
    print(f"{'':<34}{'ours':>9}{'bare':>9}{'ratio':>8}{'goal':>8}")
    for name, value in ours.items():
        other = theirs[name]
        ratio = f"{value / other:.2f}" if other else "-"
        goal = f"{goals[name]:g}" if name in goals else "-"
        print(f"{name:<34}{value:>9.2f}{other:>9.2f}{ratio:>8}{goal:>8}")
    for count, seconds in reruns.items():
        label = f"rerun of a batch of {count}, ms"
        print(f"{label:<34}{seconds * 1000:>9.1f}{'-':>9}{'-':>8}{150:>8}")


if __name__ == "__main__":
    main()
