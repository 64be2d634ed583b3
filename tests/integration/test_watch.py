"""Watched folders through the whole server: real documents, real reading, a real restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

import services.runtime
from services.config import Settings
from services.jobs.models import State
from services.runtime import Runtime
from services.watch.root import RootState
from tests import media
from tests.watching import tree


SYSTEM_PAGE = Path(__file__).parents[2] / "pages" / "system.py"


def until(true: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings(
        data_dir=tmp_path / "data",
        device="cpu",
        engine="whisper",
        disk_reserve_mb=0,
        document_workers=1,
        watch=[
            {
                "path": tmp_path / "inbox",
                "owner": "ana",
                "after": "move",
                "output": tmp_path / "out",
                "formats": ["txt", "srt"],
            }
        ],
        watch_still_seconds=0.2,
    )


def write_all(inbox: Path) -> None:
    (inbox / "papers").mkdir(parents=True)
    media.write_pdf(inbox / "papers" / "letter.pdf", ["Dear Ana"])
    (inbox / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    (inbox / "text.wav").write_bytes(b"not what its name says\n" * 50)
    (inbox / "notes.txt").write_text("not for us")


def test_a_folder_from_its_files_to_their_results_also_after_a_restart(tmp_path, settings):
    inbox = tmp_path / "inbox"
    moved = ["done/papers/letter.pdf", "failed/broken.pdf", "failed/text.wav", "notes.txt"]
    write_all(inbox)
    with Runtime(settings) as runtime:
        until(lambda: sorted(tree(inbox)) == moved)
        until(lambda: runtime.watched_folders()[0].in_work == 0)
        (summary,) = runtime.batches()
        assert summary.batch.owner == "ana"
        assert summary.counts == {State.DONE: 1, State.FAILED: 2}
        assert list(tree(tmp_path / "out")) == ["papers/letter.txt"]
        assert b"Dear Ana" in tree(tmp_path / "out")["papers/letter.txt"]

    (inbox / "failed" / "text.wav").rename(inbox / "again.wav")
    media.write_pdf(inbox / "new.pdf", ["Dear Bob"])
    with Runtime(settings) as runtime:
        until(lambda: len(tree(inbox / "done")) == 2 and len(tree(inbox / "failed")) == 2)
        assert runtime.count_batches() == 2
        jobs = [job for one in runtime.batches() for job in runtime.jobs(one.batch.id)]
        assert sorted(job.name for job in jobs) == [
            "broken.pdf",
            "letter.pdf",
            "new.pdf",
            "text.wav",
        ]
        assert runtime.watched_folders()[0].taken == 2, "one of them shares a job that was there"


def test_the_system_page_shows_each_folder_and_what_is_wrong(tmp_path, settings, monkeypatch):
    from streamlit.testing.v1 import AppTest

    inbox = tmp_path / "inbox"
    with Runtime(settings) as runtime:
        monkeypatch.setattr(services.runtime, "running", [runtime])
        page = AppTest.from_file(SYSTEM_PAGE, default_timeout=30)
        until(lambda: runtime.watched_folders()[0].state is RootState.MISSING)
        page.run()
        assert not page.exception
        assert f"{inbox} is not there" in page.warning[0].value
        inbox.mkdir()
        (inbox / "empty.pdf").touch()
        page.button[0].click().run()  # look now, and not in ten seconds
        until(lambda: runtime.watched_folders()[0].waiting == 1)
        page.run()
        assert not page.exception and not page.warning
        (line,) = [table.value for table in page.table if str(inbox) in table.value.to_string()]
        assert "1 file waiting to be whole" in line.to_string()
