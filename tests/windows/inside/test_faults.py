"""Two hundred jobs while another program opens their files at random."""

from __future__ import annotations

import time
from pathlib import Path

from services.files.disk import Room
from services.files.janitor import LONGEST_PAUSE, Janitor
from services.files.retry import set_retry_waits
from services.files.workspace import Workspace
from services.jobs.lane import Lane
from services.jobs.models import Job, State
from services.jobs.results import Results
from services.jobs.store import JobStore
from tests.windows.inside.batches import TRANSCRIPT, Reader, submit
from tests.windows.inside.conftest import parts_left, until
from tests.windows.inside.scanner import Scanner

BATCHES, FILES = 40, 5
QUICK = (0.01, 0.02, 0.03)


def test_nothing_is_lost_deleted_or_left_while_a_scanner_is_at_work(
    tmp_path: Path, temp_root: Path, store: JobStore, default_waits: None
) -> None:
    set_retry_waits(QUICK)
    results = Results(tmp_path / "results")
    janitor = Janitor(
        temp_root,
        leased=lambda: store.workspaces(leased=True),
        submitted=lambda: store.workspaces(leased=False),
        interval=0.05,
    )
    lanes = [Lane(f"lane-{number}", Reader(), store, results) for number in range(3)]
    for owner in (janitor, *lanes):
        owner.start()
    try:
        batches = []
        with Scanner(temp_root, results.root) as scanner:
            for _ in range(BATCHES):
                workspace = Workspace.create(Room(temp_root))
                names = [f"{number}.wav" for number in range(FILES)]
                batches.append(submit(store, workspace, names).id)
            until(lambda: all(job.state.over for job in all_jobs(store, batches)), 50)
        failed = [job for job in all_jobs(store, batches) if job.state is State.FAILED]
        # Each of them can be tried again: its file is still there, and its error says so.
        assert {job.error_kind for job in failed} <= {"transient"}
        assert all(job.path.read_bytes() == job.name.encode() for job in failed)
        store.requeue(job.id for job in failed)
        until(lambda: all(job.state is State.DONE for job in all_jobs(store, batches)))
    finally:
        for lane in lanes:
            lane.stop()
        janitor.stop()
    assert scanner.opened > 100
    assert all(results.load(job.id) == TRANSCRIPT for job in all_jobs(store, batches))
    janitor.sweep(time.time() + 2 * LONGEST_PAUSE)
    assert list(temp_root.iterdir()) == []
    assert not parts_left(results.root)


def all_jobs(store: JobStore, batches: list[str]) -> list[Job]:
    return [job for batch in batches for job in store.jobs(batch)]
