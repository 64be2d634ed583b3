"""The embedding process as the server sees it."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import logging
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from services import processes
from services.errors import LibraryError, WorkerDied

log = logging.getLogger(__name__)

_ROOT = Path(__file__).parents[2]

Answer = dict[str, Any]
Requests = queue.SimpleQueue[dict[str, Any] | None]


class EmbeddingProcess:
    """A process with the embedding model, started at the first request.

    Any thread may ask, and none waits until it is heard: a long result fills the pipe to a process
    that still loads its libraries, and a page must not stand still for that. It is started again
    after it died, and ended when nothing was asked of it for a while, because the model holds
    hundreds of megabytes.

    Args:
        device: `cpu`, `cuda` or `auto`.
        idle_seconds: How long it stays without a request.
        clock: Returns seconds.
    """

    def __init__(
        self,
        device: str = "auto",
        idle_seconds: float = 900.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._device = device
        self._idle_seconds = idle_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._process: subprocess.Popen[str] | None = None
        self._requests: Requests = queue.SimpleQueue()
        self._asked: dict[int, Future[Answer]] = {}
        self._last = clock()
        self._closed = False

    def embed(self, model: str, texts: list[str]) -> Future[Answer]:
        """Ask for the vectors of questions: {"dimension", "vectors"}. No texts only load it."""
        return self._ask("embed", model=model, texts=texts)

    def rerank(self, model: str, question: str, texts: list[str]) -> Future[Answer]:
        """Ask how well each text answers a question: {"scores"}. No texts only load the model."""
        return self._ask("rerank", model=model, question=question, texts=texts)

    def prepare(self, model: str, result: Answer) -> Future[Answer]:
        """Ask for the passages of a result with their vectors: {"chunks", "dimension", …}."""
        return self._ask("prepare", model=model, result=result)

    def end_when_idle(self) -> bool:
        """End the process if it has had nothing to do for long; return whether it was ended."""
        with self._lock:
            idle = self._process is not None and not self._asked
            if not idle or self._clock() - self._last < self._idle_seconds:
                return False
        self._end()
        return True

    def close(self) -> None:
        """End the process; what was asked of it fails, and so does what is asked later."""
        self._closed = True
        self._end()

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.poll() is None

    def _ask(self, operation: str, **request: Any) -> Future[Answer]:
        answer: Future[Answer] = Future()
        with self._lock:
            if self._closed:
                raise WorkerDied("the library is being closed")
            self._start()
            number = next(self._ids)
            self._asked[number] = answer
            self._last = self._clock()
            self._requests.put({"id": number, "operation": operation, **request})
        return answer

    def _start(self) -> None:
        if not self.running:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.library.worker", self._device],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
            processes.step_back(self._process)
            self._asked, self._requests = {}, queue.SimpleQueue()
            pipes = (self._process, self._requests)
            threading.Thread(
                target=_write, args=pipes, name="embeddings-requests", daemon=True
            ).start()
            threading.Thread(
                target=self._read, args=(*pipes, self._asked), name="embeddings", daemon=True
            ).start()

    def _read(
        self,
        process: subprocess.Popen[str],
        requests: Requests,
        asked: dict[int, Future[Answer]],
    ) -> None:
        assert process.stdout is not None
        with contextlib.suppress(OSError, ValueError):  # closed while reading
            for line in process.stdout:
                answer = json.loads(line)
                with self._lock:
                    self._last = self._clock()
                    future = asked.pop(answer["id"])
                if "error" in answer:
                    future.set_exception(LibraryError(answer["error"]))
                else:
                    future.set_result(answer)
        requests.put(None)
        with self._lock:
            left = list(asked.values())
            asked.clear()
        for future in left:
            future.set_exception(WorkerDied("the embedding process ended unexpectedly"))

    def _end(self) -> None:
        with self._lock:
            process, self._process = self._process, None
        if process is not None:
            processes.end(process)


def _write(process: subprocess.Popen[str], requests: Requests) -> None:
    assert process.stdin is not None
    with contextlib.suppress(OSError, ValueError):  # it died: its reader says so
        while (request := requests.get()) is not None:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()


def vectors(answer: Answer) -> Any:
    """Return the vectors in an answer, float32 of shape (texts, dimension)."""
    import numpy as np

    data = np.frombuffer(base64.b64decode(answer["vectors"]), "<f4")
    return data.reshape(-1, answer["dimension"])
