"""One temporary directory of ours, for every library in this process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

SCRATCH = "scratch"


def use_temp_root(root: Path) -> str | None:
    """Point this process, its libraries and its child processes at `root`/scratch.

    Call it before importing anything that may ask for the temporary directory, because
    `tempfile` remembers its first answer.

    Returns:
        None, or the sentence to warn with when Python still uses another directory.
    """
    scratch = root / SCRATCH
    scratch.mkdir(parents=True, exist_ok=True)
    for variable in ("TMPDIR", "TEMP", "TMP"):
        os.environ[variable] = str(scratch)
    tempfile.tempdir = str(scratch)
    actual = Path(tempfile.gettempdir())
    if actual != scratch:
        return (
            f"Temporary files go to {actual} instead of {scratch}. "
            "Other programs may lock them there; check that the directory can be written."
        )
    return None
