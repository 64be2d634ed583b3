"""`kill -9` at fifty random moments: nothing is lost, doubled, half-written or left behind."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from services.config import Settings
from services.files.workspace import is_workspace
from services.jobs.models import State
from services.jobs.store import JobStore
from services.runtime import Runtime
from tests import media

ROUNDS, KILLS = 10, 5
DATA = Path(__file__).parents[1] / "data"


def start(data: Path, *files: Path) -> subprocess.Popen[str]:
    """Start the victim, and return when it is up."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.integration.victim", str(data), *map(str, files)],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    return process


def kill(process: subprocess.Popen[str], seconds: float) -> None:
    """Kill it after a while, and wait until its worker processes have noticed."""
    children = psutil.Process(process.pid).children()
    time.sleep(seconds)
    process.kill()
    process.communicate()
    assert psutil.wait_procs(children, timeout=30)[1] == []


def check_truth(data: Path) -> None:
    """What the store says is on disk, whole; what is on disk under its name is whole."""
    for path in data.glob("results/*/result.json"):
        assert json.loads(path.read_text())["kind"] in ("transcript", "document")
    store = JobStore(Settings(data_dir=data).store_url)
    for summary in store.batches():
        for job in store.jobs(summary.batch.id):
            assert job.state in (State.QUEUED, State.RUNNING, State.DONE)
            if job.state is State.DONE:
                assert (data / "results" / job.id / "result.json").is_file()
            else:
                assert job.path.is_file(), "the original of an unfinished job"
    store.close()


@pytest.mark.timeout(600)
def test_fifty_kills(tmp_path):
    chance = random.Random(20261121)
    data = tmp_path / "data"
    recording = DATA / "conf-onlyone.wav"
    expected: list[str] = []
    for number in range(ROUNDS):
        folder = tmp_path / f"batch-{number}"
        folder.mkdir()
        files = [media.write_pdf(folder / f"{n}.pdf", [f"Page of {n}"] * 30) for n in range(12)]
        files += [Path(shutil.copy(recording, folder / f"{n}.wav")) for n in range(3)]
        expected += [file.name for file in files]
        process = start(data, *files)
        submitted = wait_for_batch(data, number + 1)
        for last in range(KILLS):
            kill(process, chance.uniform(0, 0.8))
            check_truth(data)
            process = start(data)
            if last == KILLS - 1:
                assert process.communicate(timeout=120)[0].endswith("done\n")
        assert submitted
        check_truth(data)

    with Runtime(Settings(data_dir=data, device="cpu")) as runtime:
        jobs = [job for one in runtime.batches() for job in runtime.jobs(one.batch.id)]
        assert sorted(job.name for job in jobs) == sorted(expected)
        assert {job.state for job in jobs} == {State.DONE}
        assert all(
            "Page of" in runtime.result(j.id).pages[29].text for j in jobs if "pdf" in j.name
        )
        texts = {runtime.result(j.id).text for j in jobs if "wav" in j.name}
        assert len(texts) == 1 and "conference" in texts.pop()
        deadline = time.monotonic() + 30
        while any(is_workspace(path) for path in (data / "temp").iterdir()):
            assert time.monotonic() < deadline, "a workspace is orphaned"
            time.sleep(0.1)
    assert list(data.rglob(".part-*")) == []


def wait_for_batch(data: Path, count: int) -> bool:
    """Return when the store holds `count` batches: a kill before has nothing to lose yet."""
    store = JobStore(Settings(data_dir=data).store_url)
    deadline = time.monotonic() + 60
    while store.count_batches() < count:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    store.close()
    return True
