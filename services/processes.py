"""How processes are ended, and those that do work for this one, told what to do through pipes."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TextIO

import psutil

ENDING = {signal.SIGTERM, getattr(signal, "SIGBREAK", signal.SIGTERM)}
"""The signals by which programs end this one; SIGBREAK is Windows' Ctrl-Break."""


def take_input() -> TextIO:
    """Return what this process is told through standard input, and empty standard input itself.

    On Windows, whoever asks anything of a pipe waits while somebody reads from it. The C and
    Fortran runtimes in NumPy's DLLs ask, at their start, what standard input is, and so do programs
    that inherit it: beside a thread that reads there they would wait for the next request.
    https://github.com/numpy/numpy/issues/24290
    """
    requests = os.fdopen(os.dup(0), encoding="utf-8")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    return requests


def step_back(process: subprocess.Popen[str]) -> None:
    """Let a process wait while the pages or a speech model need the cores."""
    with contextlib.suppress(psutil.Error):  # it has ended already
        # On Windows a class, elsewhere a number.
        psutil.Process(process.pid).nice(getattr(psutil, "BELOW_NORMAL_PRIORITY_CLASS", 5))


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process, wait until it is gone, and close the pipes to it."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
