"""The checkpoints that benchmarks measure with, and the plain ways to call them, at small size."""

import pytest

from benchmarks import fastconformer, transcribe
from services.audio import SAMPLE_RATE
from services.audio.engines.nemo import load
from services.audio.engines.nemo_loading import restore
from services.config import Settings
from services.files.wav import write_wav
from tests import media


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    target = tmp_path_factory.mktemp("fastconformer") / "tiny.nemo"
    fastconformer.write(target, "tdt", "tiny")
    return target


@pytest.fixture
def files(tmp_path):
    names = ["conf-noempty.wav", "agent-alreadyon.wav", "agent-newlocation.wav"]
    paths = [tmp_path / name for name in names]
    for path in paths:
        write_wav(path, media.at_16k(media.DATA / path.name), SAMPLE_RATE)
    return paths


def test_its_words_come_at_the_rate_of_speech(checkpoint, files, tmp_path):
    engine = load(str(checkpoint), Settings(data_dir=tmp_path / "data", device="cpu"), print)
    for samples, heard in zip(
        map(transcribe.read, files),
        engine.transcribe([transcribe.read(file) for file in files]),
        strict=True,
    ):
        seconds = samples.size / SAMPLE_RATE
        assert heard.words and heard.words[-1].end == pytest.approx(seconds, abs=0.6)
        tokens = engine._model.tokenizer.text_to_ids(heard.text)
        assert 2 < len(tokens) / seconds < 6
    engine.close()


def test_every_plain_way_gives_the_same_texts(checkpoint, files, tmp_path):
    settings = Settings(data_dir=tmp_path / "data", device="cpu")
    model = restore(str(checkpoint), "ASRModel", settings, lambda *_: None, "nemo_model")
    ways = transcribe.nemo_ways(model, files)
    found = {name: way(files) for name, way in ways.items()}
    assert transcribe.PRELOADED in found
    assert all(texts == found[transcribe.PRELOADED] for texts in found.values())
    assert all(found[transcribe.PRELOADED].values())
