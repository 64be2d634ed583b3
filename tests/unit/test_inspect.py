import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from services.documents.process import DocumentProcess
from services.errors import PasswordNeeded
from services.jobs.inspect import Inspection, Inspector
from services.jobs.models import Kind
from tests import media
from tests.waiting import until


@pytest.fixture(scope="module")
def inspector():
    process = DocumentProcess(memory_mb=1024, page_timeout=20)
    yield Inspector([process])
    process.close()


def test_a_recording_says_its_length(inspector, tmp_path):
    path = media.write_wav(tmp_path / "a.wav", media.tone(2.5))
    assert inspector.inspect(path, "a.wav") == Inspection(Kind.AUDIO, 2.5)


def test_a_video_is_its_sound(inspector, tmp_path):
    path = media.write_sound(tmp_path / "a.mp4", media.tone(2, 44_100), codec="aac", video=True)
    found = inspector.inspect(path, "a.mp4")
    assert found.kind is Kind.AUDIO and found.length == pytest.approx(2, abs=0.1)


def test_a_document_says_its_pages(inspector, tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two", "three"])
    assert inspector.inspect(path, "a.pdf") == Inspection(Kind.DOCUMENT, 3)


def test_content_counts_more_than_the_name(inspector, tmp_path):
    pdf = media.write_pdf(tmp_path / "a.wav", ["one"])
    assert inspector.inspect(pdf, "a.wav") == Inspection(Kind.DOCUMENT, 1)
    wav = media.write_wav(tmp_path / "stored", media.tone(1))
    assert inspector.inspect(wav, "notes.txt") == Inspection(Kind.AUDIO, 1.0)


def mute(path: Path) -> None:
    media.write_silent_video(path.with_suffix(".mp4")).replace(path)


PROBLEMS = {
    "empty.wav": (lambda path: path.write_bytes(b""), Kind.AUDIO, "is empty"),
    "empty.pdf": (lambda path: path.write_bytes(b""), Kind.DOCUMENT, "is empty"),
    "text.wav": (lambda path: path.write_text("Dear Ana"), Kind.AUDIO, "cannot be read as audio"),
    "mute.mp4": (mute, Kind.AUDIO, "has no sound"),
    "letter.txt": (lambda path: path.write_text("Dear Ana"), Kind.UNKNOWN, "(.txt)"),
    "photo": (lambda path: path.write_bytes(b"\x89PNG"), Kind.UNKNOWN, "(without an extension)"),
    "broken.pdf": (lambda path: path.write_text("x"), Kind.DOCUMENT, "damaged or not a PDF"),
    "none.pdf": (
        lambda path: path.write_bytes(media.pdf_without_pages()),
        Kind.DOCUMENT,
        "has no pages",
    ),
}


@pytest.mark.parametrize("name", PROBLEMS)
def test_what_cannot_be_processed_says_why(inspector, tmp_path, name):
    make, kind, message = PROBLEMS[name]
    path = tmp_path / "stored"
    make(path)
    found = inspector.inspect(path, name)
    assert found.kind is kind and found.length is None
    assert found.problem.startswith(f"“{name}”") and message in found.problem


def test_a_document_that_needs_a_password_can_be_queued(inspector, tmp_path):
    path = media.write_pdf(tmp_path / "stored", ["x"], password="y")
    found = inspector.inspect(path, "locked.pdf")
    assert (found.kind, found.locked, found.problem) == (Kind.DOCUMENT, True, None)
    with pytest.raises(PasswordNeeded, match="not the password"):
        inspector.unlock(path, "locked.pdf", "x")
    inspector.unlock(path, "locked.pdf", "y")


def test_a_file_that_is_gone(inspector, tmp_path):
    found = inspector.inspect(tmp_path / "stored", "a.wav")
    assert found.problem == "“a.wav” cannot be opened: No such file or directory."


class SlowProcess:
    """A process that takes its time over each file until it is let go on."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.go_on = threading.Event()
        self.calls = 0

    def call(self, operation: str, **request: object) -> Iterator[dict[str, object]]:
        self.calls += 1
        self.asked.set()
        assert self.go_on.wait(60)
        yield {"event": "opened", "count": 1}

    def close(self) -> None:
        pass


def test_a_file_that_takes_its_time_holds_nobody_up(workspace, tmp_path):
    """Neither the others of its batch nor another person."""
    slow, free = SlowProcess(), SlowProcess()
    free.go_on.set()
    inspector = Inspector([free, slow])  # the last one is asked first
    paths = [media.write_pdf(tmp_path / f"{name}.pdf", [name]) for name in "ab"]
    with ThreadPoolExecutor(1) as pool:
        jobs = pool.submit(inspector.new_jobs, workspace, [*paths, tmp_path / "none.pdf"])
        until(lambda: slow.asked.is_set() and free.asked.is_set())
        assert inspector.inspect(paths[1], "b.pdf") == Inspection(Kind.DOCUMENT, 1)
        assert not jobs.done()
        slow.go_on.set()
        found = jobs.result(60)
    assert [(job.name, job.kind, job.length) for job in found] == [
        ("a.pdf", Kind.DOCUMENT, 1),
        ("b.pdf", Kind.DOCUMENT, 1),
        ("none.pdf", Kind.UNKNOWN, None),
    ]
    with pytest.raises(FileNotFoundError) as gone:
        (tmp_path / "none.pdf").stat()
    assert found[2].error == f"“none.pdf”: {gone.value.strerror}."


def test_what_will_not_be_submitted_is_looked_at_no_more(workspace, tmp_path):
    slow = SlowProcess()

    def files() -> Iterator[Path]:
        for number in range(20):
            yield media.write_pdf(tmp_path / f"{number}.pdf", ["a page"])
        slow.asked.wait(60)
        slow.go_on.set()
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Inspector([slow]).new_jobs(workspace, files())
    assert slow.calls < 20


def test_a_document_that_takes_too_long_to_open_is_left_to_its_job(tmp_path, monkeypatch):
    path = media.write_pdf(tmp_path / "a.pdf", ["one"])
    process = DocumentProcess(memory_mb=1024, page_timeout=1e-6)
    monkeypatch.setattr("services.documents.process._FIRST_ANSWER", 0.0)
    try:
        assert Inspector([process]).inspect(path, "a.pdf") == Inspection(Kind.DOCUMENT)
    finally:
        process.close()
