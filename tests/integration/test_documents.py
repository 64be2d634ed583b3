"""Documents on their way through the whole server."""

from __future__ import annotations

import logging
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from pypdf import PdfReader

from services.config import Settings
from services.errors import PasswordNeeded, PermanentError, ScriptoriumError
from services.jobs import document_files
from services.jobs.models import State
from services.runtime import Runtime
from tests import media
from tests.waiting import until

PASSWORD = "open-sesame-4711"


@pytest.fixture
def runtime(tmp_path: Path) -> Iterator[Runtime]:
    with Runtime(Settings(data_dir=tmp_path / "data", engine="whisper", ocr="rapidocr")) as started:
        yield started


def test_a_password_is_asked_for_used_and_stored_nowhere(runtime, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    path = media.write_pdf(tmp_path / "locked.pdf", ["the secret words"], password=PASSWORD)
    batch = runtime.submit([path])
    runtime.wait(batch.id, timeout=120)
    (job,) = runtime.jobs(batch.id)
    assert (job.state, job.error_kind) == (State.FAILED, "password")
    assert "is protected with a password" in job.error

    with pytest.raises(PasswordNeeded, match="not the password"):
        runtime.unlock(job.id, "wrong")
    assert runtime.job(job.id).state is State.FAILED
    assert runtime.unlock(job.id, PASSWORD) == 1
    runtime.wait(batch.id, timeout=120)
    document = runtime.result(job.id)
    assert document.pages[0].text == "the secret words"
    assert runtime.page_image(job.id, 1).is_file()

    # A restart forgets it: the text is there, and the images ask for the password again.
    runtime.stop()
    data = runtime.settings.data_dir
    for file in data.rglob("*"):
        if file.is_file() and file.suffix != ".pdf":
            assert PASSWORD.encode() not in file.read_bytes(), file
    assert PASSWORD not in caplog.text
    with Runtime(runtime.settings) as again:
        assert again.documents.locked(job.id, again.result(job.id))
        assert again.unlock(job.id, PASSWORD) == 1
        assert not again.documents.locked(job.id, again.result(job.id))
        assert again.job(job.id).state is State.DONE
    runtime.start()


def test_a_long_document_is_cancelled_in_the_middle(runtime, tmp_path):
    path = media.write_slow_pdf(tmp_path / "slow.pdf", slow=2, pages=3, lines=200_000)
    batch = runtime.submit([path])
    (job,) = runtime.jobs(batch.id)
    until(lambda: runtime.job(job.id).progress > 0)
    runtime.cancel(job.id)
    runtime.wait(batch.id, timeout=30)
    next_one = runtime.submit([media.write_pdf(tmp_path / "next.pdf", ["next"])])
    runtime.wait(next_one.id, timeout=60)
    assert runtime.jobs(next_one.id)[0].state is State.DONE
    assert runtime.job(job.id).state is State.CANCELLED


def test_pdfs_are_made_of_documents(runtime, tmp_path):
    """Some pages, a scan with its text, and a batch in one file; nothing of them stays."""
    text = media.write_pdf(
        tmp_path / "text.pdf", ["The first words", "Second page"], size=(420, 220)
    )
    scan = media.write_scan(tmp_path / "scan.pdf", text)
    batch = runtime.submit([text, scan, tmp_path / "missing.pdf"])
    runtime.wait(batch.id, timeout=120)
    jobs = runtime.jobs(batch.id)

    def read(path: Path) -> list[str]:
        pages = [page.extract_text().strip() for page in PdfReader(path).pages]
        path.unlink()
        return pages

    assert read(runtime.documents.pages(jobs[0], "2-")) == ["Second page"]
    assert read(runtime.documents.searchable(jobs[1]))[1] == "Second page"
    for ranges, names in (
        (None, ["01 Part 1.pdf", "02 Part 2.pdf"]),
        ("2, 1-", ["01 pages 2.pdf", "02 pages 1-.pdf"]),
    ):
        archive = runtime.documents.split(jobs[0], ranges)
        assert zipfile.ZipFile(archive).namelist() == names
        archive.unlink()
    with pytest.raises(PermanentError, match="has no chapters"):
        runtime.documents.split(jobs[1], None)
    assert len(read(runtime.documents.merged(jobs))) == 4
    with pytest.raises(PermanentError, match="no pages 7"):
        runtime.documents.pages(jobs[0], "7")
    with pytest.raises(ScriptoriumError):
        runtime.documents.pages(jobs[2], "1")
    assert not list((runtime.settings.temp_root / "scratch").glob("*.[pz]*"))


def test_images_of_pages_do_not_pile_up(runtime, tmp_path, monkeypatch):
    monkeypatch.setattr(document_files, "_MOST_IMAGES", 2)
    path = media.write_pdf(tmp_path / "a.pdf", [str(n) for n in range(5)])
    batch = runtime.submit([path])
    runtime.wait(batch.id, timeout=60)
    (job,) = runtime.jobs(batch.id)
    shown = [runtime.page_image(job.id, number) for number in (1, 2, 3, 4)]
    assert shown[3].is_file() and len(list(shown[0].parent.glob("*.png"))) == 2
    assert runtime.page_image(job.id, 1).is_file(), "one that went is drawn again"
