"""What tests do in another way on Windows."""

from __future__ import annotations

import os
from pathlib import Path

import psutil
import pytest

_NO_RIGHT = 1314


def make_link(path: Path, target: Path) -> None:
    """Make `path` a symbolic link; the test is skipped where Windows gives no right to do so."""
    try:
        path.symlink_to(target)
    except OSError as error:
        if getattr(error, "winerror", None) != _NO_RIGHT:
            raise
        pytest.skip("Windows lets only administrators and developers make links")


def open_files() -> int:
    """Return how many files this process holds open; elsewhere than on Windows, pipes too."""
    mine = psutil.Process()
    return len(mine.open_files()) if os.name == "nt" else mine.num_fds()
