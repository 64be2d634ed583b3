"""The search for speakers between the job store and a model that does as the tests tell it."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from services.audio.speakers import Speakers, Turn
from services.audio.transcript import Segment, Transcript, Word
from services.errors import DeviceLost, DiskFull, ModelUnavailable
from services.files.wav import write_wav
from services.jobs import diarizing
from services.jobs.diarization import Diarizations
from services.jobs.diarizing import Diarizer
from services.jobs.entries import IndexEntries
from services.jobs.models import Kind, NewJob, Options, State
from services.jobs.results import Results
from services.jobs.store import JobStore, new_id
from services.jobs.turns import Turns
from tests.waiting import until

TRANSCRIPT = Transcript(
    "hello there",
    2.0,
    "en",
    "e",
    "m",
    [Segment(0.0, 2.0, "hello there")],
    [Word(0.0, 0.9, "hello"), Word(1.0, 2.0, "there")],
)
TURNS = [Turn(0.0, 0.95, 0), Turn(0.95, 2.0, 1)]


class FakeModel:
    """Finds TURNS, or raises `fails` one by one; while `hold` is clear it listens on."""

    model = "fake"

    def __init__(self) -> None:
        self.fails: list[Exception] = []
        self.hold = threading.Event()
        self.hold.set()
        self.heard: list[float] = []
        self.closed = 0
        self.found = list(TURNS)

    def turns(self, blocks, heard, turn) -> list[Turn]:
        self.heard.append(sum(block.size for block in blocks) / 16_000)
        with turn():
            heard(1.0)
        while not self.hold.wait(0.02):
            heard(1.0)
        if self.fails:
            raise self.fails.pop(0)
        return list(self.found)

    def close(self) -> None:
        self.closed += 1


class House:
    def __init__(self, directory: Path, url: str) -> None:
        self.store = JobStore(url)
        self.entries = IndexEntries(url, "model 1")
        self.diarizations = Diarizations(url)
        self.results = Results(directory / "results")
        self.sound = directory / "talk.wav"
        write_wav(self.sound, np.zeros(32_000, np.float32), 16_000)
        self.model = FakeModel()
        self.loads: list[Exception] = []
        self.running: list[Diarizer] = []
        self.done = 0

    def job(self, *, speakers: bool = False, kind: Kind = Kind.AUDIO) -> str:
        new = NewJob("talk.wav", kind, self.sound, "0" * 64, 1, 2.0)
        self.store.add_batch("ana", Path(new_id()), Options(speakers=speakers), [new])
        return self.transcribe(kind, TRANSCRIPT)

    def transcribe(self, kind: Kind, transcript: Transcript) -> str:
        """Give the next job this result."""
        job = self.store.claim(kind)
        assert job is not None
        other = transcript.track != self.results.track(job.id)
        publish = partial(self.results.publish, job, self.results.stage(job, transcript))
        made = {"length": 2.0, "engine": "e", "model": "m", "note": None, "other_track": other}
        assert self.store.finish(job, publish, **made)
        return job.id

    def load(self, report) -> FakeModel:
        report("loading it", None)
        if self.loads:
            raise self.loads.pop(0)
        return self.model

    def start(self, **more) -> Diarizer:
        diarizer = Diarizer(
            self.diarizations,
            self.results,
            self.load,
            Turns(shared=True),
            done=self.count,
            **more,
        )
        diarizer.start()
        self.running.append(diarizer)
        return diarizer

    def count(self) -> None:
        self.done += 1

    def state(self, job_id: str) -> State | None:
        found = self.diarizations.of(job_id)
        return found.state if found else None

    def close(self) -> None:
        self.model.hold.set()
        for diarizer in self.running:
            diarizer.stop()
        for one in (self.store, self.entries, self.diarizations):
            one.close()


@pytest.fixture
def house(tmp_path, monkeypatch, store_url):
    monkeypatch.setattr(diarizing, "IDLE_SECONDS", 0.05)
    monkeypatch.setattr(diarizing, "ROOM_SECONDS", 0.05)
    monkeypatch.setattr(diarizing, "TELL_SECONDS", 0.0)
    made = House(tmp_path, store_url)
    yield made
    made.close()


def test_speakers_that_a_batch_asked_for_are_found_after_its_transcript(house):
    asked, other = house.job(speakers=True), house.job()
    house.start()
    until(lambda: house.done == 1)
    assert house.state(asked) is State.DONE and house.model.heard == [2.0]
    assert [s.speaker for s in house.results.load(asked).segments] == ["Speaker 1", "Speaker 2"]
    found = house.diarizations.of(asked)
    assert (found.model, found.speakers, found.progress) == ("fake", 2, 1.0)
    assert house.state(other) is None and house.results.load(other) == TRANSCRIPT


def test_whoever_asks_later_gets_them_too_and_a_document_has_none(house):
    job, document = house.job(), house.job(kind=Kind.DOCUMENT)
    assert house.diarizations.ask(job) and not house.diarizations.ask(document)
    assert not house.diarizations.ask("no such job")
    house.start()
    until(lambda: house.state(job) is State.DONE)
    assert house.state(document) is None


def test_a_failure_endangers_neither_transcript_nor_speakers_found_before(house):
    job = house.job(speakers=True)
    house.start()
    until(lambda: house.state(job) is State.DONE)
    before = house.results.load(job)
    for error, said in (
        (ModelUnavailable("The model is not here."), "The model is not here."),
        (ValueError("odd"), "internal error (ValueError: odd)"),
    ):
        house.model.fails = [error]
        house.diarizations.ask(job)
        until(lambda: house.state(job) is State.FAILED)
        assert said in house.diarizations.of(job).error
        assert house.results.load(job) == before
    assert house.diarizations.of(job).speakers == 2


def test_a_model_that_cannot_be_loaded_is_tried_again_when_somebody_asks_again(house):
    house.loads = [ModelUnavailable("It is not on this machine.")]
    job = house.job(speakers=True)
    house.start()
    until(lambda: house.state(job) is State.FAILED)
    house.diarizations.ask(job)
    until(lambda: house.state(job) is State.DONE)


def test_an_original_that_is_gone_is_said(house):
    job = house.job(speakers=True)
    house.sound.unlink()
    (house.results.directory(job) / "original.wav").unlink()
    house.start()
    until(lambda: house.state(job) is State.FAILED)
    assert "“talk.wav” is not kept any more" in house.diarizations.of(job).error


def test_a_person_ends_it_and_what_was_found_before_stays(house):
    job = house.job(speakers=True)
    house.model.hold.clear()
    house.start()
    until(lambda: house.state(job) is State.RUNNING and bool(house.model.heard))
    assert house.diarizations.of(job).stage == "listening for speakers"
    assert [house.diarizations.cancel([job]) for _ in range(2)] == [1, 0]
    other = house.job(speakers=True)
    house.model.hold.set()
    until(lambda: house.state(other) is State.DONE)
    assert house.state(job) is State.CANCELLED
    assert house.results.speakers(job) is None


def test_a_stop_puts_it_back_and_the_next_start_takes_it_up(house):
    job = house.job(speakers=True)
    house.model.hold.clear()
    diarizer = house.start()
    until(lambda: bool(house.model.heard))
    diarizer.stop()
    assert house.state(job) is State.QUEUED and house.model.closed == 1
    house.model.hold.set()
    house.start()
    until(lambda: house.state(job) is State.DONE)


def test_a_stop_in_the_middle_of_a_download_puts_it_back(house, monkeypatch):
    begun = threading.Event()

    def load(report):
        begun.set()
        try:
            while True:
                time.sleep(0.01)
                report("downloading it", 0.5)
        except Exception as error:  # as the hub's own code does
            raise ModelUnavailable("It could not be downloaded.") from error

    monkeypatch.setattr(house, "load", load)
    job = house.job(speakers=True)
    diarizer = house.start()
    assert begun.wait(30)
    diarizer.stop()
    assert house.state(job) is State.QUEUED


def test_after_a_crash_it_is_taken_up_again(house):
    job = house.job(speakers=True)
    assert house.diarizations.take().id == job
    assert house.diarizations.take() is None, "nobody else gets it"
    house.start()
    until(lambda: house.state(job) is State.DONE)


def test_a_full_disk_is_waited_for(house, monkeypatch):
    job = house.job(speakers=True)
    keep, fails = house.results.keep_speakers, [DiskFull("The disk is full.")]

    def keep_speakers(job_id, found):
        if fails:
            raise fails.pop()
        keep(job_id, found)

    monkeypatch.setattr(house.results, "keep_speakers", keep_speakers)
    house.start()
    until(lambda: house.state(job) is State.DONE)
    assert house.results.speakers(job).count == 2 and not fails


def test_a_lost_gpu_costs_one_search_and_the_others_wait_for_the_next_start(house):
    first, second = house.job(speakers=True), house.job(speakers=True)
    house.model.fails.append(DeviceLost("The GPU does not answer."))
    diarizer = house.start()
    until(lambda: diarizer.lost)
    until(lambda: State.FAILED in (house.state(first), house.state(second)))
    until(lambda: not diarizer._step())
    assert sorted([house.state(first), house.state(second)]) == [State.FAILED, State.QUEUED]
    assert diarizer.lost == "The GPU does not answer." and len(house.model.heard) == 1
    diarizer.stop()
    house.start()
    until(lambda: State.DONE in (house.state(first), house.state(second)))


def test_a_deleted_job_leaves_nothing_behind(house):
    job = house.job(speakers=True)
    house.model.hold.clear()
    house.start()
    until(lambda: bool(house.model.heard))
    house.store.delete({job: house.results.directory(job)})
    house.model.hold.set()
    other = house.job(speakers=True)
    until(lambda: house.state(other) is State.DONE)
    assert house.state(job) is None
    assert not house.results.speakers_file(job).exists()


def test_the_library_reads_again_what_has_speakers_now(house):
    job = house.job(speakers=True)
    assert house.entries.take().id == job
    assert house.entries.take() is None
    house.start()
    until(lambda: house.state(job) is State.DONE)
    house.entries.finish(job, 1)  # it had read the transcript before there were speakers
    assert house.entries.take().id == job
    house.entries.finish(job, 1)
    assert house.entries.take() is None
    house.diarizations.forget(job)
    assert house.entries.take().id == job


def test_forgotten_speakers_are_gone_and_can_be_found_again(house):
    job = house.job(speakers=True)
    house.start()
    until(lambda: house.state(job) is State.DONE)
    stamp = house.results.stamp(job)
    house.diarizations.forget(job, house.results.speakers_file(job).unlink)
    assert house.state(job) is None and house.results.load(job) == TRANSCRIPT
    assert house.results.stamp(job) != stamp
    house.diarizations.ask(job)
    until(lambda: house.state(job) is State.DONE)


def test_voices_keep_their_numbers_when_they_are_looked_for_again(house):
    job = house.job(speakers=True)
    house.results.keep_speakers(job, Speakers("old", (Turn(0, 1, 1), Turn(1, 2, 0))))
    house.start()
    until(lambda: house.state(job) is State.DONE)
    assert house.results.speakers(job).turns == (Turn(0.0, 0.95, 1), Turn(0.95, 2.0, 0))


def test_transcripts_come_first_on_a_cpu_but_not_for_ever(house):
    busy = [True]
    job = house.job(speakers=True)
    house.start(busy=lambda: busy[0], patience=3600.0)
    time.sleep(0.3)
    assert house.state(job) is State.QUEUED
    busy[0] = False
    until(lambda: house.state(job) is State.DONE)
    again = house.job(speakers=True)
    busy[0] = True
    house.start(busy=lambda: busy[0], patience=0.2)
    until(lambda: house.state(again) is State.DONE)


def test_the_model_is_freed_when_nobody_needs_it(house):
    job = house.job(speakers=True)
    diarizer = house.start()
    until(lambda: house.state(job) is State.DONE)
    assert house.model.closed == 0
    diarizer.ask_to_free()
    until(lambda: house.model.closed == 1)
    diarizer.stop()
    house.diarizations.ask(job)
    house.start(idle_minutes=0.0)
    until(lambda: house.model.closed == 2)
    assert house.state(job) is State.DONE


def test_of_another_sound_track_the_speakers_are_found_anew(house):
    job = house.job(speakers=True)
    diarizer = house.start()
    until(lambda: house.state(job) is State.DONE)
    assert house.results.speakers(job).count == 2
    house.model.hold.clear()
    assert house.diarizations.ask(job)
    diarizer.wake()
    until(lambda: house.state(job) is State.RUNNING)
    house.store.requeue([job], Options(speakers=True, track=2), [State.DONE])
    house.transcribe(Kind.AUDIO, replace(TRANSCRIPT, track=2))
    assert house.results.speakers(job) is None, "they spoke in the first one"
    assert house.state(job) is State.QUEUED
    house.model.found = [Turn(0.0, 1.0, 0)]
    house.model.hold.set()
    until(lambda: house.state(job) is State.DONE)
    assert house.results.speakers(job).count == 1
