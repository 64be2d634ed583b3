"""Memory over a ten-hour recording and over a thousand files: both must stay flat.

    python -m benchmarks.memory --hours 10
    python -m benchmarks.memory --files 1000
    python -m benchmarks.memory --hours 0.1 --model fastconformer.nemo

Spoken digits, joined; the test checkpoint transcribes them for real, or with `--simulate` an engine
that gives a word a second and takes no time: all else, decoding, speech detection, stretches and
the result, is as ever. `--model` names another checkpoint, such as one of Parakeet's size that
benchmarks/fastconformer.py writes; the first table is of its loading. Peer: what the process holds
when a few files are done.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import wave
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks import corpus
from services.audio import SAMPLE_RATE
from services.audio.checkpoints import DIGITS
from services.audio.engines import Hints, Hypothesis, host
from services.audio.transcript import Word
from services.config import Settings
from services.files.wav import write_wav
from services.jobs.models import Batch, Job, Options
from services.runtime import Runtime


class Simulated:
    """An engine that hears a word in every second."""

    name, model, device = "Simulated", "none", "cpu"
    batch_seconds, cores = 60.0, 0

    def transcribe(self, batch: Sequence[Any], hints: Hints) -> list[Hypothesis]:
        """Return a word for every second of each clip."""
        return [
            Hypothesis("word", [Word(n, n + 0.5, "word", 0.5) for n in range(clip.size // 16_000)])
            for clip in batch
        ]

    def left_aside(self, hints: Hints) -> list[str]:
        """Leave nothing aside."""
        return []

    def require_device(self) -> None:
        """Answer always."""

    def trim(self) -> None:
        """Hold nothing."""

    def close(self) -> None:
        """Hold nothing."""


def long_recording(path: Path, hours: float) -> Path:
    """Write `hours` of digits: ten minutes of them, again and again."""
    parts = random.Random(1).choices(corpus.digits(), k=720)
    spoken, _ = corpus.joined(parts, random.Random(2))
    block = (spoken.samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        left = round(hours * 3600) * SAMPLE_RATE * 2
        while left > 0:
            writer.writeframes(block[:left])
            left -= len(block)
    return path


def many_recordings(folder: Path, count: int) -> list[Path]:
    """Write `count` recordings of one to five digits."""
    chance, digits = random.Random(3), corpus.digits()
    paths = []
    for number in range(count):
        spoken, _ = corpus.joined(chance.choices(digits, k=chance.randint(1, 5)), chance)
        paths.append(folder / f"{number:04}.wav")
        write_wav(paths[-1], spoken.samples, SAMPLE_RATE)
    return paths


def watch(runtime: Runtime, batch: Batch, share: Callable[[list[Job]], float]) -> None:
    """Print memory at every tenth of the work, as numbers and bars, until the batch is over."""
    process = psutil.Process()
    begun, before = time.monotonic(), process.memory_info().rss / 1e6
    print(f"{'done':>6}{'seconds':>9}{'most MB':>9}{'over start':>12}")
    print(f"{'start':>6}{'':>9}{before:>9.0f}", flush=True)
    tenth, most = 0.1, 0.0
    while tenth < 1.01:
        time.sleep(0.25)
        jobs = runtime.jobs(batch.id)
        most = max(most, process.memory_info().rss / 1e6)
        assert not any(job.error for job in jobs), [job.error for job in jobs if job.error]
        done = share(jobs)
        if done < tenth - 1e-9:
            continue
        seconds, bar = time.monotonic() - begun, "#" * round(most / 50)
        print(f"{done:>6.0%}{seconds:>9.0f}{most:>9.0f}{most / before:>11.2f}x  {bar}", flush=True)
        tenth, most = max(tenth, int(done * 10 + 1e-9) / 10) + 0.1, 0.0


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--files", type=int, default=0)
    parser.add_argument("--simulate", action="store_true", help="no model")
    parser.add_argument("--model", default=DIGITS, help="NeMo checkpoint: name or path")
    wanted = parser.parse_args()
    options = Options("nemo", wanted.model)
    if wanted.simulate:
        host.loader = lambda engine: lambda model, settings, report: Simulated()
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "files").mkdir()
        warm = many_recordings(root / "files", 40)
        with Runtime(Settings(data_dir=root / "data", disk_reserve_mb=0)) as runtime:
            batch = runtime.submit(warm, options=options)
            print("loading the model, and 40 short files")
            watch(runtime, batch, lambda jobs: sum(j.state.over for j in jobs) / len(jobs))
            if wanted.hours:
                print(f"one recording of {wanted.hours:g} hours")
                path = long_recording(root / "long.wav", wanted.hours)
                batch = runtime.submit([path], options=options)
                watch(runtime, batch, lambda jobs: _share(jobs[0]))
            if wanted.files:
                print(f"{wanted.files} files")
                paths = many_recordings(root / "files", wanted.files)
                batch = runtime.submit(paths, options=options)
                watch(runtime, batch, lambda jobs: sum(j.state.over for j in jobs) / len(jobs))


def _share(job: Job) -> float:
    return 1.0 if job.state.over else job.progress


if __name__ == "__main__":
    main()
