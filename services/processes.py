"""Processes that do work for this one and are told what to do through pipes."""

from __future__ import annotations

import contextlib
import subprocess


def end(process: subprocess.Popen[str]) -> None:
    """Kill a process, wait until it is gone, and close the pipes to it."""
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream is not None:
            with contextlib.suppress(OSError):
                stream.close()
