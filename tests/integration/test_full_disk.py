"""A disk that is really full: work pauses, says why, and goes on when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.config import Settings
from services.errors import DiskFull
from services.jobs.models import State
from services.runtime import Runtime
from tests import media
from tests.waiting import until

MEGABYTE = 1_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("only Linux can mount a small disk here")
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"mounting is not allowed here: {mounted.stderr.strip()}")
    yield disk
    subprocess.run(["umount", "-l", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Take all room but `leave` bytes."""
    ballast = disk / "ballast"
    free = shutil.disk_usage(disk).free
    with ballast.open("wb") as handle:
        os.posix_fallocate(handle.fileno(), 0, max(1, free - leave))
    return ballast


@pytest.fixture
def document(tmp_path: Path) -> Path:
    return media.write_pdf(tmp_path / "long.pdf", ["\n".join(["some words " * 8] * 50)] * 200)


def test_jobs_wait_for_room_and_go_on_by_themselves(small_disk, document):
    settings = Settings(data_dir=small_disk / "data", disk_reserve_mb=8)
    with Runtime(settings) as runtime:
        ballast = fill(small_disk, leave=6 * MEGABYTE)
        until(runtime.paused)
        assert "Disk full" in (runtime.paused() or "")
        with pytest.raises(DiskFull, match="Disk full"):
            runtime.submit([document])
        assert runtime.count_batches() == 0, "nothing is half submitted"
        ballast.unlink()
        batch = runtime.submit([document])
        runtime.wait(batch.id, 60)
        assert runtime.jobs(batch.id)[0].state is State.DONE
        assert runtime.paused() is None


def test_a_disk_that_fills_up_while_a_result_is_written_costs_nothing(small_disk, document):
    settings = Settings(data_dir=small_disk / "data", disk_reserve_mb=0)
    with Runtime(settings) as runtime:
        # The original lies on the disk already; the result of 200 pages has no room any more.
        ready = runtime.submit([media.write_pdf(document.with_name("short.pdf"), ["a page"])])
        runtime.wait(ready.id, 60)
        workspace = runtime.new_workspace()
        stored = workspace.add_path(document)
        ballast = fill(small_disk, leave=300_000)
        batch = runtime.submit([stored], workspace=workspace)

        def put_back() -> bool:
            (job,) = runtime.jobs(batch.id)
            return job.state is State.QUEUED and "Disk full" in (job.error or "")

        # The instance says why it waits an instant before the job itself is put back.
        until(lambda: runtime.paused() and put_back())
        (job,) = runtime.jobs(batch.id)
        assert not list((settings.results_dir / job.id).glob("*.json"))
        ballast.unlink()
        runtime.wait(batch.id, 60)
        (job,) = runtime.jobs(batch.id)
        assert (job.state, job.attempts, job.error) == (State.DONE, 1, None)
        assert len(runtime.result(job.id).pages) == 200
        assert not list(settings.results_dir.rglob(".part-*"))


def test_without_a_byte_of_room_no_upload_begins(small_disk):
    with Runtime(Settings(data_dir=small_disk / "data", disk_reserve_mb=0)) as runtime:
        ballast = fill(small_disk, leave=0)
        with pytest.raises(DiskFull, match="Disk full"):
            runtime.new_workspace()
        ballast.unlink()
        assert runtime.new_workspace().exists
