"""What a server leaves behind in its process: nothing.

Apart from the other tests of a server, one of which runs beside them the whole time.
"""

from __future__ import annotations

import gc
import threading
from pathlib import Path

import psutil
import pytest

from services.audio.transcript import Transcript
from services.config import Settings
from services.jobs.claims import Claims
from services.jobs.models import Job, Kind
from services.runtime import Runtime
from services.watch.folder import WatchedFolder
from services.watch.root import RootState
from tests import media
from tests.conftest import usual_temp
from tests.systems import open_files
from tests.waiting import until

PATIENCE = 120


@pytest.fixture(autouse=True)
def temp():
    with usual_temp():
        yield


def settings(root: Path) -> Settings:
    return Settings(data_dir=root, device="cpu", engine="whisper", disk_reserve_mb=0)


@pytest.fixture
def sources(tmp_path) -> Path:
    directory = tmp_path / "sources"
    directory.mkdir()
    return directory


def held() -> tuple[int, int, int]:
    """Return the number of open files, threads and children of this process."""
    gc.collect()
    mine = psutil.Process()
    return open_files(), threading.active_count(), len(mine.children())


def no_more_than(before: tuple[int, int, int]) -> bool:
    return all(now <= then for now, then in zip(held(), before, strict=True))


def test_documents_are_read_without_a_leak_of_threads_files_or_children(tmp_path, sources):
    config = settings(tmp_path / "data")
    pdf = media.write_pdf(sources / "a.pdf", ["text"])

    def round_trip() -> None:
        with Runtime(config) as runtime:
            batch = runtime.submit([pdf])
            runtime.wait(batch.id, PATIENCE)
            assert runtime.jobs(batch.id)[0].kind is Kind.DOCUMENT

    round_trip()
    before = held()
    for _ in range(5):
        round_trip()
    until(lambda: no_more_than(before))  # some threads end a moment after their process


class LightWorker:
    """Reads a file and has nothing to start, so that fifty servers start and stop in seconds."""

    kind = Kind.AUDIO

    def __init__(self, *_: object) -> None:
        pass

    def run(self, job: Job, claims: Claims) -> None:
        assert job.path.read_bytes()
        transcript = Transcript("text", 1.0, "en", "light", "none")
        claims.done(job, transcript, length=1.0, engine="light", model="none", took=0.1)

    def idle(self) -> None:
        pass

    def close(self) -> None:
        pass


def test_a_server_opens_and_closes_fifty_times_without_growth(tmp_path, sources, monkeypatch):
    """With every thread that it has: lanes, janitor, pulse, the watcher and its observers."""
    monkeypatch.setattr("services.runtime.AudioWorker", LightWorker)
    config = settings(tmp_path / "data").model_copy(
        update={
            "document_workers": 1,
            "watch_still_seconds": 0.01,
            "watch": (
                WatchedFolder(path=sources, output=tmp_path / "out", polling=False),
                WatchedFolder(path=tmp_path / "gone", polling=True),
            ),
        }
    )
    media.write_wav(sources / "a.wav", media.tone(2))

    def round_trip(work: bool) -> None:
        with Runtime(config) as runtime:
            if work:
                batch = runtime.submit([sources / "a.wav"])
                runtime.wait(batch.id, PATIENCE)
            until(lambda: runtime.watched_folders()[0].state is RootState.WATCHING)

    for _ in range(2):
        round_trip(work=True)
    before = held()
    for number in range(50):
        round_trip(work=number % 5 == 4)
    until(lambda: no_more_than(before))  # some threads end a moment after their process
