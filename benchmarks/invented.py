"""Words that are written where nobody speaks, by the models called by hand and by ours.

    python -m benchmarks.invented --music FOLDER

Silence, noise, hum and notes are made here. With `--music`, a folder of recorded music without
singing (`.wav`, `.ogg`, `.mp3`, `.flac`), each file for a minute from its beginning.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from itertools import islice
from pathlib import Path

import numpy as np

from benchmarks.transcribe import Way, nemo_ways, whisper_way
from services.audio import SAMPLE_RATE
from services.audio.checkpoints import DIGITS
from services.audio.decode import Decoder, Samples
from services.audio.engines.nemo_loading import restore
from services.config import Settings
from services.errors import UnreadableMedia
from services.files.wav import write_wav
from services.jobs.models import Options
from services.runtime import Runtime
from tests import media

SECONDS = 60
SOUNDS = (".flac", ".mp3", ".ogg", ".wav")
SHORTEST = 10
"""Seconds from which a file counts as music; a shorter one is a signal of a game."""


def made(chance: np.random.Generator) -> dict[str, list[Samples]]:
    """Return sounds of a minute, six of each kind, from soft to loud."""
    size = SECONDS * SAMPLE_RATE
    time = np.arange(size) / SAMPLE_RATE
    levels = (0.003, 0.01, 0.03, 0.1, 0.2, 0.3)

    def hum() -> Samples:
        base = chance.choice((50.0, 60.0))
        return sum(
            np.sin(2 * np.pi * base * n * time + chance.uniform(0, 6)) / n for n in range(1, 9)
        )

    def at(level: float, sound: Samples) -> Samples:
        return np.clip(sound / np.abs(sound).max() * 3 * level, -1, 1).astype(np.float32)

    return {
        "silence": [np.zeros(size, np.float32)],
        "white noise": [at(level, chance.normal(size=size)) for level in levels],
        "pink noise": [at(level, media.pink_noise(chance, size)) for level in levels],
        "hum of the mains": [at(level, hum()) for level in levels],
        "single notes": [at(level, media.single_notes(chance, SECONDS)) for level in levels],
    }


def recorded(folder: Path) -> list[Samples]:
    """Return the first minute of each file of music in a folder and those below it."""
    found = []
    for path in sorted(path for path in folder.rglob("*") if path.suffix in SOUNDS):
        try:
            blocks = list(islice(Decoder(path).blocks(), SECONDS // 30 + 1))
        except UnreadableMedia:
            continue
        samples = np.concatenate(blocks)[: SECONDS * SAMPLE_RATE]
        if samples.size >= SHORTEST * SAMPLE_RATE:
            found.append(samples)
    return found


def ours(runtime: Runtime, options: Options) -> Way:
    """Return the whole pipeline."""

    def run(files: list[Path]) -> dict[Path, str]:
        batch = runtime.submit(files, options=options)
        runtime.wait(batch.id, 3600)
        results = [runtime.result(job.id) for job in runtime.jobs(batch.id)]
        return {file: one.text for file, one in zip(files, results, strict=True)}  # type: ignore[union-attr]

    return run


def main() -> None:
    """Count, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, help="a folder of music")
    wanted = parser.parse_args()
    sounds = made(np.random.default_rng(20261127))
    if wanted.music:
        sounds["recorded music"] = recorded(wanted.music)
    threads = os.cpu_count() or 1
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        settings = Settings(data_dir=root / "data", disk_reserve_mb=0)
        with Runtime(settings) as runtime:
            nemo = restore(DIGITS, "ASRModel", settings, lambda *_: None, "nemo_model")
            ways: dict[str, Way] = {
                "Whisper": whisper_way(threads),
                "with its VAD": whisper_way(threads, vad_filter=True),
                "ours": ours(runtime, Options("whisper")),
                "NeMo": nemo_ways(nemo, [])["(a) paths, batches of 4"],
                "ours, NeMo": ours(runtime, Options("nemo", DIGITS)),
            }
            print(f"{'words in':<18}{'minutes':>8}", *(f"{name:>13}" for name in ways))
            for name, several in sounds.items():
                files = [root / f"{name} {number}.wav" for number in range(len(several))]
                for file, samples in zip(files, several, strict=True):
                    write_wav(file, samples, SAMPLE_RATE)
                minutes = sum(one.size for one in several) / SAMPLE_RATE / 60
                print(f"{name:<18}{minutes:>8.0f}", end="", flush=True)
                for way in ways.values():
                    print(
                        f" {sum(len(t.split()) for t in way(files).values()):>13}",
                        end="",
                        flush=True,
                    )
                print()


if __name__ == "__main__":
    main()
