"""A restore that another process asks for: only the server writes its library.

The request is a small file in the library's directory, and so is the answer.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import psutil

from services.errors import LibraryError
from services.files import operations

log = logging.getLogger(__name__)


class RestoreRequest:
    """A request, as the process that makes it sees it.

    Args:
        directory: The library's.
        source: The backup, where the server can read it.
    """

    def __init__(self, directory: Path, source: Path) -> None:
        self._asked = directory / f"restore-{uuid.uuid4().hex}.asked"
        request = {"source": str(source.absolute()), "pid": os.getpid()}
        operations.write_atomic(self._asked, json.dumps(request))

    def is_done(self) -> bool:
        """Whether the backup is in place.

        Raises:
            LibraryError: the server could not put it back, and why.
        """
        answer = self._asked.with_suffix(".answered")
        if not answer.is_file():
            return False
        with operations.open_to_read(answer) as handle:
            problem = json.load(handle)
        operations.discard(answer)
        if problem is not None:
            raise LibraryError(problem)
        return True

    def withdraw(self) -> None:
        """Take the request back; without effect where the server has begun."""
        operations.discard(self._asked)


def carry_out(directory: Path, restore: Callable[[Path], None]) -> bool:
    """Do what other processes asked for; return whether there was anything. The server's part."""
    requests = sorted(directory.glob("restore-*.asked"))
    for asked in requests:
        with operations.open_to_read(asked) as handle:
            request = json.load(handle)
        operations.unlink(asked)  # first: one that ends the server is not tried at every start
        problem = _restored(Path(request["source"]), request["pid"], restore)
        operations.write_atomic(asked.with_suffix(".answered"), json.dumps(problem))
    return bool(requests)


def _restored(source: Path, pid: int, restore: Callable[[Path], None]) -> str | None:
    """Return why the backup is not in place; None when it is."""
    if not psutil.pid_exists(pid):  # killed, perhaps long ago
        return "The command that asked for this is not there any more, or on another machine."
    try:
        restore(source)
    except Exception as error:
        log.exception("%s was not restored", source)
        known = isinstance(error, LibraryError)
        return str(error) if known else f"“{source.name}” was not restored: {error}"
    log.info("the library is that of %s", source)
    return None
