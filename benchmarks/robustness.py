"""What becomes of files that are broken or built to do harm, on their way through the server.

Every file of `malformed` goes through a real Runtime with its own limits, in one batch, and with
them a healthy file after each fifty. Prints a table of how they ended, and what they took at most.
Run as `python -m benchmarks.robustness [FIRST LAST]`, where the numbers choose a part of them.
"""

from __future__ import annotations

import collections
import itertools
import logging
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmarks.malformed import CATALOG, HELLO, TREE, malformed, page, pdf
from services.config import Settings
from services.documents.document import Document
from services.jobs.models import Job, State
from services.runtime import Runtime

HEALTHY = "healthy"


class Watch(threading.Thread):
    """Notes the most memory that any worker process, and this one, takes."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.worker = self.server = 0
        self.stopped = threading.Event()

    def run(self) -> None:
        """Look ten times a second."""
        own = psutil.Process()
        while not self.stopped.wait(0.1):
            self.server = max(self.server, own.memory_info().rss)
            for child in own.children():
                try:
                    self.worker = max(self.worker, child.memory_info().rss)
                except psutil.Error:
                    continue


def outcome(runtime: Runtime, job: Job) -> str:
    """Say in a word or two how a job ended."""
    if job.state is State.FAILED:
        named = job.error is not None and f"“{job.name}”" in job.error
        return "a clear error" if named and job.error_kind != "transient" else "UNCLEAR"
    result = runtime.result(job.id)
    if job.state is not State.DONE or not isinstance(result, Document):
        return f"NOT ENDED ({job.state})"
    errors = sum(page.error is not None for page in result.pages)
    if errors == 0:
        return "read"
    return "read in part" if errors < len(result.pages) else "pages with reasons only"


def main() -> None:
    """Run the files and print the table."""
    logging.disable(logging.CRITICAL)
    first, last = (int(value) for value in sys.argv[1:3]) if len(sys.argv) > 2 else (0, 10**6)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root) / "files"
        folder.mkdir()
        paths = []
        for index, (name, content) in enumerate(itertools.islice(malformed(), first, last)):
            paths.append(folder / f"{index + first:03} {name}.pdf")
            paths[-1].write_bytes(content)
            if index % 50 == 49:
                paths.append(folder / f"{index + first:03} {HEALTHY}.pdf")
                paths[-1].write_bytes(pdf(CATALOG, TREE, page(), HELLO))
        watch = Watch()
        watch.start()
        settings = Settings(data_dir=Path(root) / "data", engine="whisper", job_retry_waits=())
        begun = time.perf_counter()
        with Runtime(settings) as runtime:
            batch = runtime.submit(paths)
            looked = time.perf_counter() - begun
            runtime.wait(batch.id, timeout=3600)
            took = time.perf_counter() - begun
            jobs = runtime.jobs(batch.id)
            ends = {job.id: outcome(runtime, job) for job in jobs}
        watch.stopped.set()
    kinds: dict[str, collections.Counter[str]] = collections.defaultdict(collections.Counter)
    slowest: dict[str, float] = collections.defaultdict(float)
    for job in jobs:
        kind = job.name.split()[1].removesuffix(".pdf")
        kinds[kind][ends[job.id]] += 1
        if job.started_at and job.finished_at:
            slowest[kind] = max(slowest[kind], job.finished_at - job.started_at)
    columns = ["read", "read in part", "pages with reasons only", "a clear error"]
    print(f"| kind | files | {' | '.join(columns)} | anything else | slowest, s |")
    print(f"|---|{'---|' * (len(columns) + 3)}")
    for kind, ended in kinds.items():
        other = sum(count for what, count in ended.items() if what not in columns)
        cells = [ended.total(), *(ended[column] for column in columns), other]
        print(f"| {kind} | {' | '.join(map(str, cells))} | {slowest[kind]:.1f} |")
    print(
        f"\n{len(jobs)} files in {took:.0f} s ({looked:.0f} s of them looked at before the run); "
        f"at most {watch.worker >> 20} MiB in a worker, {watch.server >> 20} MiB in the server, "
        f"which answered to the end."
    )
    for job in jobs:
        if ends[job.id] not in columns or (HEALTHY in job.name and ends[job.id] != "read"):
            print(f"{ends[job.id]}: {job.name}: {job.error}")


if __name__ == "__main__":
    main()
