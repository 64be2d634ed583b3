"""Whether a server can work, as a supervisor asks it, and its figures."""

from __future__ import annotations

import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

from services.api.door import COOKIE
from services.config import Settings
from services.files.temp import SCRATCH, writable
from services.health import KEPT_SECONDS, Health
from services.jobs.models import Kind, NewJob
from services.people.models import Role
from services.runtime import Runtime
from tests import media
from tests.waiting import until
from tests.web import client_of


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", device="cpu", engine="whisper", disk_reserve_mb=0)


def test_checks_are_asked_once_in_a_while_and_what_they_raise_is_a_failure():
    now, asked = [0.0], []

    def broken():
        asked.append(now[0])
        raise OSError("gone")

    health = Health({"good": lambda: None, "bad": broken}, lambda: now[0])
    assert health.failing() == health.failing() == ("bad",)
    now[0] = KEPT_SECONDS
    assert health.failing() == ("bad",)
    assert asked == [0.0, KEPT_SECONDS]


def test_a_server_is_ready_until_its_temporary_directory_goes(settings):
    with Runtime(settings) as runtime:
        client = client_of(runtime)
        assert client.get("/health/live").json() == {"status": "live"}
        assert client.get("/health/ready").json() == {"status": "ready"}
        assert writable(settings.temp_root) is None
        scratch = settings.temp_root / SCRATCH  # beside it lies the lock, which is held
        shutil.rmtree(scratch)
        scratch.write_text("no directory")  # so that nothing can make it again
        runtime.health._asked_at = None
        answer = client.get("/health/ready")
        assert (answer.status_code, answer.json()["failing"]) == (503, ["temporary files"])
        assert str(settings.data_dir) not in answer.text, "anybody may ask"
        assert client.get("/health/live").status_code == 200
        scratch.unlink()


def test_a_dead_lane_a_silent_store_and_a_full_disk_are_not_ready(settings, monkeypatch):
    with Runtime(settings) as runtime:
        monkeypatch.setattr(type(runtime._pulse), "lives", False)
        monkeypatch.setattr(runtime._store, "paused", lambda: 1 / 0)
        runtime._data_room.reserve = 1 << 60
        assert runtime.health.failing() == ("store", "lanes", "disk")


def test_a_server_that_lost_its_gpu_is_to_be_started_again(settings):
    with Runtime(settings) as runtime:
        client = client_of(runtime)
        runtime._lanes[0].lost = "The GPU does not answer."
        runtime.health._asked_at = None
        assert client.get("/health/live").status_code == 503
        assert client.get("/health/ready").json()["failing"] == ["gpu"]
        until(lambda: runtime.paused() == "The GPU does not answer.")


def values(text: str) -> dict:
    return {
        (sample.name.removeprefix("scriptorium_"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_figures_are_those_of_the_store(settings, tmp_path):
    media.write_pdf(tmp_path / "plan.pdf", ["One.", "Two."])
    with Runtime(settings) as runtime:
        batch = runtime.submit([tmp_path / "plan.pdf"])
        runtime.wait(batch.id, 60)
        runtime.pause()
        bad = NewJob("bad.wav", Kind.AUDIO, tmp_path / "bad.wav", "", 0, error="broken")
        late = NewJob("late.wav", Kind.AUDIO, tmp_path / "late.wav", "", 0)
        runtime._store.add_batch("local", tmp_path, runtime.default_options(), [bad, late])
        runtime.people.sessions.begin("somebody")
        found = values(client_of(runtime).get("/metrics").text)
        waited = values(client_of(runtime).get("/metrics").text)["queue_oldest_seconds", "audio"]
    assert found["jobs", "document", "done"] == 1
    assert found["jobs", "audio", "failed"] == found["failed_jobs", "permanent", "audio"] == 1
    assert found["queue_depth", "audio"] == 1 and found["queue_depth", "document"] == 0
    assert 0 < found["queue_oldest_seconds", "audio"] < waited
    assert found["document_pages_per_second",] > 0
    assert ("audio_realtime_factor",) not in found, "nothing was heard in the last hour"
    assert found["sessions",] == 1
    assert found["memory_bytes", "server"] > 1e7 and found["memory_bytes", "workers"] > 1e6
    assert found["disk_free_bytes", "data"] > 0
    assert found["janitor_backlog", "deleted"] == 0


def test_the_figures_of_the_library(settings, tmp_path):
    media.write_pdf(tmp_path / "plan.pdf", ["One."])
    with Runtime(settings) as runtime:
        batch = runtime.submit([tmp_path / "plan.pdf"])
        runtime.wait(batch.id, 60)
        (job,) = runtime.jobs(batch.id)
        assert runtime._entries.oldest_waiting() == job.result_at
        assert runtime._entries.take() is not None
        assert runtime._entries.oldest_waiting() == job.result_at, "not yet in the library"
        runtime._entries.finish(job.id, 1)
        assert runtime._entries.oldest_waiting() is None
        runtime._metrics._settings = settings.model_copy(update={"library": True})
        found = values(runtime.metrics().decode())
        assert found["index_results", "done"] == 1 and found["index_lag_seconds",] == 0


def test_the_figures_are_for_admins(settings):
    with Runtime(settings.model_copy(update={"mode": "accounts"})) as runtime:
        people, client = runtime.people, client_of(runtime)
        people.accounts.add("ana", "correct horse battery", Role.ADMIN)
        people.accounts.add("bo", "correct horse battery", Role.PERSON)
        assert client.get("/metrics").status_code == 401
        assert client.get("/health/ready").status_code == 200
        for name, status in (("ana", 200), ("bo", 403)):
            cookie = {"Cookie": f"{COOKIE}={people.sessions.begin(name)}"}
            assert client.get("/metrics", headers=cookie).status_code == status
