"""The job store and the lanes on Windows: SQLite's own locks, threads and a second process."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil

from services.files import operations
from services.files.workspace import Workspace
from services.jobs.lane import Lane
from services.jobs.models import Job, Kind, State
from services.jobs.results import Results
from services.jobs.store import JobStore
from tests.windows.inside.batches import TRANSCRIPT, Reader, submit
from tests.windows.inside.conftest import until
from tests.windows.inside.programs import running

# What a server that is killed in the middle of a job leaves behind.
CLAIM_AND_HANG = """
import sys, time
from services.jobs.models import Kind
from services.jobs.store import JobStore
store = JobStore(sys.argv[1])
print(store.claim(Kind.AUDIO).id, flush=True)
time.sleep(50)
"""


def url(tmp_path: Path) -> str:
    return f"sqlite:///{(tmp_path / 'data' / 'jobs.db').as_posix()}"


def test_a_job_from_submission_to_its_end(workspace: Workspace, store: JobStore) -> None:
    batch = submit(store, workspace, ["a.wav", "b.wav"])
    assert store.workspaces(leased=True) == {workspace.path}
    for _ in range(2):
        job = store.claim(Kind.AUDIO)
        assert job is not None
        assert job.path.read_bytes() == job.name.encode()
        assert store.finish(job, length=1.0, engine="fake", model="none", note=None)
    assert store.claim(Kind.AUDIO) is None
    assert {job.state for job in store.jobs(batch.id)} == {State.DONE}
    assert store.workspaces(leased=True) == set()
    assert store.workspaces(leased=False) == {workspace.path}


def test_threads_claim_each_job_once(workspace: Workspace, store: JobStore) -> None:
    batch = submit(store, workspace, [f"{number}.wav" for number in range(40)])

    def work() -> list[str]:
        mine = []
        while job := store.claim(Kind.AUDIO):
            store.set_progress(job, 0.5, "reading")
            store.finish(job, length=1.0, engine="fake", model="none", note=None)
            mine.append(job.id)
        return mine

    with ThreadPoolExecutor(6) as pool:
        workers = [pool.submit(work) for _ in range(4)]
        reader = pool.submit(lambda: [store.counts() for _ in range(50)])
        claimed = [job_id for worker in workers for job_id in worker.result()]
        reader.result()
    assert sorted(claimed) == sorted(job.id for job in store.jobs(batch.id))
    assert {job.attempts for job in store.jobs(batch.id)} == {1}


def test_jobs_of_a_killed_server_are_taken_up_again(
    tmp_path: Path, workspace: Workspace, store: JobStore
) -> None:
    batch = submit(store, workspace, ["a.wav", "b.wav"])
    with running(CLAIM_AND_HANG, url(tmp_path)) as killed:
        claimed = killed.said
    assert store.recover() == 1
    again = store.claim(Kind.AUDIO)
    assert again is not None
    assert (again.id, again.attempts) == (claimed, 2)
    assert store.recover() == 1
    assert {job.state for job in store.jobs(batch.id)} == {State.QUEUED}
    assert [job.crashes for job in store.jobs(batch.id) if job.id == claimed] == [2]


def test_a_closed_store_lets_go_of_its_database(tmp_path: Path, workspace: Workspace) -> None:
    place = tmp_path / "other"
    store = JobStore(f"sqlite:///{(place / 'jobs.db').as_posix()}")
    submit(store, workspace, ["a.wav"])
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: store.counts(), range(20)))
    store.close()
    operations.remove_tree(place)
    assert not place.exists()


def test_a_store_is_opened_and_closed_fifty_times_without_growth(tmp_path: Path) -> None:
    def open_and_close() -> None:
        store = JobStore(url(tmp_path))
        store.counts()
        store.close()

    process = psutil.Process()
    for _ in range(5):
        open_and_close()
    before = process.num_handles(), threading.active_count()
    for _ in range(50):
        open_and_close()
    after = process.num_handles(), threading.active_count()
    assert after[0] <= before[0] + 3
    assert after[1] <= before[1]


def test_a_lane_works_and_one_bad_file_is_one_failed_job(
    tmp_path: Path, workspace: Workspace, store: JobStore
) -> None:
    def meanwhile(job: Job) -> None:
        if job.name == "bad.wav":
            raise ValueError("damaged")

    results = Results(tmp_path / "results")
    batch = submit(store, workspace, ["a.wav", "bad.wav", "c.wav"])
    worker = Reader(meanwhile)
    lane = Lane("audio", worker, store, results)
    lane.start()
    until(lambda: all(job.state.over for job in store.jobs(batch.id)))
    lane.stop()
    assert worker.closed.is_set()
    states = [job.state for job in store.jobs(batch.id)]
    assert states == [State.DONE, State.FAILED, State.DONE]
    assert results.load(store.jobs(batch.id)[0].id) == TRANSCRIPT


def test_a_lane_that_stops_puts_its_job_back(
    tmp_path: Path, workspace: Workspace, store: JobStore
) -> None:
    started, stopping = threading.Event(), threading.Event()

    def meanwhile(_: Job) -> None:
        started.set()
        stopping.wait(30)
        raise InterruptedError

    batch = submit(store, workspace, ["a.wav"])
    lane = Lane("audio", Reader(meanwhile), store, Results(tmp_path / "results"))
    lane.start()
    assert started.wait(30)
    lane.ask_to_stop()
    stopping.set()
    lane.stop()
    job = store.jobs(batch.id)[0]
    assert (job.state, job.attempts) == (State.QUEUED, 0)
