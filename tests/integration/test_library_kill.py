"""Thirty kills at random moments of ingestion: nothing is missing, nothing is doubled."""

from __future__ import annotations

import base64
import hashlib
import multiprocessing
import random
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import asdict
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from services.documents.document import Document, Page
from services.jobs.entries import IndexEntries
from services.jobs.indexing import Indexer
from services.jobs.models import Kind, NewJob, Options, State
from services.jobs.results import Results
from services.jobs.store import JobStore
from services.library.check import check
from services.library.chunks import chunk
from services.library.library import Library
from services.library.table import Table

KILLS, JOBS, PAGES = 30, 60, 8


class QuickProcess:
    """Cuts results for real; instead of a model it makes vectors of 16 numbers from a hash."""

    def prepare(self, model: str, result) -> Future:
        chunks = chunk(result, lambda texts: [len(text.split()) for text in texts])
        numbers = b"".join(hashlib.sha512(one.text.encode()).digest() for one in chunks)
        made = np.frombuffer(numbers, "u4").astype("<f4").reshape(-1, 16) / 2**32
        answer: Future = Future()
        answer.set_result(
            {
                "chunks": [asdict(one) for one in chunks],
                "dimension": 16,
                "enrichment": {},
                "vectors": base64.b64encode(made.tobytes()).decode(),
            }
        )
        return answer

    def end_when_idle(self) -> bool:
        return False

    def close(self) -> None:
        pass


def url(data: Path) -> str:
    return f"sqlite:///{data / 'jobs.db'}"


@contextmanager
def ingesting(data: Path) -> Iterator[SimpleNamespace]:
    """Run the indexer, the library and its writer as the server does."""
    library = Library(data / "library", commit_seconds=0.02, commit_chunks=20, compact_commits=5)
    library.process = QuickProcess()  # type: ignore[assignment]
    entries = IndexEntries(url(data), "quick 1")
    indexer = Indexer(entries, Results(data / "results"), library, interval=0.02)
    indexer.start()
    yield SimpleNamespace(library=library, entries=entries)
    indexer.stop()
    library.close()
    entries.close()


def victim(data: Path, started) -> None:
    """Ingest until killed; this is a process of its own."""
    with ingesting(data):
        started.set()
        time.sleep(600)


def fill(data: Path, count: int) -> JobStore:
    """Make a store of jobs that are done."""
    store = JobStore(url(data))
    original = data / "original.pdf"
    original.write_bytes(b"%PDF")
    news = [
        NewJob(f"{n}.pdf", Kind.DOCUMENT, original, f"{n:064x}", 4, PAGES) for n in range(count)
    ]
    store.add_batch("ana", data, Options(), news)
    results = Results(data / "results")
    while (job := store.claim(Kind.DOCUMENT)) is not None:
        pages = [Page(n, f"Page {n} of file {job.name}. " * 20) for n in range(1, PAGES + 1)]
        publish = partial(results.publish, job, results.stage(job, Document({}, pages)))
        store.finish(job, publish, length=PAGES, engine="e", model="", note=None)
    return store


def ingest_all(data: Path, count: int) -> None:
    """Return when everything is indexed."""
    with ingesting(data) as house:
        deadline = time.monotonic() + 60
        while house.entries.counts() != {State.DONE: count} or house.entries.unwanted():
            assert time.monotonic() < deadline, house.entries.counts()
            time.sleep(0.02)


@pytest.mark.skipif(sys.platform == "win32", reason="quick restarts need a fork server")
def test_thirty_kills_leave_nothing_missing_and_nothing_doubled(tmp_path):
    store = fill(tmp_path, JOBS)
    chance = random.Random(20261121)
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["lancedb", "tests.integration.test_library_kill"])
    entries = IndexEntries(url(tmp_path), "quick 1")
    finished = []
    for number in range(KILLS):
        started = forks.Event()
        process = forks.Process(target=victim, args=(tmp_path, started), daemon=True)
        process.start()
        assert started.wait(60)
        time.sleep(chance.uniform(0, 1.0))
        process.kill()
        process.join()
        # What the store says is indexed is in the library, whole and once, at every moment.
        found = check(Table(tmp_path / "library"), entries.indexed(), entries.busy())
        assert not (found.missing or found.uneven or found.doubled), found
        finished.append(len(entries.indexed()))
        if number % 3 == 2:  # there is always something left to be written
            entries.again(
                random.Random(number).sample(list(entries.indexed()), len(entries.indexed()) // 2)
            )
    assert max(finished) > JOBS // 10, "the kills came while it was written"

    ingest_all(tmp_path, JOBS)
    found = check(Table(tmp_path / "library"), entries.indexed(), entries.busy())
    assert not found.broken and found.sources == JOBS and found.chunks >= JOBS * PAGES
    entries.close()
    store.close()


def test_the_check_names_what_is_wrong_and_repairs_it(tmp_path):
    store = fill(tmp_path, 4)
    ingest_all(tmp_path, 4)
    entries = IndexEntries(url(tmp_path), "quick 1")
    table = Table(tmp_path / "library")
    ids = sorted(entries.indexed())
    assert not check(table, entries.indexed()).broken

    rows = table.query().limit(1000).to_arrow()
    of = {one: rows.filter([source == one for source in rows["source"].to_pylist()]) for one in ids}
    table._table.add(of[ids[1]].slice(0, 1))
    stranger = of[ids[1]].slice(0, 2)
    column = rows.schema.get_field_index("source")
    table._table.add(stranger.set_column(column, "source", [["stranger"] * 2]))
    table.delete([ids[0]])
    table._table.delete(f"source = '{ids[2]}' AND ordinal = 0")

    found = check(table, entries.indexed())
    assert found.missing == (ids[0],) and found.doubled == (ids[1],)
    assert found.uneven == (ids[2],) and found.extra == ("stranger",)
    assert check(table, entries.indexed(), busy=set(found.broken)).broken == ()

    entries.remove(found.broken)
    ingest_all(tmp_path, 4)
    repaired = check(Table(tmp_path / "library"), entries.indexed(), entries.busy())
    assert not repaired.broken and (repaired.sources, repaired.chunks) == (4, len(rows))
    entries.close()
    store.close()
