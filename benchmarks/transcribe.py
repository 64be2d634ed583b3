"""Our whole pipeline against NeMo and faster-whisper called by hand, on the same files and model.

    python -m benchmarks.transcribe --minutes 10 60

NeMo's rows: (a) paths, batches of 4, as its documentation shows it; (b) one file per call; (c)
arrays sorted by length, the best plain call we know, reading included, in the batch size that is
fastest here, all with the model as NeMo loads it; (d) ours, from stored uploads to results on disk;
(e) the bare work of the model: arrays in memory, sorted by length, in batches that suit the device.
All give words with their times, as ours does; (c) is also shown without. Each is the best of
`--repeat` rounds, taken in turn, so that a busy moment of the machine hits all alike. What ours
does after the last result, making it findable, is waited for and shown apart, so that it takes
nothing from the others.

It runs with what is in this project. With more voices: `--digits` names a ZIP of recordings of the
Free Spoken Digit Dataset, and the Debian packages asterisk-core-sounds-en and
asterisk-core-sounds-en-wav are used where they are installed (`apt-get install`).
"""

from __future__ import annotations

import argparse
import os
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil

from benchmarks import corpus
from services.audio.checkpoints import DIGITS
from services.audio.engines.nemo_loading import restore
from services.audio.engines.whisper import offline_weights
from services.config import Settings
from services.jobs.models import JobFilter, Options, State
from services.runtime import Runtime

Texts = dict[Path, str]
Way = Callable[[list[Path]], Texts]


def read(path: Path) -> Any:
    """Return a file of the corpus as a plain script reads it."""
    import soundfile

    return soundfile.read(path, dtype="float32")[0]


PRELOADED = "(e) raw NeMo, all preloaded"


def nemo_ways(model: Any, files: list[Path]) -> dict[str, Way]:
    """Return the plain ways to call NeMo on `files`, which are read here for those that need it."""
    loaded = {file: read(file) for file in files}
    largest = 32 if model.device.type == "cuda" else 4

    def call(audio: Any, batch_size: int, timestamps: bool = True) -> list[str]:
        found = model.transcribe(audio, batch_size=batch_size, timestamps=timestamps, verbose=False)
        return [one.text for one in (found[0] if isinstance(found, tuple) else found)]

    def documented(files: list[Path]) -> Texts:
        return dict(zip(files, call([str(file) for file in files], 4), strict=True))

    def single(files: list[Path]) -> Texts:
        return {file: call([str(file)], 1)[0] for file in files}

    def best(batch_size: int, timestamps: bool = True) -> Way:
        def run(files: list[Path]) -> Texts:
            arrays = {file: read(file) for file in files}
            ordered = sorted(files, key=lambda file: len(arrays[file]))
            texts = call([arrays[file] for file in ordered], batch_size, timestamps)
            return dict(zip(ordered, texts, strict=True))

        return run

    def preloaded(files: list[Path]) -> Texts:
        ordered = sorted(files, key=lambda file: len(loaded[file]))
        return dict(zip(ordered, call([loaded[f] for f in ordered], largest), strict=True))

    return {
        "(a) paths, batches of 4": documented,
        "(b) one file per call": single,
        "(c) arrays by length, batches of 4": best(4),
        "(c) arrays by length, batches of 8": best(8),
        "(c) of 4, without times": best(4, timestamps=False),
        PRELOADED: preloaded,
    }


def whisper_way(threads: int, **wishes: Any) -> Way:
    """Return faster-whisper as its documentation shows it, asked for words, and with `wishes`."""
    from faster_whisper import WhisperModel

    model = WhisperModel(
        str(offline_weights()), device="cpu", compute_type="int8", cpu_threads=threads
    )

    def run(files: list[Path]) -> Texts:
        texts = {}
        for file in files:
            segments, _ = model.transcribe(str(file), beam_size=5, word_timestamps=True, **wishes)
            texts[file] = " ".join(segment.text.strip() for segment in segments)
        return texts

    return run


class Ours:
    """The whole pipeline, from stored uploads to results on disk."""

    def __init__(self, runtime: Runtime, options: Options) -> None:
        self._runtime = runtime
        self._options = options
        self.indexing = 0.0
        """Seconds after the last result until all were found by a search."""
        self.heard_by = ""

    def prepare(self, files: list[Path]) -> None:
        """Store the files as an upload does: copied and hashed."""
        self._workspace = self._runtime.new_workspace()
        self._stored = []
        for file in files:
            with file.open("rb") as handle:
                size = file.stat().st_size
                self._stored.append(self._workspace.add(file.name, handle, size))

    def __call__(self, files: list[Path]) -> tuple[float, Texts]:
        """Return the seconds until the last result was on disk, and the texts."""
        begun = time.time()
        batch = self._runtime.submit(self._stored, "ana", self._options, self._workspace)
        wanted = JobFilter(batch.id)
        while not all(state.over for state in self._runtime.count(wanted)):
            time.sleep(0.25)  # its own wait asks more often, which costs
        jobs = self._runtime.jobs(batch.id)
        assert all(job.state is State.DONE for job in jobs), [job.error for job in jobs]
        self.heard_by = f"{jobs[0].engine}, {jobs[0].model}"
        ended = max(job.finished_at or 0.0 for job in jobs)
        while self._runtime.indexing(batch.id):
            time.sleep(0.25)
        self.indexing = time.time() - ended
        seconds = ended - begun
        results = [self._runtime.result(job.id) for job in jobs]
        return seconds, {f: r.text for f, r in zip(files, results, strict=True)}  # type: ignore[union-attr]


def measure(
    ways: dict[str, Way], ours: Ours, files: list[Path], repeat: int
) -> tuple[dict[str, float], dict[str, Texts]]:
    """Run every way `repeat` times, in turn; return the best times and the texts."""
    times: dict[str, float] = {}
    texts: dict[str, Texts] = {}
    for _ in range(repeat):
        for name, way in ways.items():
            begun = time.perf_counter()
            texts[name] = way(files)
            times[name] = min(times.get(name, np.inf), time.perf_counter() - begun)
        ours.prepare(files)
        seconds, texts["ours"] = ours(files)
        times["ours"] = min(times.get("ours", np.inf), seconds)
    return times, texts


def different(mine: Texts, theirs: Texts) -> int:
    """Return the number of files whose text is not the same word for word."""
    return sum(mine[file].split() != theirs[file].split() for file in theirs)


def show(
    title: str, times: dict[str, float], reference: str, seconds: float, goals: dict[str, float]
) -> None:
    """Print one table: times, times faster than real time, and ratios to ours."""
    print(f"\n{title}")
    print(f"{'':<38}{'seconds':>9}{'x real time':>13}{'ours takes':>12}{'goal':>8}")
    for name, value in times.items():
        ratio = f"{times['ours'] / value:.2f} x" if name != "ours" else ""
        goal = f"≤ {goals[name]:.2f}" if name in goals else ""
        label = "(d) ours, uploads to saved results" if name == "ours" else name
        label += "  *" if name == reference else ""
        print(f"{label:<38}{value:>9.2f}{seconds / value:>13.0f}{ratio:>12}{goal:>8}")


def main() -> None:
    """Measure, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, nargs="+", default=[10.0])
    parser.add_argument("--whisper-minutes", type=float, default=3.0, help="0 leaves whisper out")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--digits", type=Path, help="ZIP of spoken digits")
    parser.add_argument("--model", default=DIGITS, help="NeMo checkpoint: name or path")
    parser.add_argument("--precision", default="auto", help="of ours; see docs/settings.md")
    options = parser.parse_args()
    sources = [corpus.digits(options.digits), corpus.prompts()]
    print(f"{platform.platform()}, {os.cpu_count()} CPUs, PyAV {av.__version__}")
    print(f"sources: {len(sources[0])} digits, {len(sources[1])} prompts")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        settings = Settings(data_dir=root / "data", disk_reserve_mb=0, precision=options.precision)
        with Runtime(settings) as runtime:
            model = restore(options.model, "ASRModel", settings, lambda *_: None, "nemo_model")
            ours = Ours(runtime, Options("nemo", options.model))
            warm = corpus.mixed(_folder(root / "warm"), 0.5, sources, seed=0)
            ours.prepare(list(warm))
            ours(list(warm))
            for minutes in options.minutes:
                nemo(model, ours, root / f"nemo-{minutes:g}", minutes, sources, options.repeat)
            if options.whisper_minutes:
                ours = Ours(runtime, Options("whisper"))
                ours.prepare(list(warm))
                ours(list(warm))
                folder = root / "whisper"
                whisper(ours, folder, options.whisper_minutes, sources[1:], options.repeat)
        print(f"\nmost memory in all: {_peak_memory() / 1e6:.0f} MB")


def nemo(model: Any, ours: Ours, folder: Path, minutes: float, sources: Any, repeat: int) -> None:
    """Print NeMo's table for `minutes` of speech."""
    made = corpus.mixed(_folder(folder), minutes, sources, seed=int(minutes))
    files, seconds = list(made), sum(read(file).size for file in made) / 16_000
    times, texts = measure(nemo_ways(model, files), ours, files, repeat)
    print(f"\n(ours could be searched {ours.indexing:.1f} s after the last result)", end="")
    best = min((n for n in times if n.startswith("(c) arrays")), key=lambda n: times[n])
    goals = {
        best: 1.05,
        "(a) paths, batches of 4": 1 / 1.5,
        "(b) one file per call": 0.5,
        PRELOADED: 1 / 0.9,
    }
    show(
        f"{seconds / 60:.1f} minutes in {len(files)} files, {ours.heard_by} on {model.device.type}",
        times,
        best,
        seconds,
        goals,
    )
    print(f"files with another text than (c): ours {different(texts['ours'], texts[best])}", end="")
    for name in times:
        if name not in ("ours", best):
            print(f", {name[:3]} {different(texts[name], texts[best])}", end="")
    print()


def whisper(ours: Ours, folder: Path, minutes: float, sources: Any, repeat: int) -> None:
    """Print whisper's table."""
    made = corpus.mixed(_folder(folder), minutes, sources, seed=1)
    files, seconds = list(made), sum(read(file).size for file in made) / 16_000
    name = "faster-whisper, one file per call"
    times, texts = measure({name: whisper_way(0)}, ours, files, min(repeat, 2))
    show(f"{seconds / 60:.1f} minutes in {len(files)} files, tiny.en", times, name, seconds, {})
    print(f"files with another text: {different(texts['ours'], texts[name])} of {len(files)}")


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def _peak_memory() -> float:
    memory = psutil.Process().memory_info()
    return float(getattr(memory, "peak_wset", memory.rss))


if __name__ == "__main__":
    main()
