"""A desk that takes watched files as `Front` does, with jobs that end when the test says so.

`python -m tests.watching DATA INBOX OUTPUT` is a server that a test kills: it watches INBOX, lets
the jobs of bad*.wav fail and those of all other files be done.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from services.audio.transcript import Segment, Transcript
from services.errors import PermanentError
from services.files.disk import Room
from services.files.workspace import StoredFile, Workspace
from services.jobs.claims import Claims
from services.jobs.models import Batch, Job, Kind, NewJob, Options
from services.jobs.results import Result, Results
from services.jobs.store import JobStore
from services.watch.folder import WatchedFolder
from services.watch.memory import Memory
from services.watch.root import Root
from services.watch.watcher import Watcher

STILL = 5.0


class Desk:
    """The part of `Front` that the watcher calls, on a real store, and a lane worked by hand."""

    def __init__(self, data: Path) -> None:
        self.url = f"sqlite:///{(data / 'jobs.db').as_posix()}"
        self.store = JobStore(self.url)
        self.results = Results(data / "results")
        self.room = Room(data / "temp")
        self._memories: list[Memory] = []

    def close(self) -> None:
        for memory in self._memories:
            memory.close()
        self.store.close()

    # --- what the watcher calls -------------------------------------------------------

    def default_options(self) -> Options:
        return Options()

    def new_workspace(self) -> Workspace:
        return Workspace.create(self.room)

    def submit(
        self, files: Sequence[StoredFile], owner: str, options: Options, workspace: Workspace
    ) -> Batch:
        jobs = [NewJob(f.name, Kind.AUDIO, f.path, f.sha256, f.size) for f in files]
        return self.store.add_batch(owner, workspace.path, options, jobs)

    def result(self, job_id: str) -> Result | None:
        job = self.store.job(job_id)
        return self.results.load(job_id) if job and job.result_at is not None else None

    # --- what the tests call ----------------------------------------------------------

    def root(self, path: Path, still_seconds: float = STILL, **settings: Any) -> Root:
        """Return the watch of a folder with a memory of its own, as after a start."""
        memory = Memory(self.url)
        memory.find_jobs()
        self._memories.append(memory)
        folder = WatchedFolder(path=path, **settings)
        return Root(folder, self, memory, still_seconds)  # type: ignore[arg-type]

    def jobs(self) -> list[Job]:
        """Return all jobs, the oldest batch first."""
        batches = reversed(self.store.batches(limit=10_000))
        return [job for one in batches for job in self.store.jobs(one.batch.id)]

    def names(self) -> list[str]:
        return [job.name for job in self.jobs()]

    def finish(self, *bad: str, text: str = "one two") -> None:
        """Work off the queue: the files of these names (patterns) fail, the others are done."""
        claims = Claims(self.store, self.results, threading.Event(), lambda: None)
        while job := claims.take(Kind.AUDIO):
            try:
                claims.check_original(job)
                if any(fnmatch(job.name, pattern) for pattern in bad):
                    raise PermanentError(f"“{job.name}” is damaged.")
                said = f"{text}: {job.path.read_bytes().decode()}"
                result = Transcript(said, 2.0, "en", "fake", "none", [Segment(0.0, 2.0, said)])
                claims.done(job, result, length=2.0, engine="fake", model="none", took=0.1)
            except PermanentError as error:
                claims.failed(job, error)


def taken(root: Root, tick: float = 0.0) -> None:
    """Look twice, with the time in between that a file has to be still for."""
    root.look(tick)
    root.look(tick + STILL)


def tree(directory: Path) -> dict[str, bytes]:
    """Return every file under a directory with its content."""
    return {
        path.relative_to(directory).as_posix(): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def main(data: Path, inbox: Path, output: Path) -> None:
    desk = Desk(data)
    desk.store.recover()
    folder = WatchedFolder(path=inbox, after="move", output=output)
    watcher = Watcher([folder], desk, desk.url, still_seconds=0.1)  # type: ignore[arg-type]
    watcher.start()
    print("up", flush=True)
    while True:
        desk.finish("bad*")
        time.sleep(0.01)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
