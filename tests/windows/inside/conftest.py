"""What the tests on Windows share. They import nothing that Wine 8 cannot load."""

from __future__ import annotations

import errno
import os
import sys
import tarfile
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from services.config import PREFIX, Settings
from services.files.disk import Room
from services.files.janitor import Janitor
from services.files.retry import set_retry_waits
from services.files.workspace import Workspace
from services.jobs.store import JobStore

DAY = 24 * 3600.0
MAX_PATH = 260


@pytest.fixture(autouse=True)
def own_temp(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary files go to the test's own directory, so that it can see what is left there."""
    temp = tmp_path / "windows-temp"
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    for name in ("TEMP", "TMP"):
        monkeypatch.setenv(name, str(temp))
    monkeypatch.setenv(f"{PREFIX}CONFIG", str(tmp_path / "none.toml"))
    return temp


@pytest.fixture
def default_waits() -> Iterator[None]:
    yield
    set_retry_waits(Settings.model_fields["retry_waits"].default)


@pytest.fixture
def quick_retries(default_waits: None) -> None:
    """Try locked files three times, without a pause."""
    set_retry_waits((0.0, 0.0))


@pytest.fixture
def patient_retries(default_waits: None) -> None:
    """Try locked files for ten seconds: the holder lets go long before, on any machine."""
    set_retry_waits((0.1,) * 100)


_limit_paths = threading.Event()


def _refuse_long_paths(event: str, arguments: tuple[object, ...]) -> None:
    if not _limit_paths.is_set() or not event.startswith(("open", "os.", "shutil.")):
        return
    for argument in arguments:
        path = os.fspath(argument) if isinstance(argument, (str, os.PathLike)) else ""
        if len(path) >= MAX_PATH and not path.startswith("\\\\?\\"):
            raise FileNotFoundError(errno.ENOENT, "path too long", path, 206)


@cache
def _hook() -> None:
    sys.addaudithook(_refuse_long_paths)  # there to stay, but only `max_path` switches it on


@pytest.fixture
def max_path() -> Iterator[None]:
    """Refuse paths over 260 characters, as Windows does by default and Wine does not."""
    _hook()
    _limit_paths.set()
    yield
    _limit_paths.clear()


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A .nemo file: a tar archive with the weights in it."""
    weights = tmp_path / "model_weights.ckpt"
    weights.write_bytes(b"weights" * 1000)
    archive = tmp_path / "model.nemo"
    with tarfile.open(archive, "w") as content:
        content.add(weights, weights.name)
    return archive


@pytest.fixture
def temp_root(tmp_path: Path) -> Path:
    return tmp_path / "data" / "temp"


@pytest.fixture
def workspace(temp_root: Path) -> Workspace:
    return Workspace.create(Room(temp_root))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[JobStore]:
    opened = JobStore(f"sqlite:///{(tmp_path / 'data' / 'jobs.db').as_posix()}")
    yield opened
    opened.close()


@pytest.fixture
def janitor(temp_root: Path, store: JobStore) -> Janitor:
    """The janitor as the runtime builds it, without its thread: the tests sweep."""
    return Janitor(
        temp_root,
        leased=lambda: store.workspaces(leased=True),
        submitted=lambda: store.workspaces(leased=False),
        max_age=DAY,
    )


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    """Return as soon as `condition` holds; fail after so many seconds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def parts_left(directory: Path) -> list[str]:
    """Return the names of unfinished files: what a failed write must not leave behind."""
    return [path.name for path in directory.rglob(".part-*")]
