"""Batches, jobs and documents of the tests."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from services.audio.transcript import Transcript
from services.files import operations
from services.files.workspace import Workspace
from services.jobs.claims import Claims
from services.jobs.models import Batch, Job, Kind, NewJob, Options
from services.jobs.results import Results
from services.jobs.store import JobStore

TRANSCRIPT = Transcript("one two", 2.0, "en", "fake", "none")


def save(results: Results, job: Job) -> None:
    """Make TRANSCRIPT a job's result."""
    staged = results.stage(job, TRANSCRIPT)
    try:
        results.publish(job, staged)
    except BaseException:
        operations.discard(staged)
        raise


def submit(
    store: JobStore, workspace: Workspace, names: Sequence[str], kind: Kind = Kind.AUDIO
) -> Batch:
    """Store a batch of small files, each with its name as content."""
    jobs = []
    for name in names:
        stored = workspace.add(name, io.BytesIO(name.encode()))
        jobs.append(NewJob(stored.name, kind, stored.path, stored.sha256, stored.size))
    return store.add_batch("ana", workspace.path, Options(), jobs)


def submit_file(
    store: JobStore, workspace: Workspace, name: str, content: bytes, kind: Kind
) -> Job:
    """Store a batch of one file; return its job."""
    stored = workspace.add(name, io.BytesIO(content))
    new = NewJob(stored.name, kind, stored.path, stored.sha256, stored.size)
    return store.jobs(store.add_batch("ana", workspace.path, Options(), [new]).id)[0]


class Reader:
    """A worker that reads its file, as an engine does, and asks `meanwhile` while it is open."""

    kind = Kind.AUDIO

    def __init__(self, meanwhile: Callable[[Job], None] = lambda job: None) -> None:
        self._meanwhile = meanwhile
        self.closed = threading.Event()

    def run(self, job: Job, claims: Claims) -> None:
        with operations.open_to_read(job.path) as content:
            self._meanwhile(job)
            assert content.read()
        claims.done(job, TRANSCRIPT, length=2.0, engine="fake", model="none", took=0.1)

    def idle(self) -> None:
        pass

    def close(self) -> None:
        self.closed.set()


def pdf(texts: Sequence[str], padding: int = 0) -> bytes:
    """Return a PDF with one line of text a page; `padding` makes it so many bytes longer."""
    count = len(texts)
    kids = " ".join(f"{3 + 2 * number} 0 R" for number in range(count))
    font = 3 + 2 * count
    objects = [b"<< /Type /Catalog /Pages 2 0 R >>"]
    objects.append(f"<< /Type /Pages /Kids [{kids}] /Count {count} >>".encode())
    for number, text in enumerate(texts):
        drawing = f"BT /F1 24 Tf 72 700 Td ({text}) Tj ET".encode()
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {4 + 2 * number} 0 R"
            f" /Resources << /Font << /F1 {font} 0 R >> >> >>".encode()
        )
        objects.append(b"<< /Length %d >>\nstream\n%s\nendstream" % (len(drawing), drawing))
    objects.append(b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>")
    return _with_table(objects, padding)


def _with_table(objects: Sequence[bytes], padding: int) -> bytes:
    content = b"%PDF-1.4\n"
    offsets = []
    for number, body in enumerate(objects, start=1):
        offsets.append(len(content))
        content += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    content += b"%" + b" " * padding + b"\n"
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    return (
        content
        + b"xref\n0 %d\n0000000000 65535 f \n%strailer\n<< /Size %d /Root 1 0 R >>\n"
        % (
            size,
            table,
            size,
        )
        + b"startxref\n%d\n%%%%EOF\n" % len(content)
    )


def write_pdf(path: Path, texts: Sequence[str]) -> Path:
    """Write such a PDF."""
    path.write_bytes(pdf(texts))
    return path
