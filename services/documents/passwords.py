"""The passwords of documents, in the server's memory only: a restart forgets them."""

from __future__ import annotations

import threading

_MOST = 1_000


class Passwords:
    """Passwords by the id of the job whose document they open. Any thread may use it.

    They reach a worker process through its standard input and are written nowhere: not into the
    job store, a log or a file. The oldest are forgotten when there are too many.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, str] = {}

    def get(self, job_id: str) -> str | None:
        """Return the password that a person entered for a job, or None."""
        with self._lock:
            return self._known.get(job_id)

    def put(self, job_id: str, password: str) -> None:
        """Remember a password."""
        with self._lock:
            self._known.pop(job_id, None)
            self._known[job_id] = password
            while len(self._known) > _MOST:
                del self._known[next(iter(self._known))]
