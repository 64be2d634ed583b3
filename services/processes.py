"""Processes that do work for this one and are told what to do through pipes."""

from __future__ import annotations

import contextlib
import subprocess

import psutil


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
