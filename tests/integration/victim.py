"""Servers that a test kills: a process that has everything imported, and forks one at each call.

Run as `python -m tests.integration.victim`. Each line of standard input is a list in JSON and is
answered with one line: ["start", data_dir] with a process id, ["kill", pid] and ["wait", pid] with
how the process ended (0: by itself with all jobs ended; -9: killed).
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import faster_whisper.vad  # noqa: F401  (what a server would import later, and slowly)

from services.audio.engines import Hints, Hypothesis, host
from services.config import Settings
from services.errors import UnreadableMedia
from services.runtime import Runtime

QUIET, DEADLY, REFUSED = 0.3, 0.6, 0.95
"""Peaks of recordings that the engine transcribes, dies of, and refuses."""


class Engine:
    """Hears in each clip how long it is, and dies or refuses by how loud it is."""

    name, model, device = "double", "none", "cpu"
    cores, batch_seconds = 0, 60.0

    def transcribe(self, batch: Sequence[Any], hints: Hints) -> list[Hypothesis]:
        time.sleep(0.05)
        for samples in batch:
            if samples.max() > (DEADLY + REFUSED) / 2:
                raise UnreadableMedia("This recording is too loud.")
            if samples.max() > (QUIET + DEADLY) / 2:
                os._exit(1)
        return [Hypothesis(f"{samples.size} samples") for samples in batch]

    def left_aside(self, hints: Hints) -> list[str]:
        return []

    def require_device(self) -> None:
        pass

    def trim(self) -> None:
        pass

    def close(self) -> None:
        pass


def settings(data: Path, crashes: int = 3) -> Settings:
    return Settings(
        data_dir=data, engine="whisper", device="cpu", attempts=crashes, document_workers=1
    )


def serve(data: Path, crashes: int) -> None:
    """Do what waits, and end."""
    with Runtime(settings(data, crashes)) as runtime:
        for summary in runtime.batches():
            runtime.wait(summary.batch.id, timeout=120)


def main() -> None:
    host.loader = lambda engine: lambda model, settings, report: Engine()  # type: ignore[attr-defined]
    for line in sys.stdin:
        match json.loads(line):
            case ["start", data, crashes]:
                answer = os.fork()
                if answer == 0:
                    try:
                        serve(Path(data), crashes)
                        os._exit(0)
                    except BaseException:
                        os._exit(2)
            case ["kill", pid]:
                os.kill(pid, signal.SIGKILL)
                answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            case ["wait", pid]:
                answer = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            case unknown:
                raise ValueError(unknown)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
