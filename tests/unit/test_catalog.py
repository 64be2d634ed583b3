import threading
from pathlib import Path

import huggingface_hub.constants
import pytest

from services.audio import catalog, checkpoints
from services.audio.catalog import Downloads, models, with_sizes
from services.errors import ModelUnavailable
from tests.unit.test_checkpoints import PARAKEET, put_in_cache


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def until_idle(downloads: Downloads) -> None:
    downloads._thread.join(30)
    assert downloads.share is None


def test_models_are_found_where_they_are(tmp_path, cache):
    put_in_cache(cache, b"weights")
    (tmp_path / "mine.nemo").write_bytes(b"x" * 10)
    found = {model.name: model for model in models(PARAKEET, tmp_path)}
    here = [name for name, model in found.items() if model.here]
    mine = str(tmp_path / "mine.nemo")
    assert set(here) == {PARAKEET, mine, checkpoints.DIGITS, "tiny.en (offline)"}
    assert list(found)[: len(here)] == here, "those at hand come first"
    assert (found[PARAKEET].size, found[mine].size) == (7, 10)
    assert len(found[PARAKEET].languages) == 25
    assert found["nvidia/canary-1b-v2"].size is None


def test_the_hub_is_asked_only_for_what_is_not_here(tmp_path, cache, monkeypatch):
    put_in_cache(cache)
    asked = []
    monkeypatch.setattr(checkpoints, "hub_size", lambda name, timeout: asked.append(name) or 42)
    sized = with_sizes(models(PARAKEET, tmp_path), 1.0)
    assert PARAKEET not in asked and set(asked) == set(catalog.KNOWN) - {PARAKEET}
    assert {model.size for model in sized if not model.here} == {42}


def test_a_download_says_how_far_it_is_and_only_one_runs(tmp_path):
    go_on = threading.Event()
    half = threading.Event()

    def download(model, progress):
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
    def download(model, progress):
        raise ModelUnavailable("no network")

    downloads = Downloads(download)
    for _ in range(2):
        assert downloads.start("a/b")
        until_idle(downloads)
        assert downloads.problem == "no network"
