"""Word error rates of the whole pipeline on real speech, by jiwer.

    python -m benchmarks.errors --digits spoken-digits.zip

Normalisation, of text and truth alike: Unicode NFKC, lower case, hyphens to spaces, all other
punctuation but apostrophes removed, runs of white space to one. Numerals stay as they are written.
The sources are those of `benchmarks/corpus.py`.
"""

from __future__ import annotations

import argparse
import random
import re
import tempfile
import unicodedata
from pathlib import Path

import jiwer

from benchmarks import corpus
from services.audio import SAMPLE_RATE
from services.audio.checkpoints import DIGITS
from services.config import Settings
from services.files.wav import write_wav
from services.jobs.models import Options
from services.runtime import Runtime


def normalised(text: str) -> str:
    """Return a text as the error rates compare it."""
    text = unicodedata.normalize("NFKC", text).lower().replace("-", " ")
    return re.sub(r"\s+", " ", re.sub(r"[^\w\s']", "", text)).strip()


def measure(
    runtime: Runtime, folder: Path, options: Options, spoken: list[corpus.Spoken]
) -> jiwer.WordOutput:
    """Transcribe recordings through the whole pipeline and compare with what is said in them."""
    folder.mkdir()
    files = [folder / f"{number:04}.wav" for number in range(len(spoken))]
    for file, one in zip(files, spoken, strict=True):
        write_wav(file, one.samples, SAMPLE_RATE)
    batch = runtime.submit(files, options=options)
    runtime.wait(batch.id, 3600)
    results = [runtime.result(job.id) for job in runtime.jobs(batch.id)]
    heard = [normalised(result.text) for result in results]  # type: ignore[union-attr]
    return jiwer.process_words([normalised(one.text) for one in spoken], heard)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--digits", type=Path, help="ZIP of spoken digits")
    parser.add_argument("--prompts", type=int, default=120, help="how many, at most")
    wanted = parser.parse_args()
    chance = random.Random(20261121)
    digits = corpus.digits(wanted.digits)
    sequences = [
        corpus.joined(chance.choices(digits, k=chance.randint(2, 8)), chance)[0] for _ in range(200)
    ]
    long = [corpus.joined(chance.choices(digits, k=720), chance)[0]]
    prompts = corpus.prompts()
    chance.shuffle(prompts)
    prompts = prompts[: wanted.prompts]
    nemo, whisper = Options("nemo", DIGITS), Options("whisper")
    rows = [
        ("single digits", "spoken-digits", nemo, digits),
        ("sequences of 2 to 8 digits", "spoken-digits", nemo, sequences),
        ("720 digits in one recording", "spoken-digits", nemo, long),
        ("prompts", "tiny.en", whisper, prompts),
    ]
    print(f"{'recordings':<30}{'model':<16}{'number':>7}{'words':>7}{'wrong':>8}", end="")
    print(f"{'replaced':>10}{'missing':>9}{'added':>7}")
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        with Runtime(Settings(data_dir=root / "data", disk_reserve_mb=0)) as runtime:
            for number, (name, model, options, spoken) in enumerate(rows):
                found = measure(runtime, root / str(number), options, spoken)
                words = found.hits + found.substitutions + found.deletions
                print(
                    f"{name:<30}{model:<16}{len(spoken):>7}{words:>7}{found.wer:>8.2%}"
                    f"{found.substitutions:>10}{found.deletions:>9}{found.insertions:>7}",
                    flush=True,
                )


if __name__ == "__main__":
    main()
