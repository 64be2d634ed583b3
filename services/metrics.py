"""The figures of an instance in the text format of Prometheus.

https://prometheus.io/docs/instrumenting/exposition_formats
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sized
from typing import Any

import psutil
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from services import system
from services.config import Settings
from services.files import disk
from services.jobs.entries import IndexEntries
from services.jobs.figures import Figures, figures
from services.jobs.models import Kind, State
from services.people.people import People
from services.store.database import Database

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_Values = Mapping[Any, float]


class Metrics(Collector):
    """Measures at each call of `text`, and keeps nothing in between.

    Args:
        settings: Whose store, disks and library.
        people: Whose sessions.
        entries: How far the library is.
        locked: What the janitor could not remove yet.
    """

    def __init__(
        self,
        settings: Settings,
        people: People,
        entries: IndexEntries,
        locked: Sized,
    ) -> None:
        self._settings = settings
        self._people = people
        self._entries = entries
        self._locked = locked
        self._database = Database(settings.store_url)
        self._registry = CollectorRegistry(auto_describe=False)
        self._registry.register(self)

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def text(self) -> bytes:
        """Return all figures as they are now."""
        return generate_latest(self._registry)

    def describe(self) -> list[GaugeMetricFamily]:
        """Name nothing beforehand: that would measure."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each figure."""
        now = time.time()
        found = figures(self._database, now)
        yield from self._queue(found, now)
        yield from self._machine()
        yield from self._index(now)
        yield _gauge(
            "janitor_backlog",
            "Directories that have to go and are still there, by why.",
            ("reason",),
            {("deleted",): found.removals, ("locked",): len(self._locked)},
        )
        yield _gauge(
            "sessions", "Browsers that are signed in.", (), {(): self._people.sessions.active()}
        )

    def _queue(self, found: Figures, now: float) -> Iterator[GaugeMetricFamily]:
        work = (Kind.AUDIO, Kind.DOCUMENT)
        jobs = {(k, s): 0.0 for k in work for s in State} | found.jobs
        yield _gauge("jobs", "Jobs by kind and state.", ("kind", "state"), jobs)
        yield _gauge(
            "failed_jobs",
            "Failed jobs by kind and by what they wait for.",
            ("kind", "error"),
            found.failures,
        )
        yield _gauge(
            "queue_depth", "Jobs that wait.", ("kind",), {(k,): jobs[k, State.QUEUED] for k in work}
        )
        yield _gauge(
            "queue_oldest_seconds",
            "Since when the job waits that waits longest.",
            ("kind",),
            {(k,): max(0.0, now - found.oldest.get(k, now)) for k in work},
        )
        yield _gauge(
            "audio_realtime_factor",
            "Seconds of audio per second of work (RTFx), of the last hour; nothing when idle.",
            (),
            {(): found.speed[Kind.AUDIO]} if Kind.AUDIO in found.speed else {},
        )
        yield _gauge(
            "document_pages_per_second",
            "Pages per second of work, of the last hour; nothing when idle.",
            (),
            {(): found.speed[Kind.DOCUMENT]} if Kind.DOCUMENT in found.speed else {},
        )

    def _machine(self) -> Iterator[GaugeMetricFamily]:
        memory = {("server",): float(psutil.Process().memory_info().rss), ("workers",): 0.0}
        for process in psutil.Process().children(recursive=True):
            try:
                memory["workers",] += process.memory_info().rss
            except psutil.Error:
                continue  # it ended meanwhile
        yield _gauge("memory_bytes", "Memory of this server's processes.", ("of",), memory)
        card = system.gpu_memory(int(time.time() // 5))
        yield _gauge(
            "gpu_memory_bytes",
            "Memory of the first NVIDIA card; nothing without one.",
            ("of",),
            {("used",): card[0], ("total",): card[1]} if card else {},
        )
        roots = {"data": self._settings.data_dir, "temp": self._settings.temp_root}
        free = {(name,): float(disk.free(root)) for name, root in roots.items()}
        yield _gauge("disk_free_bytes", "Free room on the disks in use.", ("of",), free)

    def _index(self, now: float) -> Iterator[GaugeMetricFamily]:
        if not self._settings.library:
            return
        counts = self._entries.counts()
        states = (State.QUEUED, State.RUNNING, State.DONE, State.FAILED)
        yield _gauge(
            "index_results",
            "Results by how far the library is with them.",
            ("state",),
            {(state,): counts.get(state, 0) for state in states},
        )
        oldest = self._entries.oldest_waiting()
        yield _gauge(
            "index_lag_seconds",
            "Age of the oldest result that the library does not have yet.",
            (),
            {(): max(0.0, now - oldest) if oldest is not None else 0.0},
        )


def _gauge(name: str, help: str, labels: tuple[str, ...], values: _Values) -> GaugeMetricFamily:
    family = GaugeMetricFamily(f"scriptorium_{name}", help, labels=labels)
    for key, value in values.items():
        family.add_metric([str(part) for part in key], value)
    return family
