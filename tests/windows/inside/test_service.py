"""The Windows service: the service manager starts a server, tells it to end, and sees it die."""

from __future__ import annotations

import ctypes
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.windows.inside.conftest import until

ROOT = Path(__file__).parents[3]
LONG = 60.0
"""Seconds for what takes two or three: a Python starts under another one."""

# As the real one, it has a worker, which shall not outlive it.
SERVER = """
import os, signal, subprocess, sys, time
from pathlib import Path

here, stubborn = Path(__file__).parent, sys.argv[1:] == ["stubborn"]

def end(*_):
    (here / "told").touch()
    if not stubborn:
        sys.exit()

signal.signal(signal.SIGINT, end)
sleep = [sys.executable, "-c", "import time; time.sleep(100)"]
worker = subprocess.Popen(sleep, creationflags=subprocess.CREATE_NEW_PROCESS_GROUP)
started = here / "started.part"
started.write_text(f"{os.getpid()} {worker.pid} {os.getcwd()}")
started.rename(here / "started")
while not (here / "broken").exists():
    time.sleep(0.05)
sys.exit("It is broken.")
"""


class Trial:
    """A service of a test."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.name = f"Scriptorium-{os.urandom(4).hex()}"  # a run that broke off leaves another
        self.server = directory / "server.py"
        self.server.write_text(SERVER)

    def start(self, *arguments: str, patience: float = LONG) -> list[psutil.Process]:
        """Install and start it; return its processes: its own, its server's and its worker's."""
        import win32serviceutil

        from services.windows.service import install

        install(self.name, [sys.executable, str(self.server), *arguments], patience)
        rights = f"NT SERVICE\\{self.name}:(OI)(CI)M"
        subprocess.run(["icacls", str(self.directory), "/grant", rights], check=True)
        win32serviceutil.StartService(self.name)
        self.host = psutil.Process(psutil.win_service_get(self.name).pid())
        started = self.directory / "started"
        until(started.exists, LONG)
        *pids, directory = started.read_text().split(" ", 2)
        assert Path(directory) == ROOT
        return [self.host, *(psutil.Process(int(pid)) for pid in pids)]

    def stop(self) -> None:
        """Tell it to stop, as `Stop-Service` does; return when it has."""
        import win32serviceutil

        until(lambda: self.state() == "running", LONG)
        win32serviceutil.StopService(self.name)
        until(lambda: self.state() == "stopped", LONG)

    def state(self) -> str:
        return psutil.win_service_get(self.name).status()

    def exit_code(self) -> int:
        import win32serviceutil

        return win32serviceutil.QueryServiceStatus(self.name)[3]

    def has_failed(self) -> bool:
        """Whether it ended without a word, after which Windows starts it again."""
        import winerror

        # Wine 8 goes on to believe that it runs.
        return self.exit_code() == winerror.ERROR_PROCESS_ABORTED or self.state() == "running"

    def was_told(self) -> bool:
        return (self.directory / "told").exists()


@pytest.fixture
def trial(tmp_path: Path) -> Iterator[Trial]:
    private = any(Path(p).is_relative_to(Path.home()) for p in (sys._base_executable, ROOT))
    if private or not ctypes.windll.shell32.IsUserAnAdmin():
        pytest.skip("services need an administrator, and the project where others may read")
    from services.windows.service import remove

    trial = Trial(tmp_path)
    yield trial
    if trial.host.is_running():
        trial.stop()
    remove(trial.name)


def all_gone(processes: list[psutil.Process]) -> bool:
    return not any(process.is_running() for process in processes)


def test_a_service_tells_its_server_to_end(trial: Trial) -> None:
    processes = trial.start()
    trial.stop()
    assert trial.was_told()
    assert trial.exit_code() == 0
    until(lambda: all_gone(processes))


def test_a_server_that_does_not_end_is_ended_with_all_that_it_started(trial: Trial) -> None:
    processes = trial.start("stubborn", patience=0.5)
    trial.stop()
    assert trial.was_told()
    assert trial.exit_code() == 0
    until(lambda: all_gone(processes))


def test_a_service_whose_server_ends_by_itself_has_failed(trial: Trial) -> None:
    processes = trial.start()
    (trial.directory / "broken").touch()
    until(lambda: all_gone(processes))
    assert trial.has_failed()


def test_a_service_that_is_killed_takes_its_server_along(trial: Trial) -> None:
    processes = trial.start()
    trial.host.kill()
    until(lambda: all_gone(processes))
    assert trial.has_failed()


def test_a_service_is_installed_once_and_starts_with_the_machine(trial: Trial) -> None:
    from services.windows.service import ServiceError, install

    trial.start()
    with pytest.raises(ServiceError, match="is installed already"):
        install(trial.name)
    installed = psutil.win_service_get(trial.name)
    assert installed.start_type() == "automatic"
    assert installed.username() == rf"NT SERVICE\{trial.name}"
    # Of a virtual environment it is not the python.exe, which only starts another one.
    assert installed.binpath().startswith(sys._base_executable)


def test_nothing_is_installed_that_the_service_could_not_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from services.windows.service import ServiceError, install

    monkeypatch.setattr(Path, "home", lambda: Path(sys._base_executable).parent)
    with pytest.raises(ServiceError, match="Install Python for all users"):
        install("Scriptorium-private")


def test_what_is_not_installed_cannot_be_removed() -> None:
    from services.windows.service import ServiceError, remove

    with pytest.raises(ServiceError, match="is not installed"):
        remove("Scriptorium-nowhere")
