"""A server that a test kills: goes on with the batches of a data directory, or begins one.

Run as `python -m tests.integration.victim DATA_DIR [FILES…]`; prints the batch's id.
"""

from __future__ import annotations

import sys
from pathlib import Path

from services.config import Settings
from services.runtime import Runtime


def main() -> None:
    data, *files = sys.argv[1:]
    settings = Settings(data_dir=Path(data), engine="whisper", attempts=20, device="cpu")
    with Runtime(settings) as runtime:
        print("up", flush=True)
        if files:
            runtime.submit([Path(file) for file in files])
        for summary in runtime.batches():
            runtime.wait(summary.batch.id, timeout=120)
        print("done", flush=True)


if __name__ == "__main__":
    main()
