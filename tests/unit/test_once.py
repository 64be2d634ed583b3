"""A submission that is sent twice with one key makes one batch."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from services.errors import KeyReused
from services.jobs import store as store_module
from services.jobs.models import Kind, NewJob, Options
from services.jobs.once import KEPT, Once
from services.jobs.store import JobStore, new_id

JOBS = [NewJob("talk.wav", Kind.AUDIO, Path("/talk.wav"), "0" * 64, 1)]
ONCE = Once("key", "a" * 64)


@pytest.fixture
def now() -> list[float]:
    return [1000.0]


@pytest.fixture
def store(store_url, now):
    made = JobStore(store_url, clock=lambda: now[0])
    yield made
    made.close()


def add(store: JobStore, owner: str = "ana", once: Once | None = ONCE) -> str:
    return store.add_batch(owner, Path(new_id()), Options(), JOBS, once).id


def test_the_same_key_makes_one_batch_for_a_day(store, now):
    first = add(store)
    assert add(store) == first and len(store.jobs(first)) == 1
    now[0] += KEPT - 1
    assert add(store) == first
    now[0] += 2
    assert add(store) != first


def test_another_persons_key_and_no_key_are_others(store):
    assert len({add(store), add(store, "ben"), add(store, once=None), add(store, once=None)}) == 4


def test_a_key_with_something_else_is_refused_and_nothing_is_stored(store):
    add(store)
    with pytest.raises(KeyReused, match="Something else"):
        add(store, once=Once("key", "b" * 64))
    assert store.count_batches() == 1


def test_a_key_whose_batch_was_deleted_does_not_bring_it_back(store, tmp_path):
    first = add(store)
    store.delete({job.id: tmp_path for job in store.jobs(first)})
    with pytest.raises(KeyReused, match="deleted"):
        add(store)


def test_many_at_the_same_moment_make_one_batch(store):
    found: list[str] = []
    threads = [threading.Thread(target=lambda: found.append(add(store))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8 and len(set(found)) == 1 and store.count_batches() == 1


def test_one_that_is_seen_only_when_it_is_written_is_found_too(store, monkeypatch):
    """As on PostgreSQL, where two transactions may look before either has written."""
    first = add(store)
    looks = iter([lambda *_: None, store_module.earlier])
    monkeypatch.setattr(store_module, "earlier", lambda *given: next(looks)(*given))
    assert add(store) == first and store.count_batches() == 1
