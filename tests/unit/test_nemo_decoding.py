"""NeMo's decoding of a transducer like Parakeet, with random weights: what it hears is nonsense."""

import logging

import numpy as np
import pytest

from services.audio import SAMPLE_RATE
from services.audio.engines import Hints, nemo_decoding
from services.audio.engines.nemo import NemoEngine
from services.audio.engines.nemo_decoding import Decoding
from tests.transducer import transducer

BOOSTED = Hints(hotwords=("ana ruiz", "scriptorium"))


@pytest.fixture(scope="module")
def noise() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(0, 0.1, s * SAMPLE_RATE).astype(np.float32) for s in (3, 5)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    model = transducer(tmp_path_factory.mktemp("transducer"))
    logging.getLogger("nemo_logger").setLevel(logging.ERROR)
    engine = NemoEngine(model, "random", "cpu", "float32", "arrays")
    yield engine
    engine.close()


def test_the_text_is_that_of_the_plain_call_and_every_word_has_time_and_confidence(engine, noise):
    plain = engine._model.transcribe(noise, batch_size=2, timestamps=True, verbose=False)
    heard = engine.transcribe(noise)
    assert [one.text for one in heard] == [one.text for one in plain]
    for one, samples in zip(heard, noise, strict=True):
        assert one.words and " ".join(word.text for word in one.words) == one.text
        for word in one.words:
            assert (
                0 <= word.start <= word.end <= samples.size / SAMPLE_RATE + 0.2
            )  # its frames have 80 ms
            assert 0 <= word.confidence <= 1
    assert len({word.confidence for one in heard for word in one.words}) > 1


def test_names_are_listened_for_while_they_are_wanted(engine, noise):
    before = engine.transcribe(noise)
    boosted = engine.transcribe(noise, BOOSTED)
    count = [sum(one.text.count("ana ruiz") for one in each) for each in (before, boosted)]
    assert count[0] == 0 < count[1]
    assert engine.left_aside(BOOSTED) == []
    assert engine.transcribe(noise) == before


@pytest.mark.parametrize("there", [True, False])
def test_phrases_do_without_triton_where_it_is_not_installed(engine, monkeypatch, there):
    """On Windows it is not, and NeMo would fail at each call."""
    monkeypatch.setattr(nemo_decoding, "find_spec", lambda name: name if there else None)
    for device in ("cuda", "cpu"):
        wanted = Decoding(engine._model, device)._wanted(("ana ruiz",))
        assert wanted["greedy"]["boosting_tree"]["use_triton"] is (there and device == "cuda")


def test_in_bfloat16_words_have_times_and_confidences_too(engine, noise, monkeypatch):
    monkeypatch.setattr(engine, "_precision", "bfloat16")
    for one in engine.transcribe(noise):
        assert one.words
        for word in one.words:
            assert 0 <= word.start <= word.end and 0 <= word.confidence <= 1


def test_it_says_that_it_does_not_translate_and_keeps_the_language_spoken(engine, noise):
    hints = Hints(language="de", translate_to="fr")
    assert "does not translate" in engine.left_aside(hints)[0]
    assert [one.language for one in engine.transcribe(noise, hints)] == ["de", "de"]
    assert engine.transcribe(noise[:1])[0].language is None


@pytest.fixture
def canary(monkeypatch):
    """Return the decoding of a model that is told its languages, and what it was told."""
    from nemo.collections.asr.models import EncDecMultiTaskModel

    told = []

    def transcribe(self, audio, **call):
        told.append((call["source_lang"], call["target_lang"]))

    monkeypatch.setattr(EncDecMultiTaskModel, "transcribe", transcribe)
    return Decoding(EncDecMultiTaskModel.__new__(EncDecMultiTaskModel), "cpu"), told


@pytest.mark.parametrize(
    ("hints", "expected"),
    [
        (Hints(), ("en", "en")),
        (Hints(language="de"), ("de", "de")),
        (Hints(language="de", translate_to="en"), ("de", "en")),
        (Hints(translate_to="fr"), ("en", "fr")),
    ],
)
def test_a_model_that_translates_is_told_both_languages(canary, noise, hints, expected):
    decoding, told = canary
    decoding.transcribe(noise, 2, hints)
    assert told == [expected]
    assert decoding.language(hints) == expected[1], "the text's language is saved"
    said = decoding.left_aside(hints)
    assert [("took it for English" in one) for one in said] == [True] * (hints.language is None)
