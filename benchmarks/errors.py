"""Word error rates of the whole pipeline on real speech, by jiwer.

    python -m benchmarks.errors --digits spoken-digits.zip

Normalisation, of text and truth alike: Unicode NFKC, lower case, hyphens to spaces, all other
punctuation but apostrophes removed, runs of white space to one. Numerals stay as they are written.
The sources are those of `benchmarks/corpus.py`.

Half-hour recordings are joined from the same short ones. How far their words' times are off is
measured against the time that each word has in the short recording, heard alone, and the join.
"""

from __future__ import annotations

import argparse
import itertools
import random
import re
import tempfile
import unicodedata
from pathlib import Path

import jiwer
import numpy as np

from benchmarks import corpus
from services.audio import SAMPLE_RATE
from services.audio.checkpoints import DIGITS
from services.audio.transcript import Transcript
from services.config import Settings
from services.files.wav import write_wav
from services.jobs.models import Options
from services.runtime import Runtime


def normalised(text: str) -> str:
    """Return a text as the error rates compare it."""
    text = unicodedata.normalize("NFKC", text).lower().replace("-", " ")
    return re.sub(r"\s+", " ", re.sub(r"[^\w\s']", "", text)).strip()


def heard(
    runtime: Runtime, folder: Path, options: Options, spoken: list[corpus.Spoken]
) -> list[Transcript]:
    """Transcribe recordings through the whole pipeline."""
    folder.mkdir()
    files = [folder / f"{number:04}.wav" for number in range(len(spoken))]
    for file, one in zip(files, spoken, strict=True):
        write_wav(file, one.samples, SAMPLE_RATE)
    batch = runtime.submit(files, options=options)
    runtime.wait(batch.id, 3600)
    return [runtime.result(job.id) for job in runtime.jobs(batch.id)]  # type: ignore[misc]


def compare(spoken: list[corpus.Spoken], found: list[Transcript]) -> jiwer.WordOutput:
    """Compare transcripts with what is said in the recordings."""
    truth = [normalised(one.text) for one in spoken]
    return jiwer.process_words(truth, [normalised(one.text) for one in found])


def shifts(alone: list[Transcript], begins: list[float], whole: Transcript) -> list[float]:
    """Return by how many seconds each word of a joined recording is too late.

    Args:
        alone: What was heard in each of its parts.
        begins: When each part begins in it.
        whole: What was heard in it. Words that it has otherwise than the parts are left out.
    """
    expected = [
        (normalised(word.text), begin + word.start)
        for part, begin in zip(alone, begins, strict=True)
        for word in part.words
    ]
    found = [(normalised(word.text), word.start) for word in whole.words]
    # One written word stays one, whatever its normalised form is.
    sequences = [
        " ".join(text.replace(" ", "") or "-" for text, _ in words) for words in (expected, found)
    ]
    return [
        found[part.hyp_start_idx + n][1] - expected[part.ref_start_idx + n][1]
        for part in jiwer.process_words(*sequences).alignments[0]
        if part.type == "equal"
        for n in range(part.ref_end_idx - part.ref_start_idx)
    ]


def half_an_hour(
    sources: list[corpus.Spoken], chance: random.Random
) -> tuple[list[int], corpus.Spoken, list[float]]:
    """Join recordings; return which, the whole, and when each begins in it."""
    order: list[int] = []
    while sum(sources[number].seconds + 0.35 for number in order) < 1800:
        order += chance.sample(range(len(sources)), len(sources))
    spoken, begins = corpus.joined([sources[number] for number in order], chance)
    return order, spoken, begins


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
    prompts = corpus.prompts()
    chance.shuffle(prompts)
    prompts = prompts[: wanted.prompts]
    print(f"{'recordings':<30}{'model':<16}{'number':>7}{'words':>7}{'wrong':>8}", end="")
    print(f"{'replaced':>10}{'missing':>9}{'added':>7}")
    times = []
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        with Runtime(Settings(data_dir=root / "data", disk_reserve_mb=0)) as runtime:
            numbers = itertools.count(1)

            def row(name: str, options: Options, spoken: list[corpus.Spoken]) -> list[Transcript]:
                found = heard(runtime, root / str(next(numbers)), options, spoken)
                wrong = compare(spoken, found)
                words = wrong.hits + wrong.substitutions + wrong.deletions
                print(
                    f"{name:<30}{found[0].model:<16}{len(spoken):>7}{words:>7}{wrong.wer:>8.2%}"
                    f"{wrong.substitutions:>10}{wrong.deletions:>9}{wrong.insertions:>7}",
                    flush=True,
                )
                return found

            nemo, whisper = Options("nemo", DIGITS), Options("whisper")
            for name, options, parts in (("digits", nemo, digits), ("prompts", whisper, prompts)):
                if not parts:
                    continue
                alone = row(f"single {name}", options, parts)
                if name == "digits":
                    row("sequences of 2 to 8 digits", options, sequences)
                order, long, begins = half_an_hour(parts, chance)
                (whole,) = row(f"half an hour of {name}", options, [long])
                times.append((name, shifts([alone[number] for number in order], begins, whole)))
    print(f"\n{'words of half an hour of':<30}{'number':>7}", end="")
    print(f"{'median, s':>12}{'95% within':>12}{'99% within':>12}{'most':>8}")
    for name, late in times:
        off = np.abs(late)
        most95, most99 = np.percentile(off, (95, 99))
        print(f"{name:<30}{len(late):>7}{np.median(late):>12.3f}", end="")
        print(f"{most95:>12.3f}{most99:>12.3f}{off.max():>8.3f}")


if __name__ == "__main__":
    main()
