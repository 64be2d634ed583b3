"""Follows a batch to its end: bars and lines for people, results as soon as they are there."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from services import exports
from services.cli.outputs import Output, OutputExists
from services.cli.session import Session
from services.cli.terminal import Bars, Terminal
from services.errors import DeviceLost, ScriptoriumError
from services.jobs.models import Job, State
from services.runtime import Runtime

POLL_SECONDS = 0.25
MOST_BARS = 6


class Follower:
    """Watches one batch.

    Args:
        output: Where results are written as their jobs are done; None to leave them in the store.
    """

    def __init__(
        self, session: Session, terminal: Terminal, batch_id: str, output: Output | None
    ) -> None:
        self._session = session
        self._terminal = terminal
        self._batch_id = batch_id
        self._output = output
        self._told: dict[str, State] = {}
        self._jobs: list[Job] = []
        self._hindrance: str | None = None
        self.written: dict[str, list[Path]] = {}
        """The files that were written for each job, by its id."""
        self.unwritten: dict[str, str] = {}
        """Why a result could not be written, by the job's id."""

    def follow(self) -> None:
        """Return when every job of the batch has ended, and every search for speakers.

        Raises:
            DeviceLost: this process has lost the GPU, and can end nothing more.
        """
        with self._terminal.bars() as bars:
            while True:
                begun = time.monotonic()
                if self._look(bars):
                    return
                if self._session.keep_working():
                    self._terminal.say("The server is gone: this command does the work now.")
                # Thousands of files take a while to look at: the work shall have most of the time.
                time.sleep(max(POLL_SECONDS, 5 * (time.monotonic() - begun)))

    def look(self) -> None:
        """Look once, and write what results there are, with the speakers that are known."""
        with self._terminal.bars() as bars:
            self._look(bars, wait_for_speakers=False)

    def _look(self, bars: Bars, wait_for_speakers: bool = True) -> bool:
        front = self._session.front
        self._jobs = front.jobs(self._batch_id)
        searches = front.diarizations(self._batch_id) if wait_for_speakers else {}
        stems = exports.unique_stems(job.name for job in self._jobs)
        for job, stem in zip(self._jobs, stems, strict=True):
            over = job.state.over and job.id not in searches
            if over and self._told.get(job.id) is not job.state:
                self._told[job.id] = job.state
                self._tell(job, self._write(job, stem))
        counts = self.counts
        ended = sum(counts[state] for state in State if state.over)
        if ended == len(self._jobs) and not searches:
            return True
        estimate, doing = front.estimate(self._jobs), self._waits_for()
        known = estimate.left is not None and not self._hindrance
        left = f", about {duration(estimate.left or 0)} left" if known else ""
        bars.show("all", doing, estimate.share, f"{ended} of {len(self._jobs)}{left}")
        running = [job for job in self._jobs if job.state is State.RUNNING][:MOST_BARS]
        if not running and isinstance(front, Runtime) and (lost := front.lost()):
            raise DeviceLost(lost)
        for job in running:
            bars.show(job.id, f"  {job.name}", job.progress, job.stage)
        listened = [job for job in self._jobs if job.id in searches][: MOST_BARS - len(running)]
        for job in listened:
            search = searches[job.id]
            stage = search.stage or "waiting for its speakers"
            bars.show(job.id, f"  {job.name}", search.progress, stage)
        bars.keep(["all", *(job.id for job in running + listened)])
        return False

    def _waits_for(self) -> str:
        """Return what the bar of all files says; what holds them up is also said once."""
        front = self._session.front
        hindrance = front.paused() if isinstance(front, Runtime) else None
        if pause := front.queue_pause():
            hindrance = f"The queue was stopped by {pause.by}, and waits to be let go on."
        if hindrance and hindrance != self._hindrance:
            self._terminal.say(hindrance, "yellow")
        self._hindrance = hindrance
        if isinstance(front, Runtime):
            status = front.engine_status()
            if status.state == "loading" and any(j.state is State.RUNNING for j in self._jobs):
                share = "" if status.progress is None else f" ({status.progress:.0%})"
                return f"{status.detail.capitalize()}{share}"
        return "Held up" if hindrance else "All files"

    def _write(self, job: Job, stem: str) -> list[Path]:
        if self._output is None or job.state is not State.DONE:
            return []
        try:
            paths = self._output.write(self._session.front, job, stem)
        except (OutputExists, ScriptoriumError, OSError) as error:
            self.unwritten[job.id] = str(error)
            return []
        self.written[job.id] = paths
        return paths

    def _tell(self, job: Job, paths: list[Path]) -> None:
        if job.state is State.DONE:
            took = "" if job.took is None else f" in {duration(job.took)}"
            to = f": {', '.join(map(str, paths))}" if paths else ""
            self._terminal.say(f"done       {job.name}{took}{to}")
            search = self._session.front.diarization(job.id)
            if search and search.error:
                self._terminal.say(f"           without speakers: {search.error}", "yellow")
            if problem := self.unwritten.get(job.id):
                self._terminal.say(f"           not written: {problem}", "red")
            elif self._output and not paths:
                wanted = ", ".join(self._output.formats)
                self._terminal.say(f"           a {job.kind} is not written as {wanted}", "yellow")
        elif job.state is State.FAILED:
            self._terminal.say(f"failed     {job.name}: {job.error}", "red")
        else:
            self._terminal.say(f"{job.state:<10} {job.name}", "yellow")

    @property
    def counts(self) -> Counter[State]:
        """The number of jobs in each state, when it was last looked."""
        return Counter(job.state for job in self._jobs)

    @property
    def all_done(self) -> bool:
        """Whether every job is done and every result written."""
        return self.counts[State.DONE] == len(self._jobs) and not self.unwritten

    def summary(self) -> str:
        """Return one sentence: how many jobs are in each state."""
        counts = self.counts
        order = (State.DONE, State.FAILED, State.CANCELLED, State.RUNNING, State.QUEUED)
        parts = [f"{counts[state]} {state}" for state in order if counts[state]]
        total = len(self._jobs)
        return f"{total} file{'s' * (total != 1)}: {', '.join(parts)}."

    def report(self) -> list[dict[str, Any]]:
        """Return what is known of each job, for `--json`."""
        return [
            job_report(job)
            | {
                "outputs": [str(path) for path in self.written.get(job.id, [])],
                "output_error": self.unwritten.get(job.id),
            }
            for job in self._jobs
        ]


def job_report(job: Job) -> dict[str, Any]:
    """Return a job as `--json` gives it; times are seconds since the epoch."""
    return {
        "id": job.id,
        "batch": job.batch_id,
        "owner": job.owner,
        "name": job.name,
        "kind": job.kind,
        "state": job.state,
        "progress": job.progress,
        "attempts": job.attempts,
        "error": job.error,
        "error_kind": job.error_kind,
        "engine": job.engine,
        "model": job.model,
        "length": job.length,
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
        "took": job.took,
    }


def duration(seconds: float) -> str:
    """Return a time as people read it."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
