"""OpenAI's own client, against a server of ours: what was written for theirs works here."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import openai
import pytest
import uvicorn
from starlette.applications import Starlette

from services.api import app as web
from services.api.v1.openai_models import TranscriptionForm
from services.config import Settings
from services.errors import SignedOut
from services.files.workspace import StoredFile
from services.jobs.models import JobFilter, State
from services.people.models import Scope
from services.runtime import Runtime
from tests import media
from tests.waiting import until

SOUND = ("talk.wav", (media.DATA / "conf-noempty.wav").read_bytes())
SAID = "No empty conferences currently exist."


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    settings = Settings(
        data_dir=tmp_path_factory.mktemp("openai") / "data",
        mode="accounts",
        device="cpu",
        engine="whisper",
        disk_reserve_mb=0,
    )
    with Runtime(settings) as made:
        made.people.accounts.add("ana", "correct horse battery")
        yield made


@pytest.fixture(scope="module")
def address(runtime):
    """A server on a free port."""
    app = Starlette(routes=web.routes(runtime.settings), middleware=web.middleware(runtime))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        until(lambda: server.started)
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        server.should_exit = True
        thread.join()


def key(runtime: Runtime, *scopes: Scope) -> str:
    scopes = scopes or (Scope.READ, Scope.SUBMIT)
    return runtime.people.tokens.create("ana", "test", scopes)[0]


@pytest.fixture(scope="module")
def client(runtime, address):
    with openai.OpenAI(base_url=f"{address}/v1", api_key=key(runtime), max_retries=0) as made:
        yield made


def test_the_text_of_a_recording(client, runtime):
    made = client.audio.transcriptions.create(
        file=SOUND, model="whisper-1", language="en", prompt="conferences, Ana Ruiz"
    )
    assert made.text == SAID
    (job,) = runtime.find(JobFilter(), limit=1)
    assert (job.owner, job.name, job.state) == ("ana", "talk.wav", State.DONE)
    assert (job.options.language, job.options.hotwords) == ("en", ("conferences", "Ana Ruiz"))


def test_all_of_it_with_times(client):
    made = client.audio.transcriptions.create(
        file=SOUND,
        model="tiny.en (offline)",
        response_format="verbose_json",
        timestamp_granularities=["word", "segment"],
    )
    assert (made.text, made.language) == (SAID, "english") and 2.5 < made.duration < 3
    assert [word.word.strip(".") for word in made.words] == SAID.strip(".").split()
    assert all(0 <= word.start < word.end <= made.duration for word in made.words)
    (segment,) = made.segments
    assert segment.text == SAID and segment.avg_logprob < 0 < segment.compression_ratio


def test_the_other_formats(client):
    def ask(form: str) -> str:
        return client.audio.transcriptions.create(
            file=SOUND,
            model="whisper-1",
            response_format=form,
            extra_headers={"Idempotency-Key": "formats"},  # one job for all of them
        )

    assert ask("text") == f"{SAID}\n"
    assert ask("srt").startswith("1\n00:00:00,")
    assert ask("vtt").startswith("WEBVTT\n") and SAID in ask("vtt")


def test_the_text_comes_as_events_where_a_client_wants_them(client, runtime, monkeypatch):
    monkeypatch.setattr("services.api.v1.openai.HEARTBEAT", 0.0)
    create = client.audio.transcriptions.create
    with create(file=SOUND, model="gpt-4o-transcribe", stream=True) as events:
        delta, done = events
    assert (delta.type, delta.delta) == ("transcript.text.delta", SAID)
    assert (done.type, done.text) == ("transcript.text.done", SAID)
    assert done.usage.seconds == pytest.approx(2.7, abs=0.5)
    monkeypatch.setattr(runtime._lanes[0], "lost", "The GPU does not answer.")
    runtime.pause()
    try:
        events = create(file=SOUND, model="whisper-1", stream=True)
        with events, pytest.raises(openai.APIError, match="The GPU does not answer"):
            list(events)
    finally:
        runtime.resume()
    assert runtime.find(JobFilter(), limit=1)[0].state is State.CANCELLED


def test_a_stream_brings_what_a_text_or_an_error_holds(client, runtime, monkeypatch):
    """Half of a character, as a document may have; and an error that comes after the headers."""
    sent = {"file": SOUND, "model": "whisper-1", "stream": True}
    corrected = Runtime.corrected
    half = lambda self, id: replace(corrected(self, id), text="half \ud800")  # noqa: E731
    monkeypatch.setattr(Runtime, "corrected", half)
    with client.audio.transcriptions.create(**sent) as events:
        assert [event.type for event in events][-1] == "transcript.text.done"

    def signed_out(self, id):
        raise SignedOut("You were signed out.")

    monkeypatch.setattr(Runtime, "corrected", signed_out)
    events = client.audio.transcriptions.create(**sent)
    with events, pytest.raises(openai.APIError, match="signed out") as caught:
        list(events)
    assert caught.value.type == "authentication_error"


def test_a_stream_that_nobody_listens_to_ends_its_job(client, runtime):
    runtime.pause()
    newest = lambda: runtime.find(JobFilter(), limit=1)[0]  # noqa: E731
    sent = {"file": SOUND, "model": "whisper-1", "stream": True}
    try:
        with client.audio.transcriptions.create(**sent):
            assert newest().state is State.QUEUED
        until(lambda: newest().state is State.CANCELLED)
        with client.audio.transcriptions.create(**sent, extra_headers={"Idempotency-Key": "s"}):
            kept = newest().id
    finally:
        runtime.resume()
    until(lambda: runtime.job(kept).state.over)
    assert runtime.job(kept).state is State.DONE


@pytest.mark.parametrize(
    ("said", "meant"), [("EN", "en"), ("en-US", "en"), ("de_AT", "de"), ("German", "de")]
)
def test_a_language_is_known_by_what_clients_call_it(said, meant):
    form = {"file": StoredFile(Path("a.wav"), "a.wav", "", 1), "model": "whisper-1"}
    assert TranscriptionForm.model_validate(form | {"language": said}).language == meant
    assert TranscriptionForm.model_validate(form | {"language": "auto"}).language is None


def test_what_clients_leave_empty_or_call_otherwise_is_understood(runtime, address):
    def ask(**fields: str) -> httpx.Response:
        where = f"{address}/v1/audio/transcriptions"
        headers = {"Authorization": f"Bearer {key(runtime)}"}
        sent = {"model": "whisper-1", **fields}
        files = {"file": SOUND} if "file" not in fields else {"other": SOUND}
        return httpx.post(where, headers=headers, data=sent, files=files, timeout=60)

    fields = ("prompt", "language", "temperature", "response_format", "stream")
    empty = ask(**dict.fromkeys(fields, ""), user="me", vad_filter="true")
    assert (empty.status_code, empty.json()["text"]) == (200, SAID)
    words = ask(timestamp_granularities="word", response_format="verbose_json").json()["words"]
    assert [word["word"] for word in words] == SAID.split()
    refused = ask(file="talk.wav")
    assert refused.status_code == 400 and "this is no file" in refused.text


def test_a_translation_says_what_the_model_could_not_do(client, runtime):
    made = client.audio.translations.create(file=SOUND, model="whisper-1")
    assert made.text == SAID
    (job,) = runtime.find(JobFilter(), limit=1)
    assert job.options.translate_to == "en"


def test_the_models(client):
    listed = {model.id: model for model in client.models.list()}
    assert {"whisper-1", "spoken-digits"} <= set(listed)
    assert client.models.retrieve("spoken-digits") == listed["spoken-digits"]
    for unknown in ("gpt-5", "nvidia/parakeet-0"):
        with pytest.raises(openai.NotFoundError, match=f"no model “{unknown}” here"):
            client.models.retrieve(unknown)


def test_errors_are_those_that_the_client_knows(client, runtime, tmp_path):
    create = client.audio.transcriptions.create
    with pytest.raises(openai.NotFoundError, match="no model “whisper-9”"):
        create(file=SOUND, model="whisper-9")
    with pytest.raises(openai.BadRequestError, match="language that is known") as caught:
        create(file=SOUND, model="whisper-1", language="klingon")
    assert caught.value.param == "language" and caught.value.type == "invalid_request_error"
    with pytest.raises(openai.BadRequestError, match="is no recording"):
        create(file=media.write_pdf(tmp_path / "paper.pdf", ["One"]), model="whisper-1")
    before = runtime.count_batches()
    stranger = client.with_options(api_key="sk-wrong")
    with pytest.raises(openai.AuthenticationError, match="token that is valid"):
        stranger.audio.transcriptions.create(file=SOUND, model="whisper-1")
    reader = client.with_options(api_key=key(runtime, Scope.READ))
    with pytest.raises(openai.PermissionDeniedError, match="permission “submit”"):
        reader.audio.transcriptions.create(file=SOUND, model="whisper-1")
    assert runtime.count_batches() == before


def test_a_job_that_nobody_waits_for_is_cancelled(client, runtime):
    runtime.pause()
    try:
        with pytest.raises(openai.APITimeoutError):
            client.audio.transcriptions.create(file=SOUND, model="whisper-1", timeout=1.0)
        newest = lambda: runtime.find(JobFilter(), limit=1)[0]  # noqa: E731
        until(lambda: newest().state is State.CANCELLED)
    finally:
        runtime.resume()


def test_nobody_waits_for_a_gpu_that_is_lost(client, runtime, monkeypatch):
    runtime.pause()
    monkeypatch.setattr(runtime._lanes[0], "lost", "The GPU does not answer.")
    try:
        with pytest.raises(openai.InternalServerError, match="The GPU does not answer"):
            client.audio.transcriptions.create(file=SOUND, model="whisper-1")
    finally:
        runtime.resume()
    assert runtime.find(JobFilter(), limit=1)[0].state is State.CANCELLED


def test_who_comes_back_with_a_key_gets_what_was_begun(client, runtime):
    runtime.pause()
    sent = {"file": SOUND, "model": "whisper-1", "extra_headers": {"Idempotency-Key": "once"}}
    before = runtime.count_batches()
    try:
        with pytest.raises(openai.APITimeoutError):
            client.audio.transcriptions.create(**sent, timeout=1.0)
        until(lambda: runtime.count_batches() == before + 1)
    finally:
        runtime.resume()
    assert client.audio.transcriptions.create(**sent).text == SAID
    assert runtime.count_batches() == before + 1
    with pytest.raises(openai.BadRequestError, match="Use a new key"):
        client.audio.transcriptions.create(**sent, language="en")


def test_events_come_while_a_batch_runs(runtime, address):
    """Over a real connection: what happens is told before the batch has ended."""
    runtime.pause()
    headers = {"Authorization": f"Bearer {key(runtime)}"}
    with httpx.Client(base_url=f"{address}/api/v1", headers=headers, timeout=60) as http:
        batch = http.post("/batches", files={"files": SOUND}).json()["id"]
        seen = []
        with http.stream("GET", f"/batches/{batch}/events") as answer:
            for line in answer.iter_lines():
                seen.append(line)
                if line == "event: batch" and len(seen) < 6:
                    runtime.resume()
    assert seen[0] == "event: job" and '"state":"queued"' in seen[1]
    assert any('"state":"done"' in line for line in seen) and "event: end" in seen
