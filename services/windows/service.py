"""Adds the server to the services that Windows starts, and takes it away again."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pywintypes
import servicemanager
import win32con
import win32evtlogutil
import win32service
import winerror

from services.errors import ScriptoriumError

NAME = "Scriptorium"
HOST = Path(__file__).with_name("host.py")
SERVER = (sys.executable, "-m", "streamlit", "run", "main.py")
PATIENCE = 60
"""Seconds that the server has to put back what it does and to end."""
RESTART_AFTER = 60
"""Seconds after which Windows starts a server again that ended by itself."""
DAY = 24 * 3600


class ServiceError(ScriptoriumError):
    """Windows' service manager did not do what was asked of it."""


def install(name: str = NAME, server: Sequence[str] = SERVER, patience: float = PATIENCE) -> None:
    """Have Windows start the server with the machine, under an account of its own.

    The account has no password and no rights but those that are given to `NT SERVICE\\<name>`.

    Args:
        server: The command, run in the project's directory.
        patience: Seconds that it has to end in.

    Raises:
        ServiceError: the account could not read the interpreter, the service is there already, or
            whoever asks is no administrator.
    """
    interpreter = sys._base_executable  # type: ignore[attr-defined]  # that of Windows has it
    for path in (interpreter, sys.executable, __file__):
        if Path(path).is_relative_to(Path.home()):
            raise ServiceError(
                f"{path} is where only you can read it. Install Python for all users and the "
                "project outside of your own folders, such as in C:\\Scriptorium."
            )
    packages = sysconfig.get_path("purelib")
    command = [interpreter, "-I", str(HOST), packages, str(patience), *server]
    manager = _ask(win32service.OpenSCManager, None, None, win32service.SC_MANAGER_CREATE_SERVICE)
    service = _ask(
        win32service.CreateService,
        manager,
        name,
        name,
        win32service.SERVICE_ALL_ACCESS,
        win32service.SERVICE_WIN32_OWN_PROCESS,
        win32service.SERVICE_AUTO_START,
        win32service.SERVICE_ERROR_NORMAL,
        subprocess.list2cmdline(command),
        None,
        0,
        None,
        rf"NT SERVICE\{name}",
        None,
    )
    again = {
        "ResetPeriod": DAY,
        "RebootMsg": "",
        "Command": "",
        "Actions": [(win32service.SC_ACTION_RESTART, RESTART_AFTER * 1000)],
    }
    for what, value in (
        (win32service.SERVICE_CONFIG_DESCRIPTION, "Audio, video and PDFs become searchable text."),
        (win32service.SERVICE_CONFIG_FAILURE_ACTIONS, again),
    ):
        _ask(win32service.ChangeServiceConfig2, service, what, value)
    servicemanager.SetEventSourceName(name, True)


def remove(name: str = NAME) -> None:
    """Take the server away from Windows' services; the data stay.

    Raises:
        ServiceError: there is no such service, or whoever asks is no administrator.
    """
    manager = _ask(win32service.OpenSCManager, None, None, win32service.SC_MANAGER_CONNECT)
    service = _ask(win32service.OpenService, manager, name, win32con.DELETE)
    _ask(win32service.DeleteService, service)
    win32evtlogutil.RemoveSourceFromRegistry(name)


_SAID = {
    winerror.ERROR_ACCESS_DENIED: "Only an administrator may do that: open PowerShell as one.",
    winerror.ERROR_SERVICE_EXISTS: "The service is installed already. To install it anew, stop and "
    "remove it first.",
    winerror.ERROR_SERVICE_DOES_NOT_EXIST: "The service is not installed.",
    winerror.ERROR_SERVICE_MARKED_FOR_DELETE: "The service goes when it has stopped and whatever "
    "shows it is closed, such as the list of services. Then try again.",
}


def _ask(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function of Windows; what it refuses is said as a sentence."""
    try:
        return function(*arguments)
    except pywintypes.error as error:
        said = _SAID.get(error.winerror, f"Windows says: {error.strerror} ({error.winerror}).")
        raise ServiceError(said) from error
