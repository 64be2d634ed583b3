"""The process that Windows' service manager starts: it keeps the server as a child.

    python.exe -I host.py PACKAGES SECONDS COMMAND…

The manager wants to be answered by the very process that it started. The python.exe of a virtual
environment only starts another one, so this file is run by the interpreter beneath it, and is told
where the environment has its packages.
"""

# ruff: noqa: E402  (pywin32 is found only after the packages' directory is known)
from __future__ import annotations

import os
import site
import subprocess
import sys
import threading
from collections import deque
from pathlib import Path

PROJECT = Path(__file__).parents[2]
PACKAGES, SECONDS, *COMMAND = sys.argv[1:]
site.addsitedir(PACKAGES)

import servicemanager
import win32api
import win32con
import win32console
import win32job
import win32service
from win32serviceutil import ServiceFramework

LAST_LINES, MOST_SAID = 20, 8000
"""How much of what the server wrote is put into the event log when it ends by itself."""


class Service(ServiceFramework):  # type: ignore[misc]  # pywin32 has no types where mypy runs
    """Starts the server, tells it to end when the manager says so, and tells when it died."""

    def __init__(self, arguments: tuple[str, ...]) -> None:
        self._svc_name_ = arguments[0]
        super().__init__(arguments)
        self.told_to_end = False

    def SvcRun(self) -> None:
        """Run the server until it has ended."""
        _end_children_with_this_process()
        self.server = subprocess.Popen(
            COMMAND,
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            creationflags=win32con.CREATE_NO_WINDOW,  # a console of its own: see SvcStop
        )
        said: deque[str] = deque(maxlen=LAST_LINES)
        listener = threading.Thread(target=said.extend, args=(self.server.stdout,), daemon=True)
        listener.start()
        self.ReportServiceStatus(win32service.SERVICE_RUNNING)
        code = self.server.wait()
        if not self.told_to_end:
            listener.join(timeout=5)
            servicemanager.LogErrorMsg(
                f"The server ended by itself, with exit code {code}. Windows starts it again in a "
                f"minute. What it wrote last:\n\n{''.join(said)[-MOST_SAID:]}"
            )
            # A process that ends without a word has failed: only then it is started again.
            os._exit(1)

    def SvcStop(self) -> None:
        """Have the server put back what it does and end, or end it after `SECONDS`."""
        patience = float(SECONDS)
        self.ReportServiceStatus(win32service.SERVICE_STOP_PENDING, int(patience * 1000) + 5000)
        self.told_to_end = True
        killing = threading.Timer(patience, self.server.kill)
        killing.daemon = True
        killing.start()
        # Ctrl-C reaches all who share a console, and this process shall outlast it.
        win32console.AttachConsole(self.server.pid)
        win32api.SetConsoleCtrlHandler(None, True)
        win32api.GenerateConsoleCtrlEvent(win32con.CTRL_C_EVENT, 0)

    SvcShutdown = SvcStop


def _end_children_with_this_process() -> None:
    """Have all that this process starts be ended when it ends, in whatever way it does."""
    job = win32job.CreateJobObject(None, "")
    kind = win32job.JobObjectExtendedLimitInformation
    limits = win32job.QueryInformationJobObject(job, kind)
    limits["BasicLimitInformation"]["LimitFlags"] = win32job.JOB_OBJECT_LIMIT_KILL_ON_JOB_CLOSE
    win32job.SetInformationJobObject(job, kind, limits)
    win32job.AssignProcessToJobObject(job, win32api.GetCurrentProcess())
    job.Detach()  # the handle stays open as long as this process lives


servicemanager.Initialize()
servicemanager.PrepareToHostSingle(Service)
servicemanager.StartServiceCtrlDispatcher()
