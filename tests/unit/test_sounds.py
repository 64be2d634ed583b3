import io
import threading
from pathlib import Path

import numpy as np
import pytest

from services.audio.decode import Decoder
from services.errors import UnreadableMedia
from services.files.m4a import write_m4a
from services.jobs.results import Results
from services.jobs.sounds import Sounds
from tests import media
from tests.media import a_job
from tests.waiting import until


@pytest.fixture
def results(tmp_path) -> Results:
    results = Results(tmp_path / "results")
    for job in ("one", "two"):
        results.directory(job).mkdir(parents=True)
    return results


def copy_of(sounds: Sounds, job: str, original: Path) -> Path:
    until(lambda: sounds.copy(a_job(job, original.name), original))
    path = sounds.copy(a_job(job, original.name), original)
    assert path is not None
    return path


def test_a_copy_has_the_sound_at_the_same_times(tmp_path):
    silence = np.zeros(16_000, np.float32)
    sound = np.concatenate([silence, media.tone(0.5), silence, media.tone(0.5)])
    target = io.BytesIO()
    write_m4a(target, np.split(sound, [7, 20_000, 40_001]), 16_000)
    path = tmp_path / "sound.m4a"
    path.write_bytes(target.getvalue())
    heard = np.concatenate(list(Decoder(path).blocks()))
    assert heard.size == pytest.approx(sound.size, abs=1100)
    loud = np.flatnonzero(np.abs(heard) > 0.1) / 16_000
    first, second = loud[loud < 2], loud[loud > 2]
    assert (first[0], first[-1]) == pytest.approx((1.0, 1.5), abs=0.03)
    assert (second[0], second[-1]) == pytest.approx((2.5, 3.0), abs=0.03)


@pytest.mark.parametrize(("suffix", "codec"), [("aiff", "pcm_s16be"), ("wma", "wmav2")])
def test_a_copy_is_made_behind_the_question_and_kept(results, tmp_path, suffix, codec):
    original = media.write_sound(tmp_path / f"a.{suffix}", media.tone(1.5, 44_100), codec=codec)
    sounds = Sounds(results)
    assert sounds.copy(a_job("one", original.name), original) is None
    path = copy_of(sounds, "one", original)
    made = path.stat().st_mtime_ns
    assert copy_of(sounds, "one", original).stat().st_mtime_ns == made
    decoder = Decoder(path)
    assert sum(block.size for block in decoder.blocks()) == pytest.approx(24_000, abs=2500)
    sounds.close()


def test_why_there_is_no_copy_is_said_and_it_is_tried_again(results, tmp_path):
    original = tmp_path / "a.wma"
    original.write_bytes(b"no sound")
    sounds = Sounds(results)

    def refused() -> bool:
        try:
            return sounds.copy(a_job("one", original.name), original) is not None
        except UnreadableMedia as error:
            return "a.wma" in str(error)

    until(refused)
    media.write_sound(tmp_path / "a.aiff", media.tone(1, 44_100), codec="pcm_s16be")
    assert copy_of(sounds, "one", tmp_path / "a.aiff").is_file()
    sounds.close()


def test_one_is_made_at_a_time_and_none_of_what_was_deleted(results, tmp_path, monkeypatch):
    original = media.write_wav(tmp_path / "a.wav", media.tone(1))
    going, go_on, threads = threading.Event(), threading.Event(), []

    def slow(target, blocks, rate) -> None:
        threads.append(threading.current_thread())
        going.set()
        assert go_on.wait(60)
        list(blocks)

    monkeypatch.setattr("services.jobs.sounds.write_m4a", slow)
    sounds = Sounds(results)
    assert sounds.copy(a_job("one", original.name), original) is None
    assert going.wait(60)
    assert sounds.copy(a_job("two", original.name), original) is None
    assert sounds.copy(a_job("two", original.name), original) is None
    original.unlink()
    go_on.set()
    sounds.close()
    assert len(threads) == 1 and threads[0] is not threading.current_thread()
    assert not list(results.root.glob("*/*"))


@pytest.mark.parametrize("content", ["{}", "{", '{"kind": "transcript"}'])
def test_a_damaged_result_is_not_in_the_way_of_a_new_one(results, content):
    (results.directory("one") / "result.json").write_text(content)
    assert results.track("one") == 1
    assert results.sound("one").name == "sound.m4a"
