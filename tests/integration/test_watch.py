"""Watched folders through the whole server: real documents, real reading, a real restart."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

import services.runtime
from pages.context import plain
from services.config import Settings
from services.jobs.models import State
from services.runtime import Runtime
from services.watch.root import RootState
from tests import media
from tests.waiting import until
from tests.watching import Desk, tree

ROOT = Path(__file__).parents[2]
KILLS, SEED = 6, 20261121


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
        # One batch, or more where an antivirus program still has some of them open.
        batches = runtime.batches()
        assert {one.batch.owner for one in batches} == {"ana"}
        assert sum((Counter(one.counts) for one in batches), Counter()) == {
            State.DONE: 1,
            State.FAILED: 2,
        }
        assert list(tree(tmp_path / "out")) == ["papers/letter.txt"]
        assert b"Dear Ana" in tree(tmp_path / "out")["papers/letter.txt"]

    (inbox / "failed" / "text.wav").rename(inbox / "again.wav")
    media.write_pdf(inbox / "new.pdf", ["Dear Bob"])
    with Runtime(settings) as runtime:
        until(lambda: len(tree(inbox / "done")) == 2 and len(tree(inbox / "failed")) == 2)
        assert runtime.count_batches() == len(batches) + 1
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
        page = AppTest.from_file(ROOT / "pages" / "system.py", default_timeout=30)
        until(lambda: runtime.watched_folders()[0].state is RootState.MISSING)
        page.run()
        assert not page.exception
        assert plain(f"{inbox} is not there") in page.warning[0].value
        inbox.mkdir()
        (inbox / "empty.pdf").touch()
        (look_now,) = [button for button in page.button if button.label == "Look now"]
        look_now.click().run()  # and not in ten seconds
        until(lambda: runtime.watched_folders()[0].waiting == 1)
        page.run()
        assert not page.exception and not page.warning
        (line,) = [
            table.value for table in page.table if plain(str(inbox)) in table.value.to_string()
        ]
        assert "1 file waiting to be whole" in line.to_string()


def test_killed_again_and_again_each_file_is_one_job_and_moved_once(tmp_path):
    chance = random.Random(SEED)
    data, inbox, output = (tmp_path / name for name in ("data", "inbox", "out"))
    command = [sys.executable, "-m", "tests.watching", *map(str, (data, inbox, output))]
    inbox.mkdir()
    written: dict[str, bytes] = {}

    def start() -> subprocess.Popen[bytes]:
        server = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert server.stdout.readline().strip() == b"up"
        return server

    for kill in range(KILLS):
        for number in range(8):  # more comes while it runs; every fourth is a copy of another
            name = f"{'bad' if number == 5 else 'talk'}-{kill}-{number}.wav"
            written[name] = b"%d" % (kill * 8 + number - (number % 4 == 3))
            (inbox / name).write_bytes(written[name])
        server = start()
        time.sleep(chance.uniform(0.05, 0.9))
        server.kill()
        server.communicate()
    server = start()
    desk = Desk(data)
    root = desk.root(inbox)
    until(lambda: not list(inbox.glob("*.wav")) and root.status(False, None).in_work == 0)
    server.kill()
    server.communicate()

    jobs = desk.jobs()
    assert len(jobs) == len({job.sha256 for job in jobs}) == len(set(written.values()))
    moved = tree(inbox)
    assert {Path(path).name: content for path, content in moved.items()} == written
    assert len([job for job in jobs if job.state is State.FAILED]) == KILLS
    done = {Path(path).stem: text for path, text in moved.items() if path.startswith("done/")}
    assert len(done) == 7 * KILLS
    results = {Path(path).stem: text for path, text in tree(output).items()}
    assert results == {stem: b"one two: %s\n" % text for stem, text in done.items()}
    desk.close()
