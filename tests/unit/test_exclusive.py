import errno
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from services.files import exclusive
from services.files.exclusive import in_use

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="tests/windows has its own")

HOLD = """
import fcntl, sys
held = open(sys.argv[1], sys.argv[2])
if len(sys.argv) > 3:
    fcntl.flock(held, fcntl.LOCK_EX)
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def held(path: Path, mode: str, *lock: str) -> Iterator[None]:
    """Another process has the file open."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path), mode, *lock],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout.readline() == "open\n"
    yield
    holder.communicate("", timeout=30)


@pytest.fixture
def path(tmp_path) -> Path:
    made = tmp_path / "a.wav"
    made.write_bytes(b"x")
    return made


@pytest.fixture(params=["lease", "proc"])
def way(request, monkeypatch) -> None:
    """Both ways of asking: the second is for file systems that refuse the first."""
    if request.param == "proc":
        monkeypatch.setattr(exclusive, "_has_writer", lambda descriptor, path: None)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize(
    ("mode", "lock", "expected"),
    [("rb", [], False), ("ab", [], True), ("r+b", [], True), ("rb", ["lock"], True)],
)
def test_a_file_is_in_use_while_somebody_writes_or_locks_it(path, mode, lock, expected):
    assert not in_use(path)
    with held(path, mode, *lock):
        assert in_use(path) == expected
    assert not in_use(path)


def test_a_writer_in_this_process_counts_too(path):
    with path.open("ab"):
        assert in_use(path)
    assert not in_use(path)


@pytest.mark.parametrize("refusal", [errno.EINVAL, errno.EACCES, errno.EOPNOTSUPP])
def test_where_there_are_no_leases_the_processes_are_asked(path, monkeypatch, refusal):
    real = exclusive.fcntl.fcntl

    def refuse(descriptor, command, argument):
        if command == exclusive.fcntl.F_SETLEASE:
            raise OSError(refusal, "no leases")
        return real(descriptor, command, argument)

    monkeypatch.setattr(exclusive.fcntl, "fcntl", refuse)
    assert not in_use(path)
    with held(path, "ab"):
        assert in_use(path)


def test_on_a_share_a_refused_lease_proves_nothing(path, monkeypatch):
    def refuse(descriptor, command, argument):
        raise OSError(errno.EAGAIN, "the server grants no oplock")

    monkeypatch.setattr(exclusive.fcntl, "fcntl", refuse)
    assert in_use(path)
    monkeypatch.setattr(exclusive, "is_network", lambda path: True)
    assert not in_use(path)
    with held(path, "ab"):
        assert in_use(path)


def test_asking_opens_nothing_for_good_and_harms_no_writer(path):
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(1000):
        assert not in_use(path)
    with path.open("ab") as writer:
        writer.write(b" more")
    assert path.read_bytes() == b"x more"
    assert len(os.listdir("/proc/self/fd")) == before


def test_a_file_that_is_gone_or_a_link_is_an_error(path, tmp_path):
    (tmp_path / "link").symlink_to(path)
    with pytest.raises(OSError):
        in_use(tmp_path / "link")
    with pytest.raises(FileNotFoundError):
        in_use(tmp_path / "gone")
