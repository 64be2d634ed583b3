"""`kill -9` at fifty random moments: nothing is lost, doubled, half-written or left behind."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from services.files.workspace import is_workspace
from services.front import Front
from services.jobs.models import Job, State
from tests import media
from tests.integration.victim import DEADLY, QUIET, REFUSED, settings

KILLS, MOST_OF_ONE_RUN = 50, 10
LONGEST_LIFE = 0.5
"""Seconds that a server lives at most before it is killed: what a batch takes is about two."""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="forks servers to be quick")


class Victims:
    """The process that forks servers; see `victim`."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.victim"],
            cwd=Path(__file__).parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def ask(self, *request: Any) -> int:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def start(self, data: Path, crashes: int = 20) -> int:
        return self.ask("start", str(data), crashes)

    def kill(self, pid: int) -> bool:
        """Kill a server, and wait until its worker processes have noticed.

        Returns False when it had come to its end before.
        """
        children = psutil.Process(pid).children()
        killed = self.ask("kill", pid) == -9
        deadline = time.monotonic() + 30
        while not all(map(ended, children)):
            assert time.monotonic() < deadline
            time.sleep(0.005)
        return killed

    def close(self) -> None:
        self._process.communicate()


def ended(process: psutil.Process) -> bool:
    """Whether it is over, though the system may still keep what it returned."""
    try:
        return process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


@pytest.fixture(scope="module")
def victims() -> Iterator[Victims]:
    made = Victims()
    yield made
    made.close()


def recording(path: Path, prompt: str, peak: float) -> Path:
    samples = media.at_16k(media.DATA / prompt)
    return media.write_wav(path, samples / np.abs(samples).max() * peak)


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    """Forty: 12 recordings, 25 documents, and three that cannot be read."""
    folder = tmp_path_factory.mktemp("files")
    prompts = sorted(media.PROMPTS)
    made = [
        recording(folder / f"{n}.wav", prompts[n % len(prompts)], QUIET * (1 - n / 100))
        for n in range(12)
    ]
    made += [
        media.write_pdf(folder / f"{n}.pdf", [f"Page {page} of {n}" for page in range(15)])
        for n in range(25)
    ]
    made.append(recording(folder / "loud.wav", prompts[0], REFUSED))
    made.append(media.write_pdf(folder / "locked.pdf", ["secret"], password="secret"))
    broken = folder / "broken.pdf"
    broken.write_bytes(b"%PDF-1.7 and nothing more")
    assert len([*made, broken]) == 40
    return [*made, broken]


def submit(data: Path, files: list[Path]) -> list[Job]:
    front = Front(settings(data))
    jobs = front.jobs(front.submit(files).id)
    front.close()
    return jobs


def check_truth(data: Path) -> None:
    """What the store says is on disk, whole; what is on disk under its name is whole."""
    for path in data.glob("results/*/result.json"):
        assert json.loads(path.read_text())["kind"] in ("transcript", "document")
    front = Front(settings(data))
    for summary in front.batches():
        for job in front.jobs(summary.batch.id):
            if job.state is State.DONE:
                assert (data / "results" / job.id / "result.json").is_file()
            elif job.error is None:
                assert job.path.is_file(), "the original of an unfinished job"
    front.close()


def end_state(data: Path) -> dict[str, Any]:
    """Return what came of each file, by its name; check that each came to its end once."""
    front = Front(settings(data))
    [summary] = front.batches()
    found: dict[str, Any] = {}
    for job in front.jobs(summary.batch.id):
        assert job.name not in found
        result = front.result(job.id)
        found[job.name] = (job.state, job.error, result and result.as_dict())
        # Each try that was begun was counted, and each but the last ended with the server.
        story = [(event.state, event.attempt) for event in front.history(job.id)]
        tries = [
            (state, attempt)
            for attempt in range(1, job.attempts + 1)
            for state in (State.RUNNING, State.QUEUED if attempt < job.attempts else job.state)
        ]
        assert story == ([(State.QUEUED, 0), *tries] if job.attempts else [(job.state, 0)])
    done = [name for name, (state, *_) in found.items() if state is State.DONE]
    assert len(list(data.glob("results/*/result.json"))) == len(done)
    assert len(front.endings(0.0)) == 1, "the batch ended once"
    front.close()
    return found


@pytest.mark.timeout(600)
def test_fifty_kills_change_nothing_of_what_comes_out(victims, files, tmp_path):
    chance = random.Random(20261121)
    submit(tmp_path / "calm", files)
    assert victims.ask("wait", victims.start(tmp_path / "calm")) == 0
    expected = end_state(tmp_path / "calm")
    assert sum(state is State.DONE for state, *_ in expected.values()) == 37
    assert {n for n, (state, *_) in expected.items() if state is State.FAILED} == {
        "loud.wav",
        "locked.pdf",
        "broken.pdf",
    }
    kills = runs = tries = 0
    while kills < KILLS:
        data = tmp_path / str(runs)
        batch = submit(data, files)[0].batch_id
        for _ in range(min(MOST_OF_ONE_RUN, KILLS - kills)):
            pid = victims.start(data)
            time.sleep(chance.uniform(0, LONGEST_LIFE))
            if not victims.kill(pid):
                break  # on a fast machine the batch has ended already
            kills += 1
            check_truth(data)
        assert victims.ask("wait", victims.start(data)) == 0
        assert end_state(data) == expected
        front = Front(settings(data))
        tries += sum(job.attempts for job in front.jobs(batch))
        front.close()
        assert list(data.rglob(".part-*")) == []
        leased = [path for path in (data / "temp").iterdir() if is_workspace(path)]
        assert len(leased) == 1, "the originals of what failed, for another try"
        runs += 1
    assert tries > runs * len(files), "kills that interrupted nothing prove nothing"


def test_a_file_that_kills_its_server_fails_and_its_neighbours_end_well(victims, tmp_path):
    prompt = "conf-onlyone.wav"
    files = [recording(tmp_path / f"{n}.wav", prompt, QUIET * (1 - n / 100)) for n in range(3)]
    files.insert(1, recording(tmp_path / "deadly.wav", prompt, DEADLY))
    files.append(media.write_pdf(tmp_path / "paper.pdf", ["A page of text."]))
    jobs = submit(tmp_path / "data", files)
    codes = []
    while not codes or codes[-1] != 0:
        assert len(codes) < 8, "it goes round and round"
        codes.append(victims.ask("wait", victims.start(tmp_path / "data", crashes=3)))
    assert codes == [1, 1, 1, 1, 0], "three times among others, once alone, and then it is over"
    front = Front(settings(tmp_path / "data"))
    ended = {job.name: job for job in front.jobs(jobs[0].batch_id)}
    front.close()
    deadly = ended.pop("deadly.wav")
    assert (deadly.state, deadly.attempts) == (State.FAILED, 4)
    assert deadly.error.startswith("The server stopped 3 times while it read this file")
    assert {job.state for job in ended.values()} == {State.DONE}
