"""What the queue costs: jobs per second, a large batch, and a long history.

Peers: Huey on SQLite and a bare ThreadPoolExecutor, on the same machine in the same run.
Run as `pip install -r benchmarks/requirements.txt && python -m benchmarks.queue`.
"""

from __future__ import annotations

import logging
import shutil
import statistics
import tempfile
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import insert

from benchmarks.plans import callers, query_plans
from services.config import Settings
from services.documents.document import Document, Page
from services.front import Front
from services.jobs.claims import Claims
from services.jobs.lane import Lane
from services.jobs.models import Job, JobFilter, Kind, NewJob, Options, State
from services.jobs.results import Results
from services.jobs.schema import BatchRow, EventRow, JobRow
from services.jobs.store import JobStore, new_id
from services.store.connection import connect

THREADS = 2
JOBS = 1000
FILES = 2000
HISTORY = 100_000
REPEATS = 7
ROOT = Path(__file__).parents[1]

NOTE = """
ours: each job is a row; a claim is one atomic statement, so that no two lanes or processes get
  the same job; every change of its state is kept with its time and reason; synchronous=FULL, so
  that an accepted job survives a power cut; owners and batches take turns; a job that was running
  at a crash is queued again. "with results" also writes a result file, synchronised to the disk,
  and links the original beside it, as each real job does.
Huey: a task is a pickled row that is deleted when it is taken (atomic, one writer); results are
  kept until they are read; no history, no turns, and what runs at a crash is lost. SQLite as Huey
  sets it up: WAL and the default synchronous=FULL.
ThreadPoolExecutor: a queue in memory. Nothing survives the process."""


class NoOp:
    """A worker that does nothing to a job but settle it."""

    kind = Kind.DOCUMENT

    def __init__(self, ended: Callable[[], None]) -> None:
        self._ended = ended
        self._document = Document({}, [Page(1, "text")])

    def run(self, job: Job, claims: Claims) -> None:
        """Settle it."""
        claims.done(job, self._document, length=1, engine="none", model="", took=0.0)
        self._ended()

    def idle(self) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""


class Nowhere(Results):
    """Results that are written nowhere: what the store and the lanes cost without them."""

    def stage(self, job: Job, result: Any) -> Path:
        """Write nothing."""
        return job.path

    def publish(self, job: Job, staged: Path) -> None:
        """Move nothing."""


class Countdown:
    """An event that is set at the n-th call."""

    def __init__(self, count: int) -> None:
        self._left = count
        self._lock = threading.Lock()
        self.over = threading.Event()

    def __call__(self) -> None:
        """Count one."""
        with self._lock:
            self._left -= 1
            if not self._left:
                self.over.set()


# --- jobs per second ------------------------------------------------------------------------


def ours(root: Path, results: type[Results]) -> tuple[float, float]:
    """Return the seconds that our store takes to accept the jobs, and our lanes to do them."""
    root.mkdir()
    file = root / "a.pdf"
    file.write_bytes(b"%PDF-1.7")
    store = JobStore(f"sqlite:///{root}/jobs.db")
    countdown = Countdown(JOBS)
    begun = time.perf_counter()
    new = [NewJob("a.pdf", Kind.DOCUMENT, file, "0" * 64, 8) for _ in range(JOBS)]
    store.add_batch("ana", root, Options(), new)
    accepted = time.perf_counter()
    saving = results(root / "results")
    lanes = [Lane(f"lane-{n}", NoOp(countdown), store, saving) for n in range(THREADS)]
    for lane in lanes:
        lane.start()
    countdown.over.wait()
    ended = time.perf_counter()
    for lane in lanes:
        lane.stop()
    assert store.counts() == {(Kind.DOCUMENT, State.DONE): JOBS}
    store.close()
    return accepted - begun, ended - accepted


def huey(root: Path) -> tuple[float, float]:
    """Return the same for Huey: it accepts one task at a time."""
    from huey import SqliteHuey

    logging.getLogger("huey").setLevel(logging.ERROR)
    root.mkdir()
    queue = SqliteHuey(filename=str(root / "huey.db"))
    countdown = Countdown(JOBS)
    task = queue.task()(lambda number: countdown())
    begun = time.perf_counter()
    for number in range(JOBS):
        task(number)
    accepted = time.perf_counter()
    consumer = queue.create_consumer(workers=THREADS, periodic=False, initial_delay=0.001)
    consumer.start()
    countdown.over.wait()
    ended = time.perf_counter()
    consumer.stop(graceful=True)
    return accepted - begun, ended - accepted


def pool() -> tuple[float, float]:
    """Return the same for a bare pool of threads."""
    countdown = Countdown(JOBS)
    gate = threading.Event()
    with ThreadPoolExecutor(THREADS) as executor:
        for _ in range(THREADS):
            executor.submit(gate.wait)  # so that nothing is done before all is accepted
        begun = time.perf_counter()
        for _ in range(JOBS):
            executor.submit(countdown)
        accepted = time.perf_counter()
        gate.set()
        countdown.over.wait()
        return accepted - begun, time.perf_counter() - accepted


# --- a large batch --------------------------------------------------------------------------


def large_batch(root: Path) -> dict[str, float]:
    """Return what it costs to submit 2,000 small files, and to look at them."""
    sources = root / "sources"
    sources.mkdir(parents=True)
    prompt = (ROOT / "tests/data/conf-onlyone.wav").read_bytes()
    for number in range(FILES):
        # Each of its own content: the same one would be stored once.
        (sources / f"{number:04}.wav").write_bytes(prompt + number.to_bytes(2, "little"))
    paths = sorted(sources.iterdir())
    front = Front(Settings(data_dir=root / "data", disk_reserve_mb=0))
    front.submit(paths[:1])  # what is imported with the first file is no cost of a batch
    process = psutil.Process()
    before = process.memory_info().rss
    found: dict[str, float] = {}

    begun = time.perf_counter()
    batch = front.submit(paths)
    found["submit 2,000 paths, s"] = time.perf_counter() - begun

    workspace = front.new_workspace()
    stored = [workspace.add_path(path) for path in paths]
    begun = time.perf_counter()
    front.submit(stored, workspace=workspace)
    found["submit 2,000 stored files, s"] = time.perf_counter() - begun

    for _ in range(10):
        front.estimate(front.work(batch.id))
        front.find(JobFilter(batch.id), 50)
        front.places()
    found["memory of both batches, MB"] = (process.memory_info().rss - before) / 1e6
    front.close()
    return found


# --- a long history -------------------------------------------------------------------------


def add_history(url: str) -> None:
    """Write 100,000 jobs that ended into the store: batches of 100, three events each."""
    engine = connect(url, writes=True)
    with engine.begin() as connection:
        for number in range(HISTORY // 100):
            batch_id, at = new_id(), 1e9 + number
            options = Options().as_dict()
            batch = {"id": batch_id, "owner": f"owner-{number % 9}", "created_at": at}
            batch |= {"workspace": f"w-{number}", "options": options, "discarded": False}
            connection.execute(insert(BatchRow), batch)
            jobs = [
                {
                    "id": new_id(),
                    "batch_id": batch_id,
                    "position": position,
                    "owner": batch["owner"],
                    "name": f"recording {position}.wav",
                    "kind": Kind.AUDIO if position % 2 else Kind.DOCUMENT,
                    "path": f"w-{number}/{position}",
                    "sha256": new_id() * 2,
                    "size": 1_000_000,
                    "length": 60.0,
                    "state": State.FAILED if position % 20 == 0 else State.DONE,
                    "progress": 1.0,
                    "attempts": 1,
                    "model": "tiny.en",
                    "options": options,
                    "created_at": at,
                    "queued_at": at,
                    "started_at": at + 1,
                    "finished_at": at + 2,
                    "result_at": None if position % 20 == 0 else at + 2,
                }
                for position in range(100)
            ]
            connection.execute(insert(JobRow), jobs)
            events = [
                {"job_id": job["id"], "at": at, "state": state, "attempt": 1, "reason": None}
                for job in jobs
                for state in ("queued", "running", job["state"])
            ]
            connection.execute(insert(EventRow), events)
    engine.dispose()


def query_times(database: Path) -> dict[str, float]:
    """Return the median milliseconds of everything that is asked of a store."""
    store = JobStore(f"sqlite:///{database}")
    times: dict[str, list[float]] = {}
    for _ in range(REPEATS):
        for name, call in callers(store).items():
            begun = time.perf_counter()
            call()
            times.setdefault(name, []).append((time.perf_counter() - begun) * 1000)
    store.close()
    return {name: statistics.median(values) for name, values in times.items()}


def print_throughput(root: Path) -> None:
    """Measure ours and the peers, and print a table."""
    rows = {
        "ours": ours(root / "state", Nowhere),
        "ours, with results": ours(root / "results", Results),
        "Huey on SQLite": huey(root / "huey"),
        "ThreadPoolExecutor": pool(),
    }
    base = sum(rows["ours"])
    print(f"{JOBS} jobs without work, {THREADS} threads")
    print(f"{'':<22}{'accept, s':>11}{'do, s':>9}{'jobs/s':>10}{'ours/this':>11}")
    for name, (accept, do) in rows.items():
        total = accept + do
        print(f"{name:<22}{accept:>11.3f}{do:>9.3f}{JOBS / total:>10.0f}{total / base:>11.2f}")
    print(NOTE)


def print_large_batch(root: Path) -> None:
    """Measure a batch of 2,000 files, and print a table."""
    goals = {"memory of both batches, MB": 200.0}
    print(f"\n{'a large batch':<34}{'ours':>9}{'goal':>8}")
    for name, value in large_batch(root / "large").items():
        print(f"{name:<34}{value:>9.2f}{goals.get(name, 5.0):>8g}")


def print_history(root: Path) -> None:
    """Measure the queries with and without a long history, and print them with their plans."""
    empty, full = root / "empty.db", root / "full.db"
    JobStore(f"sqlite:///{full}").close()
    add_history(f"sqlite:///{full}")
    without, with_history = query_times(empty), query_times(full)
    print(f"\n{'query, ms, with a history of':<36}{'0 jobs':>9}{f'{HISTORY:,}':>10}{'ratio':>8}")
    for name, value in with_history.items():
        ratio = value / without[name]
        print(f"{name:<36}{without[name]:>9.2f}{value:>10.2f}{ratio:>8.1f}")
    print("\nThe plans of the statements that read jobs or events, with that history")
    shown = set()
    for plan in query_plans(full):
        steps = [step for step in plan.steps if " jobs" in step or " events" in step]
        for step in steps:
            if (plan.caller, step) not in shown:
                shown.add((plan.caller, step))
                print(f"  {plan.caller:<34}{step}")


def main() -> None:
    """Measure everything, and print the tables."""
    root = Path(tempfile.mkdtemp(prefix="queue-benchmark-"))
    try:
        print_throughput(root)
        print_large_batch(root)
        print_history(root)
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
