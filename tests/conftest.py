"""What all tests share: where the recordings lie, settings of their own, no wait on locks."""

from __future__ import annotations

import logging
import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path

import hypothesis
import pytest
from xdist.scheduler import LoadScopeScheduling

# Before any library reads it: the tests must not depend on what a machine can reach.
os.environ["HF_HUB_OFFLINE"] = "1"
# The embedding model takes ten seconds to load; the tests of the library switch it on.
os.environ["SCRIPTORIUM_LIBRARY"] = "false"

from services.config import PREFIX, Settings
from services.files import retry
from services.files.disk import Room
from services.files.workspace import Workspace

# No deadline for one example: a busy machine is no failure.
hypothesis.settings.register_profile("scriptorium", deadline=None, database=None)
hypothesis.settings.load_profile("scriptorium")


class ByFile(LoadScopeScheduling):
    """Keeps what shares a module's fixtures in one process, and all tests of Windows in one."""

    def _split_scope(self, nodeid: str) -> str:
        path = nodeid.partition("::")[0]
        return "windows" if path.startswith("tests/windows/") else path


def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByFile:
    return ByFile(config, log)


_SHOWN = ("torch", "nemo_toolkit", "streamlit", "pypdf", "av")


def pytest_report_header() -> str:
    versions = [f"{name} {metadata.version(name)}" for name in _SHOWN]
    return ", ".join([f"python {platform.python_version()}", *versions])


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in os.environ:
        if name.startswith(PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.setenv(f"{PREFIX}LIBRARY", "false")
    monkeypatch.setenv(f"{PREFIX}CONFIG", str(tmp_path / "none.toml"))


@pytest.fixture(autouse=True)
def main_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streamlit's AppTest makes a page the main module, which processes begun later would run."""
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])


@pytest.fixture(autouse=True)
def log_as_before() -> None:
    """NeMo raises the level of every handler of the process, pytest's own among them."""
    for handler in logging.getLogger().handlers:
        handler.setLevel(logging.NOTSET)


@pytest.fixture(autouse=True, scope="module")
def temp_as_before() -> Iterator[None]:
    """A runtime points the whole process at its temporary files, which are gone afterwards."""
    names = ("TMPDIR", "TEMP", "TMP")
    before, remembered = {name: os.environ.get(name) for name in names}, tempfile.tempdir
    yield
    for name, value in before.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    tempfile.tempdir = remembered


@pytest.fixture
def quick_retries() -> Iterator[None]:
    """Try locked files three times, without a pause."""
    retry.set_retry_waits((0.0, 0.0))
    yield
    retry.set_retry_waits(Settings.model_fields["retry_waits"].default)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path / "data", device="cpu")


@pytest.fixture
def store_url(tmp_path: Path) -> str:
    """Where a job store is made; tests/postgresql runs its tests on another kind of database."""
    return f"sqlite:///{(tmp_path / 'jobs.db').as_posix()}"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace.create(Room(tmp_path / "temp"))


@contextmanager
def usual_temp() -> Iterator[None]:
    """Give the process its temporary directory back: a runtime takes it over."""
    names = ("TMPDIR", "TEMP", "TMP")
    before, directory = {name: os.environ.get(name) for name in names}, tempfile.tempdir
    try:
        yield
    finally:
        tempfile.tempdir = directory
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
