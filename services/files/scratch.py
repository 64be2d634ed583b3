"""Short-lived directories in our temp root."""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from services.errors import FileAccessError
from services.files import operations

log = logging.getLogger(__name__)


def scratch_path(name: str) -> Path:
    """Return a path for a new file of ours, which the janitor removes at the next start."""
    return Path(tempfile.gettempdir()) / f"{os.urandom(8).hex()}-{name}"


@contextlib.contextmanager
def scratch_dir(prefix: str) -> Iterator[Path]:
    """Yield a new directory of ours, and remove it at the end.

    One that is locked then is left to the janitor, who empties the scratch at the next start:
    a failure to clean up must never hide the result or the first error.
    """
    path = Path(tempfile.mkdtemp(prefix=prefix))
    try:
        yield path
    finally:
        try:
            operations.remove_tree(path)
        except (FileAccessError, OSError) as error:
            log.warning("%s stays until the next start: %s", path, error)
