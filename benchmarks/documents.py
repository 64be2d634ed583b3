"""How fast documents are read, next to other libraries, on the same files in the same run.

Ours is the whole way: a batch submitted to a Runtime, every result saved, with as many workers as
given; the library, which reads results afterwards, is off. The others only take out the text, one
process each. Then a document of 5,000 pages, made of the same files and read by one worker through
a Runtime: what each thousand pages cost, and the memory of the server's own process and of its
worker. Takes about four minutes on two free cores.
Run as `python -m benchmarks.documents FOLDER [PYTHON]`: a folder of PDFs, and a Python that has
pymupdf and markitdown, which are no dependencies of ours (PyMuPDF is AGPL).
"""

from __future__ import annotations

import gc
import json
import logging
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
from pypdf import PdfReader, PdfWriter

from services.config import Settings
from services.jobs.models import Options, State
from services.runtime import Runtime

WORKERS = 2
LONG = 5_000
STEP = 1_000
MB = 2**20

HEAD = """
import json, resource, sys, time
files = sys.argv[1:]
begun, before = time.perf_counter(), time.process_time()
pages = 0
"""
FOOT = """
took = time.perf_counter() - begun
used = resource.getrusage(resource.RUSAGE_SELF)
cpu = time.process_time() - before
print(json.dumps({"pages": pages, "seconds": took, "cpu": cpu, "mb": used.ru_maxrss / 1024}))
"""
PEERS = {
    "pypdf": """
from pypdf import PdfReader
for f in files:
    for p in PdfReader(f).pages:
        p.extract_text(); pages += 1
""",
    "pdfium": """
import pypdfium2
for f in files:
    d = pypdfium2.PdfDocument(f)
    for i in range(len(d)):
        p = d[i]; t = p.get_textpage(); t.get_text_range(); t.close(); p.close(); pages += 1
""",
    "pdfminer": """
from pdfminer.high_level import extract_text
from pypdf import PdfReader
for f in files[-1:]:
    extract_text(f); pages += len(PdfReader(f).pages)
""",
    "PyMuPDF": """
import pymupdf
for f in files:
    for p in pymupdf.open(f):
        p.get_text(); pages += 1
""",
    "MarkItDown": """
from markitdown import MarkItDown
from pypdf import PdfReader
m = MarkItDown()
for f in files[-1:]:
    m.convert(f); pages += len(PdfReader(f).pages)
""",
}
"""What takes out the text, by library; the slow ones get the smallest file only."""


def peer(python: str, name: str, files: list[str]) -> dict[str, float] | None:
    """Run a library over the files in a process of its own; None where it is not installed."""
    code = HEAD + PEERS[name] + FOOT
    done = subprocess.run([python, "-c", code, *files], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"({name}: {done.stderr.strip().splitlines()[-1:]})", file=sys.stderr)
        return None
    values: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return values


def ours(reader: str, files: list[Path], root: Path) -> dict[str, float]:
    """Send the files through a Runtime; return the time from the submission to the last result."""
    with server(root / reader, WORKERS) as runtime:
        warm = runtime.submit([files[0]] * WORKERS, options=Options(reader=reader))
        runtime.wait(warm.id, timeout=600)
        begun, before = time.time(), cpu_seconds()
        batch = runtime.submit(files, options=Options(reader=reader))
        while not all(job.state.over for job in runtime.jobs(batch.id)):
            time.sleep(0.5)  # to ask more often would cost what is measured
        jobs, cpu = runtime.jobs(batch.id), cpu_seconds() - before
        took = max(job.finished_at or 0.0 for job in jobs) - begun
        assert all(job.state is State.DONE for job in jobs), [job.error for job in jobs]
        children = psutil.Process().children()
        peak = max(child.memory_info().rss for child in children) / 2**20
    pages = sum(job.length or 0 for job in jobs)
    return {"pages": pages, "seconds": took, "cpu": cpu, "mb": peak}


def server(data: Path, workers: int) -> Runtime:
    """Return a Runtime that reads documents, to be entered."""
    return Runtime(
        Settings(data_dir=data, engine="whisper", library=False, document_workers=workers)
    )


def cpu_seconds() -> float:
    """Return the processor time of this process and its workers."""
    own = psutil.Process()
    times = [process.cpu_times() for process in (own, *own.children())]
    return sum(time.user + time.system for time in times)


def long_document(files: list[Path], target: Path) -> None:
    """Write a document of LONG pages, made of the files again and again."""
    writer = PdfWriter()
    while len(writer.pages) < LONG:
        for file in files:
            left = LONG - len(writer.pages)
            if left:
                count = len(PdfReader(file).pages)
                writer.append(file, pages=(0, min(left, count)), import_outline=False)
    writer.write(target)


@dataclass(frozen=True)
class Moment:
    """Where the reading of a long document is."""

    pages: float
    cpu: float
    """Processor seconds of the server and its worker."""
    server_mb: float
    worker_mb: float


def read_long(reader: str, path: Path, root: Path) -> Iterator[Moment]:
    """Send a long document through a Runtime; yield where it is, from submission to result."""
    own = psutil.Process()
    with server(root / f"long-{reader}", 1) as runtime:
        small = PdfWriter()
        small.add_blank_page(100, 100)
        small.write(root / "small.pdf")
        runtime.wait(runtime.submit([root / "small.pdf"]).id, timeout=60)  # starts the worker

        def moment(pages: float) -> Moment:
            below = (child.memory_info().rss for child in own.children())
            return Moment(pages, cpu_seconds(), own.memory_info().rss / MB, sum(below) / MB)

        before = moment(0)
        yield before
        batch = runtime.submit([path], options=Options(reader=reader))
        while not (job := runtime.jobs(batch.id)[0]).state.over:
            yield moment(job.progress * LONG)
            time.sleep(0.05)
        assert job.state is State.DONE and job.length == LONG, job.error
        del job
        gc.collect()
        yield moment(LONG)


def print_long(reader: str, moments: list[Moment]) -> None:
    """Print what each thousand pages cost, and what the processes held at its end."""
    print(f"\nOne document of {LONG:,} pages, `{reader}`, one worker, to its saved result:\n")
    print("| pages | processor ms a page | server, MB | worker, MB |\n|---|---|---|---|")
    begun = moments[0]
    print(f"| 0 | | {begun.server_mb:.0f} | {begun.worker_mb:.0f} |")
    for end in range(STEP, LONG + 1, STEP):
        at = next(one for one in moments if one.pages >= end)
        cost = 1000 * (at.cpu - begun.cpu) / (at.pages - begun.pages)
        print(f"| {at.pages:.0f} | {cost:.2f} | {at.server_mb:.0f} | {at.worker_mb:.0f} |")
        begun = at
    last, whole = moments[-1], 1000 * (moments[-1].cpu - moments[0].cpu) / LONG
    peak = max(one.server_mb for one in moments)
    print(f"| saved | {whole:.2f} in all | {last.server_mb:.0f} | {last.worker_mb:.0f} |")
    print(f"\nThe server held {peak:.0f} MB at most, while it put the document together.")
    sys.stdout.flush()


def main() -> None:
    """Run everything and print the tables."""
    logging.disable(logging.CRITICAL)
    if sys.argv[1] == "--make":
        long_document([Path(name) for name in sys.argv[3:]], Path(sys.argv[2]))
        return
    if sys.argv[1] == "--read":
        path = Path(sys.argv[3])
        print_long(sys.argv[2], list(read_long(sys.argv[2], path, path.parent)))
        return
    files = sorted(Path(sys.argv[1]).glob("*.pdf"), key=lambda path: -path.stat().st_size)
    python = sys.argv[2] if len(sys.argv) > 2 else sys.executable
    with tempfile.TemporaryDirectory() as root:  # one: a Runtime moves the temporary files
        compare(files, python, Path(root))
        # In processes of their own: one that is measured has done nothing else.
        again = [sys.executable, "-m", "benchmarks.documents"]
        path = Path(root) / "long.pdf"
        subprocess.run([*again, "--make", path, *files], check=True)
        for reader in ("auto", "pypdf"):
            subprocess.run([*again, "--read", reader, path], check=True)


def compare(files: list[Path], python: str, root: Path) -> None:
    """Print the table of ours and its peers."""
    rows: list[tuple[str, dict[str, float] | None]] = []
    names = [str(path) for path in files]
    for name in PEERS:
        here = name in ("pypdf", "pdfium", "pdfminer")
        found = peer(sys.executable if here else python, name, names)
        rows.append((f"{name}, one process", found))
    for reader in ("pypdf", "auto"):
        found = ours(reader, files, root)
        rows.append((f"ours, `{reader}`, {WORKERS} workers, to saved results", found))
    bare = rows[0][1]
    assert bare is not None
    base = bare["pages"] / bare["seconds"]
    print(f"{bare['pages']:.0f} pages in {len(files)} files on {os.cpu_count()} cores\n")
    print("| | pages/s | against bare pypdf | processor ms a page | peak of a process, MB |")
    print("|---|---|---|---|---|")
    for name, row in rows:
        if row is not None:
            speed = row["pages"] / row["seconds"]
            cost = 1000 * row["cpu"] / row["pages"]
            print(f"| {name} | {speed:.0f} | {speed / base:.2f} | {cost:.1f} | {row['mb']:.0f} |")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
