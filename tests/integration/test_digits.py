"""The test checkpoint on all held-back recordings, through the whole pipeline and real NeMo."""

from __future__ import annotations

import random
import zipfile
from pathlib import Path

import jiwer
import numpy as np
import pytest

from services.audio.checkpoints import DIGITS
from services.config import Settings
from services.jobs.models import Options
from services.runtime import Runtime
from tests import media

SPEECH = Path(__file__).parents[3] / "shared" / "speech" / "spoken-digits.zip"
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
HELD_BACK = range(45, 50)

pytestmark = pytest.mark.skipif(
    not SPEECH.is_file(), reason="the spoken digits are not beside the project (../shared/speech)"
)


@pytest.fixture(scope="module")
def singles(tmp_path_factory) -> list[Path]:
    """The 300 recordings of takes 45 to 49, which the model was never trained on."""
    folder = tmp_path_factory.mktemp("digits")
    with zipfile.ZipFile(SPEECH) as archive:
        for name in archive.namelist():
            if int(Path(name).stem.rsplit("_", 1)[-1]) in HELD_BACK:
                (folder / Path(name).name).write_bytes(archive.read(name))
    return sorted(folder.iterdir())


@pytest.fixture(scope="module")
def sequences(singles, tmp_path_factory) -> dict[Path, str]:
    """200 sequences of 2 to 8 of them, joined with 0.1 to 0.6 s of silence, with their text."""
    folder, chance, made = tmp_path_factory.mktemp("sequences"), random.Random(20261121), {}
    for number in range(200):
        chosen = [chance.choice(singles) for _ in range(chance.randint(2, 8))]
        parts = []
        for digit in chosen:
            pause = np.zeros(int(chance.uniform(0.1, 0.6) * 16_000), np.float32)
            parts += [media.at_16k(digit), pause]
        path = media.write_wav(folder / f"{number:03}.wav", np.concatenate(parts))
        made[path] = " ".join(WORDS[int(digit.name[0])] for digit in chosen)
    return made


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    with Runtime(Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu")) as runtime:
        yield runtime


def heard(runtime: Runtime, files: list[Path]) -> dict[str, str]:
    batch = runtime.submit(files, options=Options("nemo", DIGITS))
    runtime.wait(batch.id, 240)
    return {job.name: runtime.result(job.id).text for job in runtime.jobs(batch.id)}


def test_single_digits_are_wrong_at_most_three_times_in_a_hundred(runtime, singles):
    assert len(singles) == 300
    found = heard(runtime, singles)
    truth = [WORDS[int(path.name[0])] for path in singles]
    assert jiwer.wer(truth, [found[path.name] for path in singles]) <= 0.03


def test_joined_sequences_are_wrong_at_most_five_times_in_a_hundred(runtime, sequences):
    found = heard(runtime, list(sequences))
    assert jiwer.wer(list(sequences.values()), [found[path.name] for path in sequences]) <= 0.05
