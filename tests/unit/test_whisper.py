import re
import shutil
import types
from pathlib import Path

import numpy as np
import pytest

from services.audio.engines import Hints
from services.audio.engines import whisper as whisper_module
from services.audio.engines.whisper import (
    _OFFLINE_SHA256,
    OFFLINE_MODEL,
    load,
    offline_weights,
    verified,
)
from services.config import Settings
from services.errors import ModelUnavailable, OutOfMemory
from tests import media

NOTHING = np.zeros(16_000, np.float32)


def plain(text: str) -> list[str]:
    return re.sub(r"[^a-z ]", "", text.lower()).split()


@pytest.fixture(scope="module")
def whisper(tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu")
    said = []
    engine = load(OFFLINE_MODEL, settings, lambda detail, share: said.append(detail))
    assert said == ["checking the weights", "loading the model"]
    yield engine
    engine.close()


@pytest.mark.parametrize("name", ["agent-alreadyon.wav", "cannot-complete-as-dialed.wav"])
def test_real_speech_word_for_word_with_times(whisper, name):
    samples = media.at_16k(media.DATA / name)
    (heard,) = whisper.transcribe([samples])
    assert plain(heard.text) == plain(media.PROMPTS[name])
    assert [word.text for word in heard.words] == heard.text.split()
    assert heard.language == "en"
    end = 0.0
    for word in heard.words:
        assert end - 0.01 <= word.start <= word.end <= samples.size / 16_000 + 0.1
        assert 0 < word.confidence <= 1
        end = word.end


@pytest.mark.skipif(whisper_module._has_gpu(), reason="this machine has a GPU")
def test_a_gpu_that_whisper_cannot_use_leaves_the_cpu(tmp_path, monkeypatch):
    """As with the driver there and CUDA's libraries missing: CTranslate2 raises what it does."""
    monkeypatch.setattr(whisper_module, "_has_gpu", lambda: True)
    settings = Settings(data_dir=tmp_path, device="auto")
    engine = load(OFFLINE_MODEL, settings, lambda *_: None)
    assert engine.device == "cpu"
    engine.require_device()
    engine.close()
    settings = settings.model_copy(update={"device": "cuda"})
    with pytest.raises(ModelUnavailable, match=r"CUDA failed .* needs CUDA 12"):
        load(OFFLINE_MODEL, settings, lambda *_: None)


def test_memory_that_runs_out_is_said_as_such(whisper, monkeypatch):
    def transcribe(*_, **__):
        raise RuntimeError("CUDA failed with error out of memory")

    monkeypatch.setattr(whisper._whisper, "transcribe", transcribe)
    with pytest.raises(OutOfMemory, match="Whisper ran out of memory"):
        whisper.transcribe([NOTHING])


def test_pauses_belong_to_no_word(whisper):
    names = ["agent-alreadyon.wav", "cannot-complete-as-dialed.wav"]
    spoken = [media.at_16k(media.DATA / name) for name in names]
    noise = np.random.default_rng(0).normal(size=20 * 16_000).astype(np.float32) * 1e-3
    ends, at = [], 2.0
    for samples in spoken:
        noise[int(at * 16_000) :][: samples.size] += samples
        loud = np.flatnonzero(np.abs(samples) > 0.02) / 16_000
        ends.append((at + loud[0], at + loud[-1]))
        at += samples.size / 16_000 + 2
    (heard,) = whisper.transcribe([noise[: int(at * 16_000)]])
    starts, stops = ([getattr(word, end) for word in heard.words] for end in ("start", "end"))
    pause = int(np.argmax(np.array(starts[1:]) - np.array(stops[:-1])))
    assert starts[0] == pytest.approx(ends[0][0], abs=0.25)
    assert stops[pause] == pytest.approx(ends[0][1], abs=0.25)
    assert starts[pause + 1] == pytest.approx(ends[1][0], abs=0.25)
    assert stops[-1] == pytest.approx(ends[1][1], abs=0.25)
    assert all(a <= b for a, b in zip(starts, stops, strict=True))


def test_each_clip_has_its_own_result_in_order(whisper):
    names = ["conf-noempty.wav", "agent-newlocation.wav"]
    clips = [media.at_16k(media.DATA / name) for name in names]
    heard = whisper.transcribe([*clips, np.zeros(16_000, np.float32)])
    assert [plain(one.text) for one in heard[:2]] == [plain(media.PROMPTS[n]) for n in names]
    assert len(heard) == 3 and whisper.transcribe([]) == []


def test_names_that_are_listened_for_do_not_appear_where_nobody_says_them(whisper):
    name = "conf-noempty.wav"
    hints = Hints(language="en", hotwords=("Scriptorium", "Ana Ruiz"))
    (heard,) = whisper.transcribe([media.at_16k(media.DATA / name)], hints)
    assert plain(heard.text) == plain(media.PROMPTS[name])


@pytest.mark.parametrize("level", [0.05, 0.3])
def test_nobody_says_anything_in_noise(whisper, level):
    rng = np.random.default_rng(1)
    noise = [rng.normal(0, level, seconds * 16_000).astype(np.float32) for seconds in (1, 3)]
    assert [(one.text, one.words) for one in whisper.transcribe(noise)] == [("", [])] * 2


def test_soft_speech_and_speech_in_noise_stay(whisper):
    name = "agent-alreadyon.wav"
    samples = media.at_16k(media.DATA / name)
    noise = np.random.default_rng(1).normal(0, 0.005, samples.size)
    clips = [samples * 10 ** (-30 / 20), samples + noise]
    for heard in whisper.transcribe([clip.astype(np.float32) for clip in clips]):
        assert plain(heard.text) == plain(media.PROMPTS[name])


def test_the_language_saved_is_that_of_the_text(whisper, monkeypatch):
    told = []

    def transcribe(samples, **call):
        told.append(call["task"])
        return iter(()), types.SimpleNamespace(language="de")

    monkeypatch.setattr(whisper._whisper, "transcribe", transcribe)
    hints = [
        Hints(language="de"),
        Hints(language="de", translate_to="en"),
        Hints(translate_to="fr"),
    ]
    assert [whisper.transcribe([NOTHING], one)[0].language for one in hints] == ["de", "en", "de"]
    assert told == ["transcribe", "translate", "transcribe"]


def test_it_says_what_it_cannot_do(whisper):
    assert whisper.left_aside(Hints(language="en", translate_to="en", hotwords=("x",))) == []
    said = whisper.left_aside(Hints(language="de", translate_to="fr"))
    assert "only into English" in said[0] and "does not know German" in said[1]


def test_it_says_what_it_is(whisper):
    assert re.fullmatch(r"faster-whisper \d+\.\d+\.\d+", whisper.name)
    assert (whisper.model, whisper.device) == (OFFLINE_MODEL, "cpu")


def test_altered_or_missing_weights_are_refused(tmp_path):
    small = {name: sha for name, sha in _OFFLINE_SHA256.items() if name != "model.bin"}
    copy = tmp_path / "weights"
    copy.mkdir()
    for name in small:
        shutil.copy(offline_weights() / name, copy / name)
    assert verified(copy, small) == copy
    with pytest.raises(ModelUnavailable, match=r"model\.bin is missing or was altered"):
        verified(copy, _OFFLINE_SHA256)
    with (copy / "config.json").open("ab") as config:
        config.write(b" ")
    with pytest.raises(ModelUnavailable, match=r"config\.json is missing or was altered"):
        verified(copy, small)


def test_every_file_of_the_package_is_checked():
    packaged = {path.name for path in Path(offline_weights()).iterdir() if path.is_file()}
    assert set(_OFFLINE_SHA256) >= {n for n in packaged if n.endswith((".bin", ".json", ".txt"))}


def test_a_model_that_cannot_be_had_names_itself_and_the_setting(settings):
    with pytest.raises(
        ModelUnavailable, match=r"“no-such/model” could not be loaded.*whisper_model"
    ):
        load("no-such/model", settings, lambda detail, share: None)
