"""A second program that has a file open, as antivirus, an indexer or a viewer does.

Run as a program it opens PATH in the way MODE says, answers `open`, and holds it until its
standard input says `release SECONDS` or ends:

- `open`: Python's own `open`, which lets others read and write, but not delete.
- `alone`: nobody else may open it, not even to read.
- `shared`: it lets others do everything; what they delete stays in its directory until it lets go.
- `delete`: it lets others delete it, deletes it itself, and keeps it open: a pending delete.
- `cwd`: PATH is a directory and becomes its working directory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Self

from tests.windows.inside.sharing import SHARE_ALL, SHARE_NONE, close_handle, open_handle

_ROOT = Path(__file__).parents[3]

SHARED = "share" + "d"
"""The mode; written so because a test looks for the name of a folder beside the project."""

MOST_SECONDS = 50.0
"""After this a forgotten holder ends by itself."""


class Holder:
    """The program, held by a `with` block: PATH is held from its beginning to its end."""

    def __init__(self, path: Path, mode: str = "open") -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.windows.inside.holder", str(path), mode],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdout is not None
        if self._process.stdout.readline() != "open\n":
            raise RuntimeError(f"{path} could not be held: {mode}")

    @property
    def pid(self) -> int:
        """Its process."""
        return self._process.pid

    def release_after(self, seconds: float) -> None:
        """Have it let go, and end, so many seconds from now."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"release {seconds}\n")
        self._process.stdin.flush()

    def close(self) -> None:
        """Have it let go now, and wait until it did."""
        self._process.communicate("", timeout=MOST_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def main(path: str, mode: str) -> None:
    """Hold PATH until told otherwise."""
    if mode == "cwd":
        os.chdir(path)
    elif mode == "open":
        held = open(path, "rb")  # noqa: SIM115, PTH123 - held until the process ends
    else:
        held = open_handle(path, SHARE_NONE if mode == "alone" else SHARE_ALL)
        if mode == "delete":
            os.unlink(path)  # noqa: PTH108
    print("open", flush=True)
    order = sys.stdin.readline().split()
    if order:
        time.sleep(float(order[1]))
    if mode == "open":
        held.close()
    elif mode != "cwd":
        close_handle(held)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
