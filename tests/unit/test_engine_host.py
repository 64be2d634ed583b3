import threading
from pathlib import Path

import huggingface_hub.constants
import pytest

from services.audio.checkpoints import DIGITS, find
from services.audio.engines.host import ASK_AGAIN_SECONDS, Choice, EngineHost, Hub
from services.audio.engines.whisper import OFFLINE_MODEL
from services.config import Settings
from services.errors import ModelUnavailable
from tests.unit.test_checkpoints import PARAKEET, put_in_cache

OFFLINE = Choice("whisper", OFFLINE_MODEL, offline=True)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.fixture
def make_host(tmp_path):
    hosts = []

    def make(**values) -> EngineHost:
        settings = Settings(data_dir=tmp_path / "data", device="cpu", **values)
        hosts.append(EngineHost(settings, Hub(settings.nemo_model, settings.hub_timeout)))
        return hosts[-1]

    yield make
    for host in hosts:
        host.close()


def test_auto_is_the_offline_model_when_nothing_else_is_at_hand(make_host):
    assert make_host().choose("auto", None) == OFFLINE


def test_auto_is_nemo_when_the_hubs_cache_holds_its_checkpoint(make_host, cache):
    put_in_cache(cache)
    assert make_host().choose("auto", None) == Choice("nemo", PARAKEET)


def test_auto_is_nemo_when_the_configured_path_is_there(make_host, tmp_path):
    (tmp_path / "mine.nemo").write_text("x")
    model = str(tmp_path / "mine.nemo")
    assert make_host(nemo_model=model).choose("auto", None) == Choice("nemo", model)


def test_auto_does_not_pick_the_spoken_digits_though_they_are_at_hand(make_host):
    assert find(DIGITS).is_file()
    assert make_host().choose("auto", None) == OFFLINE


def test_a_configured_whisper_model_is_what_auto_falls_back_to(make_host):
    assert make_host(whisper_model="small").choose("auto", None) == Choice("whisper", "small", True)


def test_what_a_job_asks_for_is_what_it_gets(make_host):
    host = make_host()
    assert host.choose("nemo", None) == Choice("nemo", PARAKEET)
    assert host.choose("nemo", DIGITS) == Choice("nemo", DIGITS)
    assert host.choose("whisper", None) == Choice("whisper", OFFLINE_MODEL)
    assert host.choose("whisper", "small") == Choice("whisper", "small")


def test_a_hub_that_hangs_is_out_of_reach_after_the_time_it_was_given(settings, monkeypatch):
    release = threading.Event()
    monkeypatch.setattr(
        "services.audio.checkpoints.hub_lacks", lambda model, timeout: release.wait(20) and None
    )
    hub = Hub(PARAKEET, timeout=0.05)
    try:
        assert hub.has_model(wait=False) is None
        assert EngineHost(settings, hub).choose("auto", None, wait=False) is None
        assert hub.has_model(wait=True) is False
        assert EngineHost(settings, hub).choose("auto", None) == OFFLINE
    finally:
        release.set()


def test_a_hub_that_answers_makes_auto_nemo(settings, monkeypatch):
    monkeypatch.setattr("services.audio.checkpoints.hub_lacks", lambda model, timeout: None)
    hub = Hub(PARAKEET, timeout=10)
    assert EngineHost(settings, hub).choose("auto", None) == Choice("nemo", PARAKEET)


def test_a_hub_that_said_no_is_asked_again_after_a_while(settings, monkeypatch):
    """As when the server starts before the network is up."""
    answers, asked, now = ["no network", "no such model", None], [], [1000.0]

    def hub_lacks(model, timeout):
        asked.append(now[0])
        return answers[len(asked) - 1]

    monkeypatch.setattr("services.audio.checkpoints.hub_lacks", hub_lacks)
    host = EngineHost(settings, Hub(PARAKEET, timeout=10, clock=lambda: now[0]))
    assert host.choose("auto", None) == host.choose("auto", None) == OFFLINE
    now[0] += ASK_AGAIN_SECONDS - 1
    assert host.choose("auto", None) == OFFLINE and len(asked) == 1
    assert host._hub.problem == "no network"
    now[0] += 1
    assert host.choose("auto", None) == OFFLINE and len(asked) == 2
    assert host._hub.problem == "no such model"
    now[0] += ASK_AGAIN_SECONDS
    assert host.choose("auto", None) == Choice("nemo", PARAKEET) and host._hub.problem is None
    now[0] += 10 * ASK_AGAIN_SECONDS
    assert host.choose("auto", None) == Choice("nemo", PARAKEET) and len(asked) == 3


def test_a_page_has_the_last_answer_while_the_hub_is_asked_again(settings, monkeypatch):
    go_on, asked, now = threading.Event(), [], [0.0]

    def hub_lacks(model, timeout):
        asked.append(model)
        return None if len(asked) > 1 and go_on.wait(30) else "no network"

    monkeypatch.setattr("services.audio.checkpoints.hub_lacks", hub_lacks)
    hub = Hub(PARAKEET, timeout=30, clock=lambda: now[0])
    assert hub.has_model(wait=True) is False
    now[0] += ASK_AGAIN_SECONDS
    assert hub.has_model(wait=False) is False and hub.has_model(wait=False) is False
    go_on.set()
    assert hub.has_model(wait=True) is True and len(asked) == 2


def test_a_loaded_model_is_kept_and_its_status_told(make_host):
    host = make_host()
    assert host.status.state == "idle"
    engine = host.get("auto", None, "arrays")
    assert host.get("auto", None, "arrays") is engine
    assert (host.status.state, host.status.model) == ("ready", OFFLINE_MODEL)
    host.close()
    assert host.status.state == "idle"


def test_auto_falls_back_when_the_checkpoint_at_hand_is_broken(make_host, cache):
    put_in_cache(cache, b"no archive")
    host = make_host()
    assert host.get("auto", None, "arrays").model == OFFLINE_MODEL
    assert host.status.state == "ready"


def test_a_model_that_a_job_asked_for_is_not_replaced_by_another(make_host, tmp_path):
    host = make_host()
    with pytest.raises(ModelUnavailable, match=r"gone\.nemo"):
        host.get("nemo", str(tmp_path / "gone.nemo"), "arrays")
    assert host.status.state == "idle"


def test_a_model_is_freed_when_somebody_asks_and_comes_back_with_the_next_job(make_host):
    host = make_host()
    first = host.get("auto", None, "arrays")
    host.free_if_idle()
    assert host.status.state == "ready", "half an hour is not over"
    host.ask_to_free()
    host.free_if_idle()
    assert host.status.state == "idle"
    assert host.get("auto", None, "arrays") is not first
    host.free_if_idle()
    assert host.status.state == "ready", "it was asked for once"


@pytest.mark.parametrize(("minutes", "state"), [(0, "idle"), (10, "ready"), (None, "ready")])
def test_a_model_without_work_is_freed_after_the_time_set(make_host, minutes, state):
    host = make_host(model_idle_minutes=minutes)
    host.get("auto", None, "arrays")
    host.free_if_idle()
    host.free_if_idle()
    assert host.status.state == state
