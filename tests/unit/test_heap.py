"""Memory that was freed goes back to the system."""

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from services import heap

ROOT = Path(__file__).parents[2]


def test_freed_memory_between_blocks_that_stay_is_given_back():
    if heap._function("malloc_trim") is None:
        pytest.skip("this C library has no malloc_trim")
    blocks = [bytes([1]) * 100_000 for _ in range(2000)]
    kept = blocks[::50]
    del blocks
    before = psutil.Process().memory_info().rss
    heap.give_back()
    given = before - psutil.Process().memory_info().rss
    assert given > 100_000_000 and len(kept) == 40


def test_where_the_c_library_cannot_nothing_happens(monkeypatch):
    monkeypatch.setattr(heap, "_function", lambda name: None)
    heap.give_back()
    heap.limit_heaps()


THREADS = """
import re, sys, threading
from services import heap

if sys.argv[1] == "together":
    heap.limit_heaps()
held, all_at_once = [], threading.Barrier(9)

def work():
    all_at_once.wait()
    held.append([bytearray(5_000) for _ in range(200)])
    all_at_once.wait()

threads = [threading.Thread(target=work) for _ in range(8)]
for thread in threads:
    thread.start()
all_at_once.wait()
all_at_once.wait()
for thread in threads:
    thread.join()
# A heap of a thread begins at a multiple of 64 MiB.
starts = [int(line.split("-")[0], 16) for line in open("/proc/self/maps") if " rw-p " in line]
print(sum(start % (64 << 20) == 0 for start in starts))
"""


def heaps(how: str) -> int:
    command = [sys.executable, "-c", THREADS, how]
    return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)


def test_threads_share_two_heaps():
    if heap._function("mallopt") is None or os.environ.get("MALLOC_ARENA_MAX"):
        pytest.skip("this C library has one heap, or was told how many")
    assert heaps("together") <= 1 < heaps("apart"), "beside the one that the process begins with"


ENDS = """
import sys, threading
import psutil
from services import heap

if sys.argv[1] == "together":
    heap.limit_heaps()

def work():
    bytearray(30 << 20)  # of pages of its own
    held = [bytearray(1 << 20) for _ in range(30)]
    held.clear()

threading.Thread(target=bytearray, args=(1,)).start()  # what threads need is there
before = psutil.Process().memory_info().rss
thread = threading.Thread(target=work)
thread.start()
thread.join()
heap.give_back()
print(psutil.Process().memory_info().rss - before)
"""


def test_what_is_free_at_a_heaps_end_is_given_back():
    if heap._function("mallopt") is None:
        pytest.skip("this C library does not keep it, or cannot be told")

    def kept(how: str) -> int:
        command = [sys.executable, "-c", ENDS, how]
        return int(subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout)

    assert kept("together") < 5_000_000 < 25_000_000 < kept("apart")
