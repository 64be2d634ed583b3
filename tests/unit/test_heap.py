"""Memory that was freed goes back to the system."""

import psutil
import pytest

from services.audio.engines import heap


def test_freed_memory_between_blocks_that_stay_is_given_back():
    if heap._malloc_trim() is None:
        pytest.skip("this C library has no malloc_trim")
    blocks = [bytes([1]) * 100_000 for _ in range(2000)]
    kept = blocks[::50]
    del blocks
    before = psutil.Process().memory_info().rss
    heap.give_back()
    given = before - psutil.Process().memory_info().rss
    assert given > 100_000_000 and len(kept) == 40


def test_where_the_c_library_cannot_nothing_happens(monkeypatch):
    monkeypatch.setattr(heap, "_malloc_trim", lambda: None)
    heap.give_back()
