"""Memory over a ten-hour recording and over a thousand files: both must stay flat.

    python -m benchmarks.memory --hours 10
    python -m benchmarks.memory --files 1000

Spoken digits, joined; the test checkpoint transcribes them for real. Peer: what the process holds
when the model is loaded and nothing is done yet.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
import wave
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil

from benchmarks import corpus
from services.audio import SAMPLE_RATE
from services.audio.checkpoints import DIGITS
from services.config import Settings
from services.files.wav import write_wav
from services.jobs.models import Batch, Job, Options, State
from services.runtime import Runtime


def long_recording(path: Path, hours: float) -> Path:
    """Write `hours` of digits: ten minutes of them, again and again."""
    parts = random.Random(1).choices(corpus.digits(), k=720)
    spoken, _ = corpus.joined(parts, random.Random(2))
    block = (spoken.samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(SAMPLE_RATE)
        for _ in range(round(hours * 3600 / spoken.seconds)):
            writer.writeframes(block)
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


def watch(
    runtime: Runtime, batch: Batch, share: Callable[[list[Job]], float]
) -> list[tuple[float, float, float]]:
    """Return (share done, seconds, memory in MB) once a second until the batch is over."""
    begun, rows = time.monotonic(), []
    process = psutil.Process()
    while True:
        jobs = runtime.jobs(batch.id)
        over = all(job.state.over for job in jobs)
        memory = process.memory_info().rss / 1e6
        rows.append((share(jobs), time.monotonic() - begun, memory))
        if over:
            assert all(job.state is State.DONE for job in jobs), [j.error for j in jobs if j.error]
            return rows
        time.sleep(1)


def show(title: str, before: float, rows: list[tuple[float, float, float]]) -> None:
    """Print memory at every tenth of the work, as a table and as bars."""
    print(f"\n{title}\n{'done':>6}{'seconds':>9}{'MB':>8}{'over start':>12}")
    print(f"{'start':>6}{'':>9}{before:>8.0f}")
    for tenth in np.arange(0.1, 1.01, 0.1):
        done, seconds, _ = next(row for row in rows if row[0] >= tenth - 1e-9)
        most = max(r[2] for r in rows if tenth - 0.1 <= r[0] <= max(tenth, done))
        bar = "#" * round(most / 50)
        print(f"{tenth:>6.0%}{seconds:>9.0f}{most:>8.0f}{most / before:>11.2f}x  {bar}")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hours", type=float, default=0.0)
    parser.add_argument("--files", type=int, default=0)
    wanted = parser.parse_args()
    options = Options("nemo", DIGITS)
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        (root / "files").mkdir()
        warm = many_recordings(root / "files", 40)
        with Runtime(Settings(data_dir=root / "data", disk_reserve_mb=0)) as runtime:
            batch = runtime.submit(warm, options=options)
            runtime.wait(batch.id, 600)
            before = psutil.Process().memory_info().rss / 1e6
            if wanted.hours:
                path = long_recording(root / "long.wav", wanted.hours)
                batch = runtime.submit([path], options=options)
                rows = watch(runtime, batch, lambda jobs: _share(jobs[0]))
                found = runtime.result(runtime.jobs(batch.id)[0].id)
                words = len(found.words)  # type: ignore[union-attr]
                title = f"one recording of {wanted.hours:g} hours, {words} words"
                show(f"{title}, {wanted.hours * 3600 / rows[-1][1]:.0f} x real time", before, rows)
            if wanted.files:
                paths = many_recordings(root / "files", wanted.files)
                batch = runtime.submit(paths, options=options)
                rows = watch(
                    runtime, batch, lambda jobs: sum(j.state.over for j in jobs) / len(jobs)
                )
                show(f"{wanted.files} files in {rows[-1][1]:.0f} s", before, rows)


def _share(job: Job) -> float:
    return 1.0 if job.state.over else job.progress


if __name__ == "__main__":
    main()
