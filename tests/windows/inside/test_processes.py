"""What other processes hold: one server per data directory, and the name of who is in the way."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from services.files.holders import holders
from tests.windows.inside.conftest import until
from tests.windows.inside.holder import Holder
from tests.windows.inside.programs import running

ROOT = Path(__file__).parents[3]

# As the runtime takes it.
LOCK_AND_HANG = """
import sys, time
from filelock import FileLock
lock = FileLock(sys.argv[1], timeout=0)
lock.acquire()
print("locked", flush=True)
time.sleep(50)
"""


def test_a_second_server_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    lock = tmp_path / "scriptorium.lock"
    with running(LOCK_AND_HANG, str(lock)) as first:
        assert first.said == "locked"
        with pytest.raises(Timeout):
            FileLock(lock, timeout=0).acquire()
        first.kill()  # no lock may outlive its server
        with FileLock(lock, timeout=10):
            pass


@pytest.mark.real_windows  # Wine 8's Restart Manager knows no processes
def test_the_program_that_holds_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "talk.wav"
    path.write_bytes(b"x")
    with Holder(path) as holder:
        assert any(f"(process {holder.pid})" in name for name in holders(path))


def test_asking_who_holds_a_file_never_fails(tmp_path: Path) -> None:
    (tmp_path / "free.txt").write_text("x")
    for path in (tmp_path / "free.txt", tmp_path / "gone.txt", tmp_path, Path("Q:\\nowhere")):
        assert holders(path) == []


# As the runtimes of libraries do at their start, and programs that inherit standard input.
ASK = """
import contextlib, os, sys, threading, time
from services.processes import take_input
lines = take_input() if sys.argv[1] == "ours" else sys.stdin
reading = threading.Thread(target=lambda: list(lines), daemon=True)
reading.start()
time.sleep(0.5)
with contextlib.suppress(OSError):
    os.lseek(0, 0, os.SEEK_CUR)
print("asked", flush=True)
reading.join(30)
"""


@pytest.mark.parametrize("whose", ["naive", "ours"])
def test_standard_input_can_be_asked_about_while_it_is_read(whose: str) -> None:
    """On Windows whoever asks about a file waits for who reads from it, who waits for a writer."""
    process = subprocess.Popen(
        [sys.executable, "-c", ASK, whose],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    said: list[str] = []
    lines = process.stdout
    reader = threading.Thread(target=lambda: said.extend(line.strip() for line in lines))
    reader.start()
    if whose == "ours":
        until(lambda: said == ["asked"])
    else:
        time.sleep(10)
        assert said == [], "who asks waits for the next request"
    process.stdin.close()
    reader.join(60)
    process.kill()
    process.wait()
    assert said == ["asked"]
