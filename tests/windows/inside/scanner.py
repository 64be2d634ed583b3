"""A second program that opens files at random, as antivirus and sync clients do, until told to end.

Run as a program it opens files under the directories of its command line, each for a few
milliseconds, now with sharing and now without; its seed is its first argument.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Self

from tests.windows.inside.sharing import SHARE_ALL, SHARE_NONE, close_handle, open_handle

_ROOT = Path(__file__).parents[3]
_SHARE_READ = 1
MOST_SECONDS = 0.03
"""For which one file is held."""


class Scanner:
    """The program, from the beginning of a `with` block to its end."""

    def __init__(self, *directories: Path, seed: int = 1) -> None:
        names = [str(directory) for directory in directories]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.windows.inside.scanner", str(seed), *names],
            cwd=_ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.opened = 0
        """Files that it opened, once it has ended."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        output, _ = self._process.communicate("", timeout=30)
        self.opened = int(output)


def main(seed: int, directories: list[Path]) -> int:
    """Open files until standard input ends; return how many."""
    chance = random.Random(seed)
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    opened = 0
    while not ended.is_set():
        files = [path for directory in directories for path in directory.rglob("*")]
        for path in chance.sample(files, min(20, len(files))):
            opened += _hold(path, chance)
        ended.wait(0.001)
    return opened


def _hold(path: Path, chance: random.Random) -> bool:
    try:
        handle = open_handle(path, chance.choice((SHARE_NONE, _SHARE_READ, SHARE_ALL)))
    except OSError:
        return False  # gone, or somebody else has it
    time.sleep(chance.uniform(0, MOST_SECONDS))
    close_handle(handle)
    return True


if __name__ == "__main__":
    print(main(int(sys.argv[1]), [Path(name) for name in sys.argv[2:]]))
