"""What other processes hold: one server per data directory, and the name of who is in the way."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock, Timeout

from services.files.holders import holders
from tests.windows.inside.holder import Holder
from tests.windows.inside.programs import running

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
