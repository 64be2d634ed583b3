"""A real Sortformer with random weights: its code, its checkpoint, its way through the runtime."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from services.audio.engines import sortformer
from services.cli.main import main
from services.config import Settings
from services.errors import ModelUnavailable
from services.jobs.models import Options, State
from services.runtime import Runtime
from tests import media
from tests.conftest import usual_temp
from tests.sortformer import write_sortformer
from tests.web import client_of

RATE = 16_000


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return write_sortformer(tmp_path_factory.mktemp("sortformer") / "streaming.nemo")


@pytest.fixture(scope="module")
def loaded(checkpoint, tmp_path_factory):
    settings = Settings(data_dir=tmp_path_factory.mktemp("data"), device="cpu")
    said = []
    model = sortformer.load(str(checkpoint), settings, lambda text, share: said.append(text))
    assert "unpacking the model" in said
    return model


def noise(seconds: float) -> np.ndarray:
    """Sound that is another every second."""
    random = np.random.default_rng(0)
    count = int(seconds * RATE)
    louder = np.repeat(random.random(int(seconds) + 1), RATE)[:count]
    return (random.standard_normal(count) * louder * 0.1).astype(np.float32)


@pytest.mark.parametrize("seconds", [0.5, 27.2, 30.43, 95.0048])
def test_in_stretches_it_hears_what_nemo_hears_in_the_whole(loaded, seconds):
    import torch

    sound = noise(seconds)
    blocks = np.array_split(sound, max(1, int(seconds / 7)))
    ours = loaded.probabilities(blocks)
    with torch.inference_mode():
        whole = loaded._model.forward(torch.from_numpy(sound)[None], torch.tensor([sound.size]))[
            0
        ].numpy()
    assert ours.shape == whole.shape
    np.testing.assert_allclose(ours, whole, atol=1e-5)
    if seconds > 27:
        assert whole.std(axis=0).max() > 0.005, "its answers change with the sound"


def test_it_holds_no_more_of_a_long_recording_than_a_stretch(loaded):
    given = held = most = 0

    def blocks():
        nonlocal given
        for _ in range(12):
            given += 1
            yield noise(30)

    def heard(seconds):
        nonlocal held, most
        held = given * 30 - seconds
        most = max(most, held)

    assert loaded.probabilities(blocks(), heard).shape == (12 * 30 * 100 // 8, 4)
    assert most < 60, "it asked for no more than it needed"


def test_a_checkpoint_that_hears_recordings_as_a_whole_is_refused(tmp_path):
    settings = Settings(data_dir=tmp_path / "data", device="cpu")
    other = write_sortformer(tmp_path / "whole.nemo", streaming=False)
    with pytest.raises(ModelUnavailable, match="streaming Sortformer"):
        sortformer.load(str(other), settings, lambda *_: None)
    with pytest.raises(ModelUnavailable, match="of the kind SortformerEncLabelModel"):
        sortformer.load("spoken-digits", settings, lambda *_: None)
    with pytest.raises(ModelUnavailable, match="diarization_model"):
        sortformer.load("nobody/nothing", settings, lambda *_: None)


def test_a_recording_gets_its_speakers_in_a_stage_of_its_own(checkpoint, tmp_path):
    settings = Settings(
        data_dir=tmp_path / "data",
        device="cpu",
        engine="whisper",
        diarization_model=str(checkpoint),
    )
    with Runtime(settings) as runtime:
        assert runtime.diarization_model().here
        options = Options(engine="whisper", speakers=True)
        batch = runtime.submit([media.DATA / "conf-noempty.wav"], options=options)
        runtime.wait(batch.id, timeout=120)
        (job,) = runtime.jobs(batch.id)
        assert job.state is State.DONE, job.error
        deadline = time.monotonic() + 120
        while (found := runtime.diarization(job.id)).state is not State.DONE:
            assert found.state in (State.QUEUED, State.RUNNING), found.error
            assert time.monotonic() < deadline
            time.sleep(0.05)
        # Random weights hear somebody or nobody: either way the words are what they were.
        client = client_of(runtime)
        told = client.get(f"/api/v1/jobs/{job.id}/speakers").json()
        assert told["state"] == "done" and told["model"] == checkpoint.name
        words = [word.text for word in runtime.result(job.id).words]
        assert words and all(turn["speaker"].startswith("Speaker ") for turn in told["turns"])
        assert client.delete(f"/api/v1/jobs/{job.id}/speakers").status_code == 204
        assert client.get(f"/api/v1/jobs/{job.id}/speakers").status_code == 404
        assert [word.text for word in runtime.result(job.id).words] == words
        again = client.post(f"/api/v1/jobs/{job.id}/speakers")
        assert again.status_code == 200 and again.json()["state"] in ("queued", "running")
        runtime.stop_finding_speakers(job.id)
        assert runtime.diarization(job.id).state is not State.RUNNING


def test_what_the_command_writes_names_the_speakers(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SCRIPTORIUM_ENGINE", "whisper")
    monkeypatch.setenv("SCRIPTORIUM_DEVICE", "cpu")
    monkeypatch.setenv("SCRIPTORIUM_DIARIZATION_MODEL", str(checkpoint))
    out, talk = tmp_path / "out", media.DATA / "conf-noempty.wav"
    with usual_temp():
        assert main(["run", str(talk), "--speakers", "--out", str(out), "--format", "json"]) == 0
    written = json.loads((out / "conf-noempty.json").read_text(encoding="utf-8"))
    assert [one["speaker"] for one in written["segments"]] == ["Speaker 1"]


def test_a_search_that_fails_costs_the_command_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("SCRIPTORIUM_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("SCRIPTORIUM_ENGINE", "whisper")
    monkeypatch.setenv("SCRIPTORIUM_DEVICE", "cpu")
    monkeypatch.setenv("SCRIPTORIUM_DIARIZATION_MODEL", str(tmp_path / "none.nemo"))
    out, talk = tmp_path / "out", media.DATA / "conf-noempty.wav"
    with usual_temp():
        assert main(["run", str(talk), "--speakers", "--out", str(out)]) == 0
    assert "empty conferences" in (out / "conf-noempty.txt").read_text(encoding="utf-8")
    assert "without speakers:" in capsys.readouterr().err
