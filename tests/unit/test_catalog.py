import io
import tarfile
import threading
from pathlib import Path

import huggingface_hub.constants
import pytest

from services.audio import catalog, checkpoints
from services.audio.catalog import Downloads, Model, models, with_sizes
from services.audio.fetching import Cancelled
from services.errors import ModelUnavailable
from tests.unit.test_checkpoints import PARAKEET, put_in_cache
from tests.waiting import until


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def until_idle(downloads: Downloads) -> None:
    downloads._thread.join(30)
    assert downloads.share is None


SORTFORMER = "nvidia/diar_streaming_sortformer_4spk-v2"
COMMIT = "c" * 40


def lay(cache: Path, repository: str, **files: bytes) -> Path:
    """Lay a repository into the hub's cache, with plain files as on Windows."""
    folder = cache / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT)
    for name, content in files.items():
        (snapshot / name.replace("__", ".")).write_bytes(content)
    return snapshot


def checkpoint(config: str) -> bytes:
    """Return a .nemo file with this configuration."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as parts:
        for name, content in (("weights", b"w" * 5000), ("model_config.yaml", config.encode())):
            member = tarfile.TarInfo(f"./{name}")
            member.size = len(content)
            parts.addfile(member, io.BytesIO(content))
    return made.getvalue()


def found(folder: Path, configured: str = PARAKEET) -> dict[str, Model]:
    return {model.name: model for model in models(configured, SORTFORMER, folder)}


def test_models_are_found_where_they_are(tmp_path, cache):
    put_in_cache(cache, b"weights")
    (tmp_path / "mine.nemo").write_bytes(b"x" * 10)
    every = found(tmp_path)
    here = [name for name, model in every.items() if model.here]
    mine = str(tmp_path / "mine.nemo")
    assert set(here) == {PARAKEET, mine, checkpoints.DIGITS, "tiny.en (offline)"}
    assert list(every)[: len(here)] == here, "those at hand come first"
    assert (every[PARAKEET].size, every[mine].size) == (7, 10)
    assert len(every[PARAKEET].languages) == 25
    assert every["nvidia/canary-1b-v2"].size is None
    assert every["tiny.en (offline)"].size > 70_000_000
    assert (every[SORTFORMER].purpose, every[SORTFORMER].here) == ("speakers", False)


def test_every_model_in_the_hubs_cache_is_found_and_nothing_else(tmp_path, cache):
    asr = checkpoint("target: nemo.collections.asr.models.rnnt_bpe_models.EncDecRNNTBPEModel")
    lay(cache, "team/court", final__nemo=asr)  # not the repository's name, but the only one
    lay(cache, "team/two", a__nemo=asr, b__nemo=asr)
    whisper = {"model__bin": b"w" * 100, "config__json": b'{"alignment_heads": []}'}
    tokens = b'"<|startoftranscript|>" "<|en|>" "<|de|>" "<|haw|>"'
    directory = lay(cache, "Systran/faster-whisper-small", tokenizer__json=tokens, **whisper)
    lay(cache, "Systran/faster-whisper-base.en", **whisper)
    lay(cache, "team/translator", model__bin=b"w", config__json=b'{"decoder_start_token": "x"}')
    lay(cache, "team/broken-off", config__json=b'{"alignment_heads": []}')
    lay(cache, "team/bert", pytorch_model__bin=b"w", config__json=b"{}")
    every = found(tmp_path)
    cached = {name for name, model in every.items() if model.here and "/" in name}
    assert cached == {
        "team/court",
        "Systran/faster-whisper-small",
        "Systran/faster-whisper-base.en",
    }
    small = every["Systran/faster-whisper-small"]
    assert (small.engine, small.path, small.size) == ("whisper", directory, 123 + len(tokens))
    assert small.languages == ("de", "en")
    assert every["Systran/faster-whisper-base.en"].languages == ("en",)
    court = every["team/court"]
    assert (court.engine, court.purpose, court.size) == ("nemo", "speech", len(asr))


def test_what_comes_into_the_cache_is_seen_at_the_next_look(tmp_path, cache):
    assert PARAKEET not in {model.name for model in found(tmp_path).values() if model.here}
    put_in_cache(cache)
    lay(cache, "team/court", court__nemo=b"x")
    assert {PARAKEET, "team/court"} <= {m.name for m in found(tmp_path).values() if m.here}


def test_a_checkpoint_is_listed_for_what_it_is(tmp_path, cache):
    asr = "nemo.collections.asr.models"
    lay(cache, "team/voices", voices__nemo=checkpoint(f"target: {asr}.SortformerEncLabelModel"))
    lay(cache, "team/verify", verify__nemo=checkpoint(f"target: {asr}.EncDecSpeakerLabelModel"))
    langs = "tokenizer:\n  langs: {spl_tokens: {}, en: {}, de: {}}"
    (tmp_path / "court.nemo").write_bytes(
        checkpoint(f"target: {asr}.aed_multitask_models.EncDecMultiTaskModel\n{langs}")
    )
    (tmp_path / "canary-180m-flash.nemo").write_bytes(b"a copy of the hub's")
    (tmp_path / "stt_de_fastconformer.nemo").write_bytes(b"x")
    every = found(tmp_path)
    assert every["team/voices"].purpose == "speakers"
    assert "team/verify" not in every
    heard = {Path(name).name: model.languages for name, model in every.items()}
    assert heard["court.nemo"] == ("en", "de")
    assert heard["canary-180m-flash.nemo"] == ("en", "de", "fr", "es")
    assert heard["stt_de_fastconformer.nemo"] == ("de",)
    assert heard[checkpoints.DIGITS] == ("en",)


def test_the_hub_is_asked_only_for_what_is_not_here(tmp_path, cache, monkeypatch):
    put_in_cache(cache)
    asked = []
    monkeypatch.setattr(checkpoints, "hub_size", lambda name, timeout: asked.append(name) or 42)
    sized = with_sizes(models(PARAKEET, SORTFORMER, tmp_path), 1.0)
    assert PARAKEET not in asked and set(asked) == {*catalog.KNOWN, SORTFORMER} - {PARAKEET}
    assert {model.size for model in sized if not model.here} == {42}


def test_a_download_says_how_far_it_is_and_only_one_runs(tmp_path):
    go_on = threading.Event()
    half = threading.Event()

    def download(model, progress, stopping):
        progress(0.5)
        half.set()
        assert go_on.wait(30)
        return tmp_path

    downloads = Downloads(download)
    assert downloads.start("a/b") and half.wait(30)
    assert (downloads.model, downloads.share) == ("a/b", 0.5)
    assert not downloads.start("c/d")
    go_on.set()
    until_idle(downloads)
    assert downloads.problem is None


def test_a_download_that_fails_says_why_and_can_be_tried_again():
    def download(model, progress, stopping):
        raise ModelUnavailable("no network")

    downloads = Downloads(download)
    for _ in range(2):
        assert downloads.start("a/b")
        until_idle(downloads)
        assert downloads.problem == "no network"


def test_a_download_that_somebody_cancels_is_no_failure():
    begun = threading.Event()

    def download(model, progress, stopping):
        begun.set()
        until(stopping)
        raise Cancelled

    downloads = Downloads(download)
    assert downloads.start("a/b") and begun.wait(30)
    assert not downloads.stopping
    downloads.cancel()
    until_idle(downloads)
    assert downloads.problem is None and not downloads.stopping
    assert downloads.start("a/b"), "and can be begun again"
    downloads.cancel()
    until_idle(downloads)


@pytest.mark.parametrize("name", ["", "parakeet", "a/b/c", "../b", "a/b c", "/models/a.nemo", "a/"])
def test_only_a_name_on_the_hub_is_downloaded(name):
    downloads = Downloads(lambda *_, **__: pytest.fail("it was asked for"))
    with pytest.raises(ModelUnavailable, match="has the form owner/name"):
        downloads.start(name)
    assert downloads.share is None
