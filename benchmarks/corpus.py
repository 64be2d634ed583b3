"""Makes recordings of mixed length from single words and prompts, for the benchmarks.

The words are the twelve held-back digits of this project, or all held-back ones of a
spoken-digits archive (`DIGIT_SPEAKER_TAKE.wav` in a ZIP); the prompts are the six in tests/data, or
those of the Debian package asterisk-core-sounds-en-wav where it is installed.
"""

from __future__ import annotations

import gzip
import io
import random
import wave
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from services.audio import SAMPLE_RATE
from services.files.wav import write_wav
from tests import media

ROOT = Path(__file__).parents[1]
HELD_OUT = ROOT / "models" / "spoken-digits" / "held-out"
ASTERISK = Path("/usr/share/asterisk/sounds/en_US_f_Allison")
ASTERISK_TEXTS = Path("/usr/share/doc/asterisk-core-sounds-en/core-sounds-en.txt.gz")
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
HELD_BACK = range(45, 50)


@dataclass(frozen=True)
class Spoken:
    """A recording at 16 kHz, and what is said in it."""

    samples: Any
    text: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.samples.size / SAMPLE_RATE)


def digits(archive: Path | None = None) -> list[Spoken]:
    """Return single digits that the test checkpoint was not trained on."""
    if archive is None:
        files = [(path.name, path.read_bytes()) for path in sorted(HELD_OUT.glob("*.wav"))]
    else:
        with zipfile.ZipFile(archive) as content:
            files = [
                (Path(name).name, content.read(name))
                for name in sorted(content.namelist())
                if name.endswith(".wav") and int(Path(name).stem.rsplit("_", 1)[-1]) in HELD_BACK
            ]
    return [Spoken(_at_16k(data), WORDS[int(name[0])]) for name, data in files]


def prompts() -> list[Spoken]:
    """Return telephone prompts with their texts: one speaker, complete sentences."""
    if not (ASTERISK.is_dir() and ASTERISK_TEXTS.is_file()):
        files = {media.DATA / name: text for name, text in media.PROMPTS.items()}
    else:
        lines = gzip.decompress(ASTERISK_TEXTS.read_bytes()).decode("utf-8", "replace")
        named = dict(line.split(":", 1) for line in lines.splitlines() if ":" in line)
        files = {
            path: named[path.stem].strip()
            for path in sorted(ASTERISK.glob("*.wav"))
            if path.stem in named and not _is_sound_effect(named[path.stem])
        }
    return [Spoken(_at_16k(path.read_bytes()), text) for path, text in files.items()]


def joined(parts: list[Spoken], chance: random.Random) -> tuple[Spoken, list[float]]:
    """Join recordings with pauses of 0.1 to 0.6 s; also return when each one begins."""
    sounds, begins, now = [], [], 0
    for part in parts:
        pause = np.zeros(int(chance.uniform(0.1, 0.6) * SAMPLE_RATE), np.float32)
        begins.append(now / SAMPLE_RATE)
        sounds += [part.samples, pause]
        now += part.samples.size + pause.size
    return Spoken(np.concatenate(sounds), " ".join(part.text for part in parts)), begins


def mixed(folder: Path, minutes: float, sources: list[list[Spoken]], seed: int) -> dict[Path, str]:
    """Write recordings of 1 to 28 s, together `minutes` long, each from one of `sources`.

    Returns:
        The text of each file.
    """
    chance, made, total = random.Random(seed), {}, 0.0
    while total < minutes * 60:
        source, wanted = sources[len(made) % len(sources)], chance.uniform(1, 24)
        parts = [chance.choice(source)]
        while sum(part.seconds + 0.35 for part in parts) < wanted:
            following = chance.choice(source)
            if sum(part.seconds + 0.6 for part in [*parts, following]) > 28:
                break
            parts.append(following)
        spoken, _ = joined(parts, chance)
        path = folder / f"{len(made):04}.wav"
        write_wav(path, spoken.samples, SAMPLE_RATE)
        made[path] = spoken.text
        total += spoken.seconds
    return made


def _is_sound_effect(text: str) -> bool:
    return not text.strip() or text.strip()[0] in "[(<"


def _at_16k(data: bytes) -> Any:
    """Return a 16-bit mono WAV as float32 samples at 16 kHz, by linear interpolation."""
    with wave.open(io.BytesIO(data)) as reader:
        rate = reader.getframerate()
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2") / 32768
    wanted = np.arange(samples.size * SAMPLE_RATE // rate) * rate / SAMPLE_RATE
    return np.interp(wanted, np.arange(samples.size), samples).astype(np.float32)
