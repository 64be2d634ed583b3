"""What the library costs and how fast it finds: one writer against many, and search at size.

Peers, in the same run: rows written one by one, and four processes that each write and optimise.
Run as `python -m benchmarks.library`, or with the names of parts: ingestion, 50000, 500000,
quality. Each part takes a few minutes on two cores.
"""

from __future__ import annotations

import functools
import multiprocessing
import os
import random
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("LANCE_LOG", "error")

import numpy as np
import psutil
import pyarrow as pa

from benchmarks.library_quality import quality
from services.library.embedding import PACKAGED
from services.library.models import EVERYTHING, Chunk, Filters, Source
from services.library.process import EmbeddingProcess
from services.library.search import search
from services.library.table import Table
from services.library.writer import Writer

DIMENSION = 384
DOCUMENTS, PER_DOCUMENT = 1000, 50
WORDS = 110
WORKERS = 4
NAIVE_SECONDS = 60.0
QUERIES = 100
OWNERS = ("ana", "bo", "cy")

_SYLLABLES = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "ol")]
VOCABULARY = np.array([a + b for a in _SYLLABLES for b in _SYLLABLES] + _SYLLABLES)
_ZIPF = np.cumsum(1 / np.arange(1, len(VOCABULARY) + 1))
_ZIPF /= _ZIPF[-1]


@functools.cache
def _centers() -> Any:
    return np.random.default_rng(7).standard_normal((2000, DIMENSION)).astype("f4")


class Texts:
    """Made-up passages: words as frequent as Zipf says, vectors in two thousand clusters."""

    def __init__(self, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)

    def words(self, count: int, length: int = WORDS) -> list[str]:
        """Return `count` texts of `length` words."""
        drawn = np.searchsorted(_ZIPF, self._random.random((count, length)))
        return [" ".join(row) for row in VOCABULARY[drawn]]

    def vectors(self, count: int) -> Any:
        """Return float32 of shape (count, DIMENSION), each of length 1."""
        noise = self._random.standard_normal((count, DIMENSION)).astype("f4")
        made = _centers()[self._random.integers(0, 2000, count)] + 0.7 * noise
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def source(number: int) -> Source:
    """Return the source of that number."""
    kind = ("audio", "document")[number % 2]
    return Source(f"{number:032x}", f"{number}.pdf", OWNERS[number % 3], "b", kind, float(number))


def document(number: int, count: int = PER_DOCUMENT) -> tuple[Source, list[Chunk], Any]:
    """Return a source with its passages and their vectors."""
    texts = Texts(number)
    chunks = [Chunk(text, page=page) for page, text in enumerate(texts.words(count), start=1)]
    return source(number), chunks, texts.vectors(count)


# --- ingestion ----------------------------------------------------------------------------


def size_of(directory: Path) -> tuple[int, float]:
    """Return the number of files and their megabytes."""
    sizes = [path.stat().st_size for path in directory.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes) / 1e6


def report(name: str, directory: Path, documents: int, seconds: float, failures: int) -> float:
    """Print a way's line; return its passages per second."""
    table = Table(directory)
    keys = [key for found in table.keys().values() for key in found]
    files, megabytes = size_of(directory)
    rate = documents * PER_DOCUMENT / seconds
    print(
        f"{name:<42}{documents:>6}{seconds:>8.1f}{rate:>10.0f}{failures:>9}"
        f"{len(keys) - len(set(keys)):>9}{table.versions():>9}{files:>7}{megabytes:>8.0f}"
    )
    return rate


def single_writer(directory: Path) -> tuple[float, float, int]:
    """Write everything by the library's writer; return (rate, its seconds, failures)."""
    table = Table(directory)
    writer = Writer(directory, lambda: table)
    made = [document(number) for number in range(DOCUMENTS)]
    begun = time.perf_counter()
    # Every twentieth comes twice, as after a stop at the wrong moment.
    done = [
        writer.put(*made[n], PACKAGED) for n in range(DOCUMENTS) for _ in range(1 + (n % 20 == 0))
    ]
    failures = sum(one.exception() is not None for one in done)
    writer.compact(keep_seconds=0).result()
    seconds = time.perf_counter() - begun
    writer.close()
    rate = report("one writer, bulk commits", directory, DOCUMENTS, seconds, failures)
    return rate, writer.seconds, failures


def _naive(directory: Path, worker: int, results: Any) -> None:
    """Write a quarter of the documents, each as its own upsert with an optimisation after it."""
    table = Table(directory)
    done = failures = 0
    end = time.monotonic() + NAIVE_SECONDS
    for number in range(DOCUMENTS):
        if number % WORKERS != worker and number % 20:  # every twentieth is everybody's
            continue
        if time.monotonic() > end:
            break
        for action in (
            lambda rows: (
                table._table.merge_insert("key")
                .when_matched_update_all()
                .when_not_matched_insert_all()
                .execute(rows)
            ),
            lambda rows: table._table.optimize(),
        ):
            try:
                action(table.rows(*document(number), PACKAGED))
            except Exception:
                failures += 1
        done += number % WORKERS == worker
    results.put((done, failures))


def naive_workers(directory: Path) -> None:
    """Four processes, each with a table of its own, each writing and optimising."""
    processes = multiprocessing.get_context("spawn")
    plain = Table(directory)
    plain.ready_for(DIMENSION)
    results = processes.Queue()
    workers = [
        processes.Process(target=_naive, args=(directory, n, results)) for n in range(WORKERS)
    ]
    begun = time.perf_counter()
    for worker in workers:
        worker.start()
    ended = [results.get() for _ in workers]
    seconds = time.perf_counter() - begun
    for worker in workers:
        worker.join()
    documents, failures = (sum(column) for column in zip(*ended, strict=True))
    report(f"four workers ({NAIVE_SECONDS:.0f} s of it)", directory, documents, seconds, failures)


def row_by_row(directory: Path, documents: int = 20) -> float:
    """Add every passage by itself."""
    table = Table(directory)
    table.ready_for(DIMENSION)
    rows = [table.rows(*document(number), PACKAGED) for number in range(documents)]
    begun = time.perf_counter()
    for batch in rows:
        for n in range(len(batch)):
            table._table.add(batch.slice(n, 1))
    seconds = time.perf_counter() - begun
    return report(f"row by row ({documents} documents)", directory, documents, seconds, 0)


def at_once(directory: Path) -> float:
    """Write everything in one commit; return its megabytes, which is the least there can be."""
    table = Table(directory)
    table.ready_for(DIMENSION)
    table._table.add(pa.concat_tables(table.rows(*document(n), PACKAGED) for n in range(DOCUMENTS)))
    table.compact(0.0)
    return size_of(directory)[1]


def embedding_rate(seconds: float = 30.0) -> float:
    """Return how many passages a second are cut and embedded on this machine."""
    process = EmbeddingProcess("cpu")
    process.embed(PACKAGED, []).result()
    made = 0
    begun = time.perf_counter()
    while time.perf_counter() - begun < seconds:
        pages = [
            {"number": n, "text": text} for n, text in enumerate(Texts(made).words(16), start=1)
        ]
        answer = process.prepare(PACKAGED, {"kind": "document", "pages": pages}).result()
        made += len(answer["chunks"])
    rate = made / (time.perf_counter() - begun)
    process.close()
    return rate


def ingestion(directory: Path) -> None:
    """Print how ingestion compares, and the goals."""
    print(f"{DOCUMENTS} documents of {PER_DOCUMENT} passages")
    heads = ("docs", "s", "chunks/s", "failed", "doubled", "versions", "files", "MB")
    widths = (6, 8, 10, 9, 9, 9, 7, 8)
    print(" " * 42 + "".join(f"{h:>{w}}" for h, w in zip(heads, widths, strict=True)))
    ours, seconds, failures = single_writer(directory / "single")
    slow = row_by_row(directory / "rows")
    naive_workers(directory / "naive")
    least = at_once(directory / "once")
    embedded = embedding_rate()
    share = seconds / (DOCUMENTS * PER_DOCUMENT / embedded + seconds)
    stored = size_of(directory / "single")[1]
    print(f"\n{'':<58}{'measured':>10}{'goal':>8}")
    print(f"{'passages cut and embedded a second (30 s)':<58}{embedded:>10.1f}")
    print(f"{'the writer, share of ingesting at that rate':<58}{share:>10.1%}{'5%':>8}")
    print(f"{'conflicts':<58}{failures:>10}{0:>8}")
    print(f"{'rate against row by row':<58}{ours / slow:>9.0f}x{'5x':>8}")
    print(f"{'storage against one commit of everything':<58}{stored / least:>9.2f}x{'1.3x':>8}")


# --- search at size -----------------------------------------------------------------------


def filled(directory: Path, count: int) -> Table:
    """Return a compacted table of `count` passages."""
    table = Table(directory)
    table.ready_for(DIMENSION)
    texts = Texts()
    step = 500  # documents
    for first in range(0, count // PER_DOCUMENT, step):
        words, vectors = texts.words(step * PER_DOCUMENT), texts.vectors(step * PER_DOCUMENT)
        batches = []
        for n in range(step):
            part = slice(n * PER_DOCUMENT, (n + 1) * PER_DOCUMENT)
            chunks = [Chunk(text, page=page) for page, text in enumerate(words[part], start=1)]
            batches.append(table.rows(source(first + n), chunks, vectors[part], PACKAGED))
        table._table.add(pa.concat_tables(batches))
    table.compact(0.0)
    return table


def timed(action: Callable[[int], Any], count: int) -> tuple[float, float]:
    """Return the median and the 95th percentile of `action` in milliseconds."""
    times = []
    for n in range(count):
        begun = time.perf_counter()
        action(n)
        times.append((time.perf_counter() - begun) * 1000)
    return statistics.median(times), statistics.quantiles(times, n=20)[-1]


def size(directory: Path, count: int, goal: float) -> None:
    """Print how long searches over `count` passages take, and what they hold in memory."""
    begun = time.perf_counter()
    table = filled(directory, count)
    made = time.perf_counter() - begun
    chance = random.Random(1)
    near = Texts(3).vectors(QUERIES)
    typed = [" ".join(Texts(n).words(1, chance.randint(1, 4))) for n in range(QUERIES)]
    phrases = [f'"{" ".join(Texts(n).words(1, 2))}"' for n in range(QUERIES)]
    narrow = Filters(owner="ana", kind="document")
    process = EmbeddingProcess("cpu")
    process.embed(PACKAGED, []).result()

    def embed(n: int) -> None:
        process.embed(PACKAGED, [typed[n]]).result()

    def find(texts: list[str], filters: Filters = EVERYTHING) -> Callable[[int], Any]:
        return lambda n: search(table, texts[n], near[n], PACKAGED, filters)

    timed(find(typed), 20)  # opens the indexes
    memory = [psutil.Process().memory_info().rss / 1e6]
    print(f"\n{count:,} passages, written and indexed in {made:.0f} s, one search after another")
    print(f"{'':<58}{'median':>10}{'p95':>8}{'goal':>8}")
    for name, action in {
        "hybrid, ms": find(typed),
        "hybrid with two filters and open facets, ms": find(typed, narrow),
        "phrase, ms": find(phrases),
        "the question's vector, ms": embed,
    }.items():
        middle, slow = timed(action, QUERIES)
        shown = f"{goal:.0f}" if action is not embed else ""
        print(f"{name:<58}{middle:>10.0f}{slow:>8.0f}{shown:>8}")
        memory.append(psutil.Process().memory_info().rss / 1e6)
    process.close()
    name = f"memory after 20 searches and after {3 * QUERIES} more, MB"
    print(f"{name:<58}{memory[0]:>10.0f}{memory[-1]:>8.0f}")


PARTS: dict[str, Callable[[Path], None]] = {
    "ingestion": ingestion,
    "50000": lambda directory: size(directory, 50_000, 100),
    "500000": lambda directory: size(directory, 500_000, 300),
    "quality": quality,
}


def main() -> None:
    """Run the parts that are asked for, or all."""
    warnings.filterwarnings("ignore", "optimize.cleanup_older_than=0")  # nobody reads beside it
    for name in sys.argv[1:] or PARTS:
        with tempfile.TemporaryDirectory() as directory:
            PARTS[name](Path(directory))


if __name__ == "__main__":
    main()
