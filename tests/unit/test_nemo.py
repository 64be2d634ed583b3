"""NeMo itself, with the small checkpoint of this project and recordings that it never heard."""

import os
import tarfile
import tempfile
import threading
import types
from pathlib import Path

import jiwer
import numpy as np
import pytest
import torch

from services.audio import SAMPLE_RATE, checkpoints
from services.audio.checkpoints import DIGITS
from services.audio.engines import Hints
from services.audio.engines.nemo import load
from services.audio.engines.nemo_loading import restore
from services.config import Settings
from services.errors import ModelUnavailable, OutOfMemory
from services.files import operations
from tests import media

HELD_OUT = sorted(
    (Path(checkpoints.__file__).parents[2] / "models/spoken-digits/held-out").glob("*.wav")
)
WORDS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
PAUSE = np.zeros(int(0.4 * SAMPLE_RATE), np.float32)


def spoken(path: Path) -> str:
    return WORDS[int(path.name[0])]


def quiet(detail: str, share: float | None) -> None:
    pass


@pytest.fixture(scope="module")
def recordings() -> list[tuple[str, np.ndarray]]:
    return [(spoken(path), media.at_16k(path)) for path in HELD_OUT]


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("nemo")


@pytest.fixture(scope="module")
def temp(root):
    """A temp root of our own, which the engine must leave as it found it."""
    before = tempfile.tempdir
    (root / "temp").mkdir()
    tempfile.tempdir = str(root / "temp")
    yield root / "temp"
    tempfile.tempdir = before


@pytest.fixture(scope="module")
def nemo(root, temp):
    engine = load(DIGITS, Settings(data_dir=root, device="cpu"), quiet)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def by_manifest(root, temp):
    engine = load(DIGITS, Settings(data_dir=root, device="cpu", nemo_input="manifest"), quiet)
    yield engine
    engine.close()


@pytest.fixture(autouse=True)
def nothing_left_behind(temp):
    yield
    # PyTorch makes an empty cache there when it is imported.
    assert [name for name in os.listdir(temp) if not name.startswith("torchinductor_")] == []


def test_recordings_it_never_heard(nemo, recordings):
    assert len(recordings) >= 10
    heard = nemo.transcribe([samples for _, samples in recordings])
    assert jiwer.wer([word for word, _ in recordings], [one.text for one in heard]) <= 0.1


def test_a_sequence_has_its_words_at_their_times(nemo, recordings):
    chosen = recordings[1:7]
    parts, begins, now = [PAUSE], [], PAUSE.size
    for _, samples in chosen:
        begins.append(now / SAMPLE_RATE)
        parts += [samples, PAUSE]
        now += samples.size + PAUSE.size
    (heard,) = nemo.transcribe([np.concatenate(parts)])
    assert heard.text == " ".join(word for word, _ in chosen)
    assert [word.text for word in heard.words] == heard.text.split()
    for word, begin, (_, samples) in zip(heard.words, begins, chosen, strict=True):
        assert type(word.start) is float and type(word.end) is float
        assert begin - 0.3 <= word.start < word.end <= begin + samples.size / SAMPLE_RATE + 0.4


def test_every_word_has_a_confidence_and_a_soft_voice_in_noise_a_lower_one(nemo, recordings):
    clips = [samples for _, samples in recordings]
    noise = np.random.default_rng(1).normal(0, 0.03, SAMPLE_RATE).astype(np.float32)
    noisy = [np.resize(noise, clip.size) + clip for clip in clips]
    sure, unsure = (
        [word.confidence for one in nemo.transcribe(each) for word in one.words]
        for each in (clips, noisy)
    )
    assert all(0 < confidence <= 1 for confidence in [*sure, *unsure])
    assert np.mean(sure) > np.mean(unsure) + 0.05


def test_the_plain_call_gives_the_same_text(nemo, recordings):
    clips = [samples for _, samples in recordings]
    plain = nemo._model.transcribe(clips, batch_size=4, timestamps=True, verbose=False)
    assert [one.text for one in nemo.transcribe(clips)] == [one.text for one in plain]


def test_a_model_tuned_for_a_cpu_hears_the_same_as_the_checkpoints_own(nemo, recordings, root):
    from services.audio.engines import nemo_cpu

    clips = [samples for _, samples in recordings]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(nemo_cpu, "tune", lambda model: None)
        plain = load(DIGITS, Settings(data_dir=root, device="cpu"), quiet)
    for engine, tuned in ((nemo, True), (plain, False)):
        layers = list(engine._model.modules())
        assert any(getattr(one, "use_pytorch_sdpa", False) for one in layers) is tuned
        done_by = {getattr(one.forward, "func", None) for one in layers}
        ours = {nemo_cpu.log_mels, nemo_cpu.subsample, nemo_cpu.attend}
        assert done_by & ours == (ours if tuned else set())
    for one, other in zip(nemo.transcribe(clips), plain.transcribe(clips), strict=True):
        assert one.text == other.text
        assert [w.start for w in one.words] == [w.start for w in other.words]
        assert [w.confidence for w in one.words] == pytest.approx(
            [w.confidence for w in other.words], abs=0.001
        )


def test_in_bfloat16_it_hears_the_same_words(nemo, recordings, monkeypatch):
    clips = [samples for _, samples in recordings]
    exact = nemo.transcribe(clips)
    monkeypatch.setattr(nemo, "_precision", "bfloat16")
    found = nemo.transcribe(clips)
    assert [one.text for one in found] == [word for word, _ in recordings]
    confidences = [
        [word.confidence for one in each for word in one.words] for each in (exact, found)
    ]
    assert confidences[0] != confidences[1]  # it does compute in another way
    assert confidences[1] == pytest.approx(confidences[0], abs=0.1)


def test_a_model_that_cannot_listen_for_phrases_goes_on_without(nemo, recordings):
    """This one has no tokenizer, which NeMo's phrase boosting needs."""
    clip, word = recordings[0][1], recordings[0][0]
    assert nemo.transcribe([clip], Hints(hotwords=("seven",)))[0].text == word
    assert nemo.left_aside(Hints(hotwords=("seven",)))
    assert nemo.transcribe([clip])[0].text == word and nemo.left_aside(Hints()) == []


def test_a_short_clip_is_timed_from_its_beginning(nemo, recordings):
    word, samples = next(pair for pair in recordings if pair[1].size < 0.7 * SAMPLE_RATE)
    (heard,) = nemo.transcribe([samples])
    assert heard.text == word
    assert heard.words[0].start <= samples.size / SAMPLE_RATE


def test_two_lengths_in_one_batch_give_what_each_gives_alone(nemo, recordings):
    short = recordings[0][1]
    long = np.concatenate([part for _, samples in recordings for part in (samples, PAUSE)])
    together = nemo.transcribe([short, long])
    alone = [nemo.transcribe([clip])[0] for clip in (short, long)]
    assert [one.text for one in together] == [one.text for one in alone]
    assert len(together[1].words) >= 10


@pytest.mark.parametrize(("major", "expected"), [(7, "float16"), (8, "bfloat16")])
def test_a_gpu_that_only_emulates_bfloat16_computes_in_float16(nemo, monkeypatch, major, expected):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "current_device", lambda: 0)
    card = types.SimpleNamespace(major=major)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    monkeypatch.setattr(torch.cuda, "_check_bf16_tensor_supported", lambda _: True)
    monkeypatch.setattr(nemo, "device", "cuda")
    monkeypatch.setattr(nemo, "_precision", "auto")
    assert nemo._lower_precision() == expected


def test_a_manifest_gives_the_same_text_and_times(nemo, by_manifest, recordings):
    clips = [samples for _, samples in recordings[:4]]

    def plain(heard):  # a file's samples have 16 bits, which shows in the confidence
        return [(one.text, [(w.start, w.end) for w in one.words]) for one in heard]

    assert plain(by_manifest.transcribe(clips)) == plain(nemo.transcribe(clips))


def test_a_manifest_is_removed_after_an_error_too(by_manifest, monkeypatch, temp):
    seen = []

    def fail(audio, *_):
        seen.append(Path(audio).read_text())
        raise RuntimeError("the model cannot take this")

    monkeypatch.setattr(by_manifest._decoder, "transcribe", fail)
    with pytest.raises(RuntimeError, match="cannot take"):
        by_manifest.transcribe([PAUSE])
    assert '"audio_filepath"' in seen[0]


def test_silence_has_no_words(nemo):
    (heard,) = nemo.transcribe([np.zeros(2 * SAMPLE_RATE, np.float32)])
    assert (heard.text, heard.words) == ("", [])


def test_another_thread_is_refused(nemo):
    errors = []

    def call() -> None:
        try:
            nemo.transcribe([PAUSE])
        except RuntimeError as error:
            errors.append(str(error))

    thread = threading.Thread(target=call)
    thread.start()
    thread.join(60)
    assert errors == ["a NeMo model was called from a thread that does not own it"]


def test_loading_changes_no_directory_and_says_what_it_is(nemo, root):
    assert Path.cwd() != root
    assert nemo.name.startswith("NeMo 3.") and (nemo.model, nemo.device) == (DIGITS, "cpu")
    assert [path.name.split("-")[0] for path in (root / "models").iterdir()] == ["spoken"]


def test_a_gpu_without_room_for_the_model_may_have_some_later(root, temp, monkeypatch):
    from nemo.collections.asr.models import ASRModel

    def restore_from(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    monkeypatch.setattr(ASRModel, "restore_from", restore_from)
    with pytest.raises(OutOfMemory, match=f"not enough memory to load “{DIGITS}”"):
        load(DIGITS, Settings(data_dir=root, device="cpu"), quiet)


def test_a_directory_that_is_no_checkpoint_names_itself(root, temp):
    directory = root / "not-a-model"
    operations.write_atomic(directory / checkpoints.CONFIG_FILE, "a: 1\n")
    with pytest.raises(ModelUnavailable, match=r"NeMo could not load “.*not-a-model”"):
        load(str(directory), Settings(data_dir=root, device="cpu"), quiet)


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_are_mapped_from_the_disk_where_their_format_allows_it(
    tmp_path, temp, monkeypatch, zipped
):
    import torch

    directory = tmp_path / "unpacked"
    with tarfile.open(checkpoints.find(DIGITS)) as archive:
        archive.extractall(directory, filter="data")
    weights = directory / "model_weights.ckpt"
    expected = torch.load(weights)
    torch.save(expected, weights, _use_new_zipfile_serialization=zipped)
    mapped, original = [], torch.load

    def load_weights(path, **how):
        found = original(path, **how)
        mapped.append(how.get("mmap", False))
        return found

    monkeypatch.setattr(torch, "load", load_weights)
    settings = Settings(data_dir=tmp_path / "data", device="cpu")
    model = restore(str(directory), "ASRModel", settings, quiet, "nemo_model")
    assert mapped == [zipped]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, expected[name])


class Hostile:
    """What unpickling it does is what a stranger wants."""

    def __init__(self, path) -> None:
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("zipped", [True, False])
def test_weights_that_would_run_something_are_refused(tmp_path, temp, monkeypatch, zipped):
    import torch

    directory, trace = tmp_path / "unpacked", tmp_path / "it-ran"
    with tarfile.open(checkpoints.find(DIGITS)) as archive:
        archive.extractall(directory, filter="data")
    torch.save(
        {"weights": Hostile(trace)},
        directory / "model_weights.ckpt",
        _use_new_zipfile_serialization=zipped,
    )
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    with pytest.raises(ModelUnavailable, match="NeMo could not load"):
        load(str(directory), Settings(data_dir=tmp_path / "data", device="cpu"), quiet)
    assert not trace.exists()
