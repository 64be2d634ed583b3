"""How far a batch is, and how long it will still take."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from services.jobs.models import Job, Kind, State, Work

_UNKNOWN_LENGTH = {Kind.AUDIO: 60.0, Kind.DOCUMENT: 10.0, Kind.UNKNOWN: 1.0}


@dataclass(frozen=True)
class Estimate:
    """`share` of the work that is done, from 0 to 1; `elapsed` and `left` in seconds.

    `elapsed` is the time in which something of the batch was in work. `left` is None while too
    little is known.
    """

    share: float
    elapsed: float
    left: float | None


def estimate(jobs: Sequence[Job | Work], now: float) -> Estimate:
    """Judge a batch by the length of its files: seconds of audio, pages of documents.

    The two kinds run side by side, so the slower one decides what is left. What ended before the
    others were queued, again perhaps, says nothing about them.
    """
    over = all(job.state.over for job in jobs)
    if not over:
        queued = min(job.queued_at for job in jobs if not job.state.over)
        jobs = [job for job in jobs if not job.state.over or (job.finished_at or 0) >= queued]
    worked = [(j.started_at, j.finished_at or now) for j in jobs if j.started_at is not None]
    elapsed = _covered(worked)
    if over:
        return Estimate(1.0, elapsed, 0.0)
    if not worked:
        return Estimate(0.0, 0.0, None)
    shares, lefts = [], []
    for kind in Kind:
        mine = [job for job in jobs if job.kind is kind]
        if not mine:
            continue
        work = [_length(job) for job in mine]
        done = [length * _share(job) for job, length in zip(mine, work, strict=True)]
        share = sum(done) / sum(work)
        shares.append((share, len(mine)))
        since = min((j.started_at for j in mine if j.started_at is not None), default=None)
        if share < 1:
            known = since is not None and share > 0.02
            begin = now if since is None else since
            lefts.append((now - begin) * (1 - share) / share if known else None)
    total = sum(count for _, count in shares)
    overall = sum(share * count for share, count in shares) / total
    left = None if None in lefts else max((x for x in lefts if x is not None), default=None)
    return Estimate(overall, elapsed, left)


def _covered(times: Iterable[tuple[float, float]]) -> float:
    """Return the seconds that lie in at least one of these stretches of time."""
    covered, until = 0.0, 0.0
    for begin, end in sorted(times):
        covered += max(0.0, end - max(begin, until))
        until = max(until, end)
    return covered


def _length(job: Job | Work) -> float:
    return job.length or _UNKNOWN_LENGTH[job.kind]


def _share(job: Job | Work) -> float:
    return 1.0 if job.state.over else job.progress if job.state is State.RUNNING else 0.0
