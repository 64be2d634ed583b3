"""Documents on their way through the whole server."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.config import Settings
from services.errors import PasswordNeeded
from services.jobs.models import State
from services.runtime import Runtime
from tests import media

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
        assert again.locked_images(job.id, again.result(job.id))
        assert again.unlock(job.id, PASSWORD) == 1
        assert not again.locked_images(job.id, again.result(job.id))
        assert again.job(job.id).state is State.DONE
    runtime.start()


def test_a_long_document_is_cancelled_in_the_middle(runtime, tmp_path):
    path = media.write_slow_pdf(tmp_path / "slow.pdf", slow=2, pages=3, lines=200_000)
    batch = runtime.submit([path])
    (job,) = runtime.jobs(batch.id)
    media.until(lambda: runtime.job(job.id).progress > 0)
    runtime.cancel(job.id)
    runtime.wait(batch.id, timeout=30)
    next_one = runtime.submit([media.write_pdf(tmp_path / "next.pdf", ["next"])])
    runtime.wait(next_one.id, timeout=60)
    assert runtime.jobs(next_one.id)[0].state is State.DONE
    assert runtime.job(job.id).state is State.CANCELLED
