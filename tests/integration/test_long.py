"""Long recordings through the real engines: words and their times; a stop in the middle."""

from __future__ import annotations

import random
import threading
import time
from pathlib import Path
from statistics import median

import jiwer
import pytest

from benchmarks import corpus, errors
from services.audio import SAMPLE_RATE
from services.audio.checkpoints import DIGITS
from services.audio.engines.nemo import NemoEngine
from services.config import Settings
from services.files.wav import write_wav
from services.jobs.models import Job, Options, State
from services.jobs.stretches import NAME
from services.runtime import Runtime
from tests import media

NEMO = Options("nemo", DIGITS)
PATIENCE = 240


def joined(seconds: float, seed: int) -> tuple[corpus.Spoken, list[float]]:
    digits, chance = corpus.digits(), random.Random(seed)
    parts: list[corpus.Spoken] = []
    while sum(part.seconds + 0.35 for part in parts) < seconds:
        parts.append(chance.choice(digits))
    return corpus.joined(parts, chance)


def written(path: Path, spoken: corpus.Spoken) -> Path:
    write_wav(path, spoken.samples, SAMPLE_RATE)
    return path


def run(runtime: Runtime, files: list[Path], options: Options = NEMO) -> list[Job]:
    batch = runtime.submit(files, options=options)
    runtime.wait(batch.id, PATIENCE)
    return runtime.jobs(batch.id)


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu", disk_reserve_mb=0)
    with Runtime(settings) as runtime:
        yield runtime


def test_half_an_hour_is_heard_as_well_as_short_recordings_and_its_times_hold(runtime, tmp_path):
    shorts = [joined(10, seed)[0] for seed in range(30)]
    long, begins = joined(1800, 99)
    files = [written(tmp_path / f"{n}.wav", short) for n, short in enumerate(shorts)]
    *jobs, job = run(runtime, [*files, written(tmp_path / "long.wav", long)])

    heard = [runtime.result(each.id).text for each in jobs]
    short_rate = jiwer.wer([short.text for short in shorts], heard)
    found = runtime.result(job.id)
    assert found.duration == pytest.approx(long.seconds, abs=0.01)
    rate = jiwer.wer(long.text, found.text)
    assert rate <= max(short_rate, 0.005), f"{rate:.4f}, and short ones {short_rate:.4f}"

    matched = jiwer.process_words(long.text, found.text).alignments[0]
    late = []
    for part in matched:
        if part.type == "equal":
            for number in range(part.ref_end_idx - part.ref_start_idx):
                word = found.words[part.hyp_start_idx + number]
                late.append(word.start - begins[part.ref_start_idx + number])
    assert len(late) > 0.99 * len(begins)
    assert max(map(abs, late)) <= 0.2, "at the first join as at the last"
    starts = [word.start for word in found.words]
    assert starts == sorted(starts)
    assert all(word.start <= word.end <= found.duration for word in found.words)


def test_english_is_heard_in_a_long_recording_as_in_short_ones(runtime, tmp_path):
    prompts = [
        corpus.Spoken(media.at_16k(media.DATA / name), text) for name, text in media.PROMPTS.items()
    ]
    chance = random.Random(7)
    order = [number for _ in range(10) for number in chance.sample(range(len(prompts)), 6)]
    long, begins = corpus.joined([prompts[number] for number in order], chance)
    assert long.seconds > 150
    files = [written(tmp_path / f"{n}.wav", prompt) for n, prompt in enumerate(prompts)]
    jobs = run(runtime, [*files, written(tmp_path / "long.wav", long)], Options("whisper"))
    *alone, whole = [runtime.result(job.id) for job in jobs]

    rate, short_rate = errors.compare([long], [whole]).wer, errors.compare(prompts, alone).wer
    assert rate <= max(short_rate, 0.02), f"{rate:.4f}, and short ones {short_rate:.4f}"
    late = errors.shifts([alone[number] for number in order], begins, whole)
    assert len(late) > 0.95 * len(whole.words)
    # Whisper itself places a word otherwise in other company; what must not be is a drift.
    third = len(late) // 3
    assert abs(median(late[:third])) <= 0.1 and abs(median(late[-third:])) <= 0.1
    assert sorted(map(abs, late))[int(0.9 * len(late))] <= 0.3
    assert whole.duration == pytest.approx(long.seconds, abs=0.01)


def test_a_stop_in_the_middle_goes_on_from_the_last_stretch(tmp_path, monkeypatch):
    given: list[float] = []
    original = NemoEngine.transcribe
    enough, stopping, stop = threading.Event(), threading.Event(), Runtime.stop

    def counting(self, batch, *more):
        given.append(sum(samples.size for samples in batch) / SAMPLE_RATE)
        if sum(given) > 240 and not enough.is_set():
            enough.set()
            assert stopping.wait(PATIENCE)
            time.sleep(1)  # until the lane is told, too
        return original(self, batch, *more)

    monkeypatch.setattr(NemoEngine, "transcribe", counting)
    monkeypatch.setattr(Runtime, "stop", lambda self: (stopping.set(), stop(self)))
    spoken, _ = joined(600, 5)
    settings = Settings(data_dir=tmp_path / "data", device="cpu", disk_reserve_mb=0)
    with Runtime(settings) as runtime:
        batch = runtime.submit([written(tmp_path / "long.wav", spoken)], options=NEMO)
        assert enough.wait(PATIENCE)
    kept = list((tmp_path / "data").rglob(NAME))
    assert kept and sum(given) < 500
    given.clear()
    with Runtime(settings) as runtime:
        runtime.wait(batch.id, PATIENCE)
        (job,) = runtime.jobs(batch.id)
        assert job.state is State.DONE
        text = runtime.result(job.id).text
    assert sum(given) < 500, "what was heard is not heard again"
    assert jiwer.wer(spoken.text, text) <= 0.005
    assert not kept[0].exists()
