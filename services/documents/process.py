"""A worker process for documents, as its parent sees it: it can be ended at any moment."""

from __future__ import annotations

import contextlib
import json
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from services import errors, processes
from services.errors import WorkerDied

_ROOT = Path(__file__).parents[2]
_FIRST_ANSWER = 30.0  # a new process imports its libraries first
_LOOK = 0.2
"""Seconds between two looks at the memory that a process takes."""


class DocumentProcess:
    """One worker process, started at its first call and again after it died or was ended.

    One thread at a time may call it.

    Args:
        memory_mb: What the process may take, in MiB: it limits itself as far as its platform
            lets it, and is watched from here.
        page_timeout: Seconds to wait for each event.
        calls: Number of calls after which a new process takes over, so that what a library
            leaks stays small.
        programs: Whether it may start programs, and take address space without limit; OCR does.
        background: Whether nobody waits for its answers: the pages get the cores first then.
    """

    def __init__(
        self,
        memory_mb: int,
        page_timeout: float,
        calls: int = 200,
        programs: bool = False,
        background: bool = False,
    ) -> None:
        self._memory_mb = memory_mb
        self._page_timeout = page_timeout
        self._most_calls = calls
        self._programs = programs
        self._background = background
        self._looked = 0.0
        self._calls = 0
        self._process: subprocess.Popen[str] | None = None
        self._events: queue.Queue[str | None] = queue.Queue()

    def call(
        self, operation: str, beat: float | None = None, **request: Any
    ) -> Iterator[dict[str, Any]]:
        """Yield the events that answer a request.

        Leaving the iterator early ends the process: it is in the middle of its work.

        Args:
            beat: Yield the event `waiting` each time that nothing came for so many seconds.

        Raises:
            WorkerDied: the process ended, took too much memory, or gave no sign for too long and
                was ended.
            ScriptoriumError: what the worker says of the file.
        """
        process = self._started()
        self._calls += 1
        patience = self._page_timeout + (_FIRST_ANSWER if self._calls == 1 else 0)
        finished = False
        try:
            self._send(process, {"operation": operation, **request})
            while True:
                for line in self._lines(patience, beat):
                    if line is None:
                        yield {"event": "waiting"}
                event: dict[str, Any] = json.loads(line or "")
                patience = self._page_timeout
                if event["event"] == "end":
                    finished = True
                    return
                if event["event"] == "error":
                    finished = True
                    raise getattr(errors, event["type"])(event["message"])
                yield event
        finally:
            if not finished or self._calls >= self._most_calls:
                self.close()

    def close(self) -> None:
        """End the process, if there is one, and wait until it is gone."""
        process, self._process = self._process, None
        if process is not None:
            processes.end(process)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self.close()
        self._calls = 0
        self._events = queue.Queue()
        with _deaf_to_interrupts():
            self._process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "services.documents.worker"),
                    *(str(self._memory_mb), str(int(self._programs))),
                ],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0)
                | getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        if self._background:
            processes.step_back(self._process)
        # A thread, because Windows cannot wait for a pipe with a time limit.
        threading.Thread(
            target=_pump,
            args=(self._process.stdout, self._events),
            name="document-answers",
            daemon=True,
        ).start()
        return self._process

    def _send(self, process: subprocess.Popen[str], request: dict[str, Any]) -> None:
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        except OSError as error:
            raise WorkerDied("the reading process ended unexpectedly") from error

    def _lines(self, patience: float, beat: float | None) -> Iterator[str | None]:
        """Yield None at each beat without an answer, and then the next answer."""
        begun = told = time.monotonic()
        while True:
            now = time.monotonic()
            if now - self._looked > _LOOK:
                self._looked = now
                self._check_memory()
            left = begun + patience - now
            if left <= 0:
                raise WorkerDied(f"reading took longer than {patience:.0f} s")
            if beat is not None and now - told >= beat:
                told = now
                yield None
            try:
                line = self._events.get(timeout=min(left, _LOOK))
            except queue.Empty:
                continue
            if line is None:
                raise WorkerDied(
                    f"the reading process ran out of its {self._memory_mb} MiB of memory or crashed"
                )
            yield line
            return

    def _check_memory(self) -> None:
        """End a process that takes more memory than it may, on any platform."""
        assert self._process is not None
        taken = 0
        with contextlib.suppress(psutil.Error):
            watched = psutil.Process(self._process.pid)
            # On Windows, Python in a virtual environment is a child of a small launcher.
            below = watched.children(recursive=True) if sys.platform == "win32" else []
            taken = sum(process.memory_info().rss for process in [watched, *below])
        if taken > self._memory_mb << 20:
            self.close()
            raise WorkerDied(f"reading took more than {self._memory_mb} MiB of memory")


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Start a process that Ctrl-C in its terminal does not reach, from its first moment on.

    It goes to whoever started us: that a page is being read then is no failure of its file. On
    Windows a process group of its own does the same.
    """
    if sys.platform == "win32":
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a child inherits it
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _pump(lines: Any, events: queue.Queue[str | None]) -> None:
    with contextlib.suppress(OSError, ValueError):  # closed while reading
        for line in lines:
            events.put(line)
    events.put(None)
