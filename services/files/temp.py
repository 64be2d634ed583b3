"""One temporary directory of ours, for every library in this process."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from services.errors import ScriptoriumError, SettingsError
from services.files import operations

SCRATCH = "scratch"


def writable(root: Path) -> str | None:
    """Return why no file can be written below `root`, by writing one; None if one can."""
    probe = root / SCRATCH / f"probe-{os.urandom(6).hex()}"
    try:
        operations.write_atomic(probe, b"Scriptorium was here.")
        operations.unlink(probe)
    except (OSError, ScriptoriumError) as error:
        return str(error)
    return None


def use_temp_root(root: Path) -> str | None:
    """Point this process, its libraries and its child processes at `root`/scratch.

    Call it before importing anything that may ask for the temporary directory, because
    `tempfile` remembers its first answer.

    Raises:
        SettingsError: the directory cannot be made.

    Returns:
        None, or the sentence to warn with when Python still uses another directory.
    """
    scratch = root / SCRATCH
    try:
        scratch.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"Scriptorium cannot start: {scratch} cannot be made ({error.strerror}). Set "
            "SCRIPTORIUM_DATA, or SCRIPTORIUM_TEMP_DIR, to a directory that can be written."
        ) from error
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
