"""The indexer between the job store and a library that does as the tests tell it."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import pytest

from services.documents.document import Document, Page
from services.errors import WorkerDied
from services.jobs.entries import IndexEntries, Labels
from services.jobs.indexing import Indexer
from services.jobs.models import Kind, NewJob, Options, State
from services.jobs.results import Results
from services.jobs.store import JobStore, new_id
from services.library.enrich import Enrichment
from services.library.models import Chunk
from tests.waiting import until


class FakeLibrary:
    """Keeps sources in memory; `fails` are raised one by one, while `hold` is clear it waits."""

    def __init__(self) -> None:
        self.sources: dict[str, tuple] = {}
        self.fails: list[Exception] = []
        self.hold = threading.Event()
        self.hold.set()
        self.closed = threading.Event()
        self.process = SimpleNamespace(close=self.close, end_when_idle=lambda: False)

    def close(self) -> None:
        self.closed.set()
        self.hold.set()

    def prepare(self, result) -> SimpleNamespace:
        self.hold.wait()
        if self.closed.is_set():
            raise WorkerDied("the library is being closed")
        if self.fails:
            raise self.fails.pop(0)
        chunks = [Chunk(page["text"]) for page in result["pages"]]
        return SimpleNamespace(chunks=chunks, enrichment=Enrichment("de", summary="short"))

    def write(self, source, prepared) -> Future[int]:
        self.sources[source.id] = (source, prepared)
        return done(len(prepared.chunks))

    def delete(self, sources) -> Future[int]:
        for one in sources:
            del self.sources[one]
        return done(0)

    def label(self, source, name, tags, collections) -> Future[int]:
        self.labelled = (source, name, tags, collections)
        return done(0)


def done(value: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(value)
    return future


class House:
    def __init__(self, directory: Path, url: str) -> None:
        self.url = url
        self.now = 1000.0
        self.store = JobStore(self.url, clock=lambda: self.now)
        self.results = Results(directory / "results")
        self.original = directory / "original.pdf"
        self.original.write_bytes(b"%PDF")
        self.library = FakeLibrary()
        self.entries = self.made_with("model 1")
        self.indexers: list[Indexer] = []

    def made_with(self, how: str) -> IndexEntries:
        return IndexEntries(self.url, how, clock=lambda: self.now)

    def start(self, **how) -> Indexer:
        self.library.closed.clear()
        indexer = Indexer(self.entries, self.results, self.library, interval=0.01, **how)
        indexer.start()
        self.indexers.append(indexer)
        return indexer

    def add_job(self, name: str = "a.pdf", pages: int = 2) -> str:
        new = NewJob(name, Kind.DOCUMENT, self.original, "0" * 64, 4)
        self.store.add_batch("ana", Path(new_id()), Options(), [new])
        job = self.store.claim(Kind.DOCUMENT)
        assert job is not None
        staged = self.results.stage(job, Document({}, [Page(n + 1, "text") for n in range(pages)]))
        publish = partial(self.results.publish, job, staged)
        made = {"length": pages, "engine": "e", "model": "", "note": None}
        assert self.store.finish(job, publish, **made)
        return job.id

    def state(self, job_id: str) -> State | None:
        entry = self.entries.of([job_id]).get(job_id)
        return entry.state if entry else None


@pytest.fixture
def house(tmp_path, store_url):
    made = House(tmp_path, store_url)
    yield made
    for indexer in made.indexers:
        indexer.stop()
    made.entries.close()
    made.store.close()


def test_what_was_done_before_and_what_is_done_now_is_indexed(house):
    before = house.add_job("before.pdf")
    assert house.entries.counts() == {State.QUEUED: 1}
    batch = house.store.job(before).batch_id
    assert house.entries.waiting(batch) == 1 and house.entries.waiting("none") == 0
    house.start()
    now = house.add_job("now.pdf", pages=3)
    until(lambda: house.state(now) is State.DONE and house.state(before) is State.DONE)
    assert house.entries.indexed() == {before: 2, now: 3} and house.entries.waiting(batch) == 0
    source, prepared = house.library.sources[now]
    assert (source.name, source.owner, source.kind) == ("now.pdf", "ana", "document")
    assert [one.text for one in prepared.chunks] == ["text"] * 3
    assert source.language == "de" and house.entries.of([now])[now].summary == "short"


def test_results_wait_while_a_speech_model_needs_the_cores_and_deletions_do_not(house):
    gone = house.add_job()
    first = house.start()
    until(lambda: house.state(gone) is State.DONE)
    first.stop()
    busy = threading.Event()
    busy.set()
    house.start(busy=busy.is_set, patience=3600)
    later = house.add_job()
    house.store.delete({gone: house.results.directory(gone)})
    until(lambda: gone not in house.library.sources)
    assert house.state(later) is None
    busy.clear()
    until(lambda: house.state(later) is State.DONE)


def test_results_wait_no_longer_than_patience_for_a_model_that_is_always_busy(house):
    first = house.add_job()
    house.start(busy=lambda: True, patience=0.2)
    until(lambda: house.state(first) is State.DONE)
    second = house.add_job()
    until(lambda: house.state(second) is State.DONE)


def test_a_job_stays_done_whatever_happens_to_its_indexing(house):
    job = house.add_job()
    house.library.fails = [RuntimeError("odd")] * 10
    house.start()

    def waits_after(tries: int) -> bool:
        entry = house.entries.of([job]).get(job)
        return bool(entry and entry.state is State.QUEUED and entry.tries == tries)

    for tries, pause in enumerate((10, 60, 600), start=1):
        until(lambda tries=tries: waits_after(tries))
        assert house.store.job(job).state is State.DONE
        house.now += pause
    until(lambda: house.state(job) is State.FAILED)
    assert "RuntimeError: odd" in house.entries.of([job])[job].error
    house.library.fails = []
    assert house.entries.again([job]) == 1
    until(lambda: house.state(job) is State.DONE)
    assert house.entries.of([job])[job].error is None


def test_what_was_running_at_a_kill_is_taken_up_again(house):
    job = house.add_job()
    taken = house.entries.take()
    assert taken is not None and taken.id == job and house.entries.take() is None
    house.start()  # as after a kill: nobody finished it
    until(lambda: house.state(job) is State.DONE)


def test_stopping_does_not_wait_for_a_long_file_and_takes_it_up_later(house):
    job = house.add_job()
    house.library.hold.clear()
    indexer = house.start()
    until(lambda: house.state(job) is State.RUNNING)
    indexer.stop()
    assert house.state(job) is State.QUEUED and house.library.sources == {}
    assert house.entries.of([job])[job].tries == 0, "this try does not count"
    house.start()
    until(lambda: house.state(job) is State.DONE)


def test_another_model_indexes_everything_again(house):
    job = house.add_job()
    house.start()
    until(lambda: house.state(job) is State.DONE)
    house.indexers.pop().stop()
    house.library.sources.clear()
    house.entries.close()
    house.entries = house.made_with("model 2")
    house.start()
    until(lambda: job in house.library.sources)
    until(lambda: house.state(job) is State.DONE)


def test_nothing_is_known_of_a_deleted_job_while_no_indexer_runs(house):
    indexed, named = house.add_job(), house.add_job("b.pdf")
    indexer = house.start()
    until(lambda: house.state(indexed) is house.state(named) is State.DONE)
    indexer.stop()
    house.entries.label(named, Labels("A name", ["a tag"]))
    assert house.entries.of([indexed])[indexed].about.summary == "short"
    house.store.delete({one: house.results.directory(one) for one in (indexed, named)})
    assert house.entries.labels([named]) == {}
    left = house.entries.of([indexed])
    assert not left or not left[indexed].about
    assert sorted(house.entries.unwanted()) == sorted([indexed, named]), "the library is told"


def test_a_deleted_job_leaves_the_library(house):
    gone, stays = house.add_job("gone.pdf"), house.add_job("stays.pdf")
    house.entries.label(gone, Labels("named"))
    house.start()
    until(lambda: len(house.entries.indexed()) == 2)
    assert house.store.delete({gone: house.results.directory(gone)}) == 1
    until(lambda: set(house.library.sources) == {stays})
    until(lambda: house.state(gone) is None)
    assert house.entries.labels([gone]) == {}


def test_labels_reach_the_library_also_when_they_are_set_before_it_is_ready(house):
    job = house.add_job()
    house.entries.label(job, Labels("Scribes", ("red",), ("shelf",)))
    house.start()
    until(lambda: house.state(job) is State.DONE)
    source, _ = house.library.sources[job]
    assert (source.name, source.tags, source.collections) == ("Scribes", ("red",), ("shelf",))
    house.entries.label(job, Labels(None, ("blue",)))
    until(lambda: getattr(house.library, "labelled", ("",))[2:] == (("blue",), ()))
    assert house.library.labelled[:2] == (job, "a.pdf")
    until(lambda: not house.entries.unwritten())
    assert house.entries.label_names("tags") == ["blue"]
