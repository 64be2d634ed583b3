"""PDFs on Windows: read in a process of their own, and let go of afterwards."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from services.config import Settings
from services.documents.document import Document
from services.documents.pdf_file import PdfFile
from services.documents.process import DocumentProcess
from services.documents.reader import read_document
from services.errors import FileAccessError, UnreadableDocument, WorkerDied
from services.files import operations
from services.files.janitor import LONGEST_PAUSE, Janitor
from services.files.workspace import Workspace
from services.jobs.document_worker import DocumentWorker
from services.jobs.inspect import Inspector
from services.jobs.lane import Lane
from services.jobs.models import Kind, State
from services.jobs.results import Results
from services.jobs.store import JobStore
from tests.windows.inside.batches import pdf, submit_file, write_pdf
from tests.windows.inside.conftest import until
from tests.windows.inside.holder import Holder

NAME = "Jahresbericht 😀 2025.pdf"


@pytest.fixture
def process() -> Iterator[DocumentProcess]:
    started = DocumentProcess(memory_mb=512, page_timeout=20.0)
    yield started
    started.close()


def test_a_pdf_is_read_and_let_go(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / NAME, ["first page", "second page"])
    opened = PdfFile(path, path.name)
    assert [opened.page_text(number) for number in (1, 2)] == ["first page", "second page"]
    # Still referred to, and yet nothing of it may be open: its workspace has to go.
    operations.unlink(path)
    assert not path.exists()
    assert opened.count == 2


def test_a_damaged_pdf_is_let_go_too(tmp_path: Path) -> None:
    path = tmp_path / NAME
    path.write_bytes(b"%PDF-1.7 and nothing else")
    with pytest.raises(UnreadableDocument) as refused:
        PdfFile(path, path.name)
    operations.unlink(path)
    assert refused.value


@pytest.mark.usefixtures("quick_retries")
def test_a_pdf_that_nobody_else_may_read_is_locked_and_not_damaged(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / NAME, ["one"])
    with Holder(path, "alone"), pytest.raises(FileAccessError):
        PdfFile(path, NAME)
    assert PdfFile(path, NAME).count == 1


def test_the_inspector_counts_pages_in_its_own_process(
    tmp_path: Path, process: DocumentProcess
) -> None:
    inspector = Inspector([process])
    found = inspector.inspect(write_pdf(tmp_path / NAME, ["a", "b", "c"]), NAME)
    assert (found.kind, found.length, found.problem) == (Kind.DOCUMENT, 3.0, None)
    damaged = tmp_path / "damaged.pdf"
    damaged.write_bytes(b"%PDF-1.7 and nothing else")
    assert "“damaged.pdf”" in (inspector.inspect(damaged, "damaged.pdf").problem or "")


def test_a_document_is_read_through_the_worker_process(
    tmp_path: Path, process: DocumentProcess
) -> None:
    path = write_pdf(tmp_path / NAME, ["one", "two"])
    document = read_document(process, path, NAME, lambda read, count, stage: True)
    assert document is not None
    assert [page.number for page in document.pages] == [1, 2]
    assert document.pages[1].text == "two"
    operations.unlink(path)


def test_reading_that_is_broken_off_lets_go(tmp_path: Path, process: DocumentProcess) -> None:
    path = write_pdf(tmp_path / NAME, [f"page {number}" for number in range(50)])
    assert read_document(process, path, NAME, lambda read, count, stage: read < 2) is None
    operations.unlink(path)
    assert not path.exists()


def test_worker_processes_leave_no_handle_thread_or_child(tmp_path: Path) -> None:
    path = write_pdf(tmp_path / NAME, ["a"])
    own = psutil.Process()

    def once() -> None:
        process = DocumentProcess(memory_mb=512, page_timeout=20.0)
        list(process.call("count", path=str(path), name=NAME))
        process.close()

    once()
    before = own.num_handles(), threading.active_count()
    for _ in range(2):
        once()
    until(lambda: threading.active_count() <= before[1])
    assert own.num_handles() <= before[0] + 3
    assert own.children() == []


@pytest.mark.usefixtures("quick_retries")
def test_a_pdf_that_is_being_read_stays_and_goes_afterwards(
    tmp_path: Path, workspace: Workspace, store: JobStore, janitor: Janitor
) -> None:
    job = submit_file(store, workspace, NAME, pdf(["one"]), Kind.DOCUMENT)
    results = Results(tmp_path / "results")
    with Holder(job.path):  # a viewer
        with pytest.raises(PermissionError):
            job.path.unlink()
        lane = Lane("documents", DocumentWorker(Settings()), store, results)
        lane.start()
        until(lambda: store.jobs(job.batch_id)[0].state.over, 40.0)
        lane.stop()
        done = store.jobs(job.batch_id)[0]
        assert (done.state, done.error) == (State.DONE, None)
        assert janitor.sweep(time.time()) == []
        assert janitor.waiting
    assert janitor.sweep(time.time() + LONGEST_PAUSE) == [workspace.path]
    result = results.load(job.id)
    assert isinstance(result, Document)
    assert result.pages[0].text == "one"


def test_a_worker_that_takes_too_much_memory_is_ended(tmp_path: Path) -> None:
    """By the parent, which watches on every platform, or by its job object before that."""
    path = write_pdf(tmp_path / NAME, ["word " * 20] * 400)
    greedy = DocumentProcess(memory_mb=24, page_timeout=60.0)
    try:
        with pytest.raises(WorkerDied):
            list(greedy.call("read", path=str(path), name=NAME, first=1, readers=["pypdf"]))
    finally:
        greedy.close()
