"""The services as pages, scripts and other programs use them: through Runtime, for real."""

from __future__ import annotations

import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest

from services.audio.checkpoints import DIGITS
from services.audio.transcript import Transcript
from services.config import Settings
from services.documents.document import Document
from services.errors import SettingsError
from services.jobs.models import Job, Options, State
from services.runtime import Runtime
from tests import media
from tests.conftest import usual_temp
from tests.waiting import until

PATIENCE = 120
RATE = 16_000
PROMPT = media.DATA / "conf-noempty.wav"
ROOT = Path(__file__).parents[2]


def settings(root: Path) -> Settings:
    return Settings(data_dir=root, device="cpu", engine="whisper", disk_reserve_mb=0)


@pytest.fixture(autouse=True)
def temp():
    with usual_temp():
        yield


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    with usual_temp(), Runtime(settings(tmp_path_factory.mktemp("data") / "data")) as made:
        yield made


@pytest.fixture
def sources(tmp_path) -> Path:
    directory = tmp_path / "sources"
    directory.mkdir()
    return directory


def process(runtime: Runtime, files: list, **more) -> list[Job]:
    batch = runtime.submit(files, **more)
    runtime.wait(batch.id, PATIENCE)
    return runtime.jobs(batch.id)


def plain(text: str) -> str:
    return text.lower().strip(" .")


def many_digits(path: Path, seconds: int) -> Path:
    """A long recording: the held-out digits again and again."""
    spoken = [media.at_16k(p) for p in sorted((ROOT / f"models/{DIGITS}/held-out").glob("*.wav"))]
    parts = [part for samples in spoken for part in (samples, np.zeros(4000, np.float32))]
    once = np.concatenate(parts)
    return media.write_wav(path, np.tile(once, seconds * RATE // once.size))


def test_ten_mixed_files_of_which_three_are_bad(runtime, sources):
    speech, rate = media.read_wav(PROMPT)
    at_16k = media.at_16k(PROMPT)
    files = [
        PROMPT,
        media.write_sound(sources / "talk.mp3", at_16k, RATE, "libmp3lame", "stereo"),
        media.write_sound(sources / "film.mp4", at_16k, RATE, "aac", video=True),
        media.write_sound(sources / "voice.ogg", np.repeat(at_16k, 3), 48_000, "libopus"),
        media.write_wav(sources / "low.wav", speech, rate),
        media.write_pdf(sources / "paper.pdf", ["The scribes", "copied it."], title="On scribes"),
        media.write_pdf(sources / "letter.pdf", ["Dear Ana"]),
    ]
    bad = [sources / "text.wav", sources / "broken.pdf", sources / "table.xlsx"]
    for path in bad:
        path.write_bytes(b"not what its name says\n" * 50)
    mixed = [files[0], bad[0], files[1], files[5], bad[1], *files[2:5], bad[2], files[6]]

    jobs = process(runtime, mixed, owner="ana")

    assert [job.name for job in jobs] == [path.name for path in mixed]
    failed = [job for job in jobs if job.state is State.FAILED]
    assert [job.name for job in failed] == [path.name for path in bad]
    assert all(f"“{job.name}”" in job.error for job in failed)
    assert [runtime.result(job.id) for job in failed] == [None] * 3
    results = {job.name: runtime.result(job.id) for job in jobs if job.state is State.DONE}
    assert len(results) == 7
    for result in results.values():
        if isinstance(result, Transcript):
            assert plain(result.text) == plain(media.PROMPTS[PROMPT.name])
            assert result.segments and result.words and result.engine.startswith("faster-whisper")
            assert result.duration == pytest.approx(at_16k.size / RATE, abs=0.15)
    paper = results["paper.pdf"]
    assert isinstance(paper, Document) and paper.metadata["title"] == "On scribes"
    assert [page.text.strip() for page in paper.pages] == ["The scribes", "copied it."]


def silence() -> np.ndarray:
    return np.zeros(2 * RATE, np.float32)


def nan(path: Path) -> None:
    media.write_sound(path, np.full(RATE, np.nan, np.float32), RATE, "pcm_f32le")


def mute(path: Path) -> None:
    media.write_silent_video(path.with_name("x.mp4")).replace(path)


def cut_pdf(path: Path) -> None:
    media.halved(media.write_pdf(path, ["x"] * 9), path, 0.05)


BAD = {
    "empty.wav": (lambda path: path.write_bytes(b""), "is empty"),
    "empty.pdf": (lambda path: path.write_bytes(b""), "is empty"),
    "letter.wav": (lambda path: path.write_text("Dear Ana,\n" * 99), "cannot be read as audio"),
    "click.wav": (lambda path: media.write_wav(path, media.tone(0.01)), "is only 10 ms long"),
    "nan.wav": (nan, "holds only invalid samples"),
    "mute.mp4": (mute, "has no sound"),
    "locked.pdf": (
        lambda path: media.write_pdf(path, ["secret"], password="x"),
        "is protected with a password",
    ),
    "broken.pdf": (cut_pdf, "is damaged or not a PDF"),
    "none.pdf": (lambda path: path.write_bytes(media.pdf_without_pages()), "has no pages"),
    "letter.docx": (lambda path: path.write_bytes(b"PK\3\4" * 99), "kind that cannot be processed"),
    "list.m3u8": (
        lambda path: path.write_text(f"#EXTM3U\n#EXTINF:2,\n{PROMPT}\n#EXT-X-ENDLIST\n"),
        "kind that cannot be processed",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_has_its_own_sentence_and_touches_nothing_else(runtime, sources, name):
    make, message = BAD[name]
    make(sources / name)
    good = media.write_pdf(sources / "good.pdf", ["good"])
    quiet = media.write_wav(sources / "quiet.wav", silence())
    first, bad, last = process(runtime, [good, sources / name, quiet])
    assert (first.state, bad.state, last.state) == (State.DONE, State.FAILED, State.DONE)
    assert bad.error.startswith(f"“{name}”") and message in bad.error
    assert bad.error.endswith((".", ".)")) and "Traceback" not in bad.error


def test_a_path_where_nothing_is_is_a_failed_job(runtime, sources):
    (job,) = process(runtime, [sources / "gone.wav"])
    assert job.state is State.FAILED and "“gone.wav”" in job.error


def test_silence_is_an_empty_transcript_and_no_error(runtime, sources):
    (job,) = process(runtime, [media.write_wav(sources / "silence.wav", silence())])
    result = runtime.result(job.id)
    assert (job.state, result.text, result.segments, result.words) == (State.DONE, "", [], [])
    assert result.duration == 2.0


@pytest.mark.parametrize(
    ("suffix", "codec", "rate", "layout"),
    [
        ("wav", "pcm_s16le", 48_000, "stereo"),
        ("flac", "flac", 48_000, "5.1"),
        ("wav", "pcm_s16le", 8_000, "mono"),
        ("wav", "pcm_s24le", 96_000, "stereo"),
    ],
)
def test_channels_and_rates_do_not_matter(runtime, sources, suffix, codec, rate, layout):
    samples, given = media.read_wav(PROMPT)
    path = media.write_sound(
        sources / f"a.{suffix}", np.repeat(samples, rate // given), rate, codec, layout
    )
    (job,) = process(runtime, [path])
    assert plain(runtime.result(job.id).text) == plain(media.PROMPTS[PROMPT.name])


def test_a_truncated_mp3_gives_what_is_there_and_says_so(runtime, sources):
    speech = np.tile(media.at_16k(PROMPT), 4)
    whole = media.write_sound(sources / "a.mp3", speech, RATE, "libmp3lame")
    (job,) = process(runtime, [media.halved(whole, sources / "half.mp3")])
    assert job.state is State.DONE and "The file ends early" in job.note
    assert "conferences" in runtime.result(job.id).text


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("n" * 295 + ".wav", "n" * 295 + ".wav"),
        ('my "best" talk\'s take 2.wav', 'my "best" talk\'s take 2.wav'),
        ("../../../etc/cron.d/evil.wav", "evil.wav"),
        ("🎙️ entrevista señor Ñandú.wav", "🎙️ entrevista señor Ñandú.wav"),
        ("CON.wav", "CON.wav"),
        ("nul", "nul"),
        ("a\nb\u202egpj.wav", "abgpj.wav"),
    ],
)
def test_any_name_will_do(runtime, sources, name, shown):
    workspace = runtime.new_workspace()
    sound = media.write_wav(sources / "a.wav", silence()).read_bytes()
    stored = workspace.add(name, io.BytesIO(sound))
    (job,) = process(runtime, [stored], workspace=workspace)
    assert (job.state, job.name) == (State.DONE, shown)
    assert runtime.original(job.id).read_bytes() == sound
    assert runtime.original(job.id).is_relative_to(runtime.settings.data_dir)
    assert json.loads(runtime.export(job.id, "json"))["text"] == ""


def test_two_files_of_the_same_name_never_meet(runtime, sources):
    files = []
    for folder, text in (("a", "first"), ("b", "second")):
        (sources / folder).mkdir()
        files.append(media.write_pdf(sources / folder / "same.pdf", [text]))
    jobs = process(runtime, files)
    assert [job.name for job in jobs] == ["same.pdf"] * 2
    texts = [runtime.result(job.id).pages[0].text.strip() for job in jobs]
    assert texts == ["first", "second"]
    assert runtime.original(jobs[0].id) != runtime.original(jobs[1].id)


def test_the_same_file_twice_gives_two_results(runtime, sources):
    path = media.write_pdf(sources / "a.pdf", ["once"])
    first, second = process(runtime, [path, path])
    assert first.path == second.path, "stored once"
    assert runtime.result(first.id) == runtime.result(second.id)
    assert first.state is second.state is State.DONE


def test_results_on_disk_have_the_names_that_other_programs_read(runtime, sources):
    jobs = process(runtime, [PROMPT, media.write_pdf(sources / "a.pdf", ["text"])])
    read = [
        json.loads((runtime.settings.results_dir / job.id / "result.json").read_text("utf-8"))
        for job in jobs
    ]
    transcript, document = read
    promised = "kind text duration language engine model segments words"
    assert set(transcript) >= set(promised.split()) and transcript["kind"] == "transcript"
    segment = {"start", "end", "text", "speaker", "confidence"}
    assert transcript["segments"] and all(set(s) == segment for s in transcript["segments"])
    word = {"start", "end", "text", "confidence"}
    assert transcript["words"] and all(set(w) == word for w in transcript["words"])
    assert document["kind"] == "document" and set(document) >= {"metadata", "pages"}
    (page,) = document["pages"]
    assert page.items() >= {"number": 1, "source": "text", "error": None}.items()
    assert page["text"].strip() == "text"


def test_spoken_digits_through_nemo(runtime):
    files = sorted((ROOT / f"models/{DIGITS}/held-out").glob("*.wav"))[:6]
    jobs = process(runtime, files, options=Options("nemo", DIGITS))
    words = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    heard = [runtime.result(job.id) for job in jobs]
    right = [r.text == words[int(f.name[0])] for r, f in zip(heard, files, strict=True)]
    assert sum(right) >= 5
    assert all(r.engine.startswith("NeMo 3.") and r.model == DIGITS for r in heard)
    assert all(w.end <= r.duration for r in heard for w in r.words)


def test_a_job_keeps_the_settings_it_was_submitted_with(runtime, sources):
    options = Options("nemo", str(sources / "gone.nemo"))
    batch = runtime.submit([PROMPT], options=options)
    runtime.wait(batch.id, PATIENCE)
    assert runtime.retry(batch.id) == 1
    runtime.wait(batch.id, PATIENCE)
    (job,) = runtime.jobs(batch.id)
    assert job.options == options and job.state is State.FAILED
    assert "gone.nemo" in job.error


def test_try_again_runs_only_what_failed(runtime, sources):
    good = media.write_pdf(sources / "good.pdf", ["good"])
    bad = media.write_pdf(sources / "locked.pdf", ["bad"], password="x")
    unknown = sources / "a.xyz"
    unknown.write_text("?")
    batch = runtime.submit([good, bad, unknown])
    runtime.wait(batch.id, PATIENCE)
    before = runtime.jobs(batch.id)
    assert runtime.retry(batch.id) == 1
    runtime.wait(batch.id, PATIENCE)
    after = runtime.jobs(batch.id)
    assert after[0] == before[0] and after[2] == before[2]
    assert after[1].started_at is not None and after[1].state is State.FAILED
    assert "password" in after[1].error


def test_a_workspace_goes_when_its_batch_is_done_and_stays_while_a_job_failed(runtime, sources):
    good = media.write_pdf(sources / "good.pdf", ["good"])
    locked = media.write_pdf(sources / "locked.pdf", ["bad"], password="x")
    kept = runtime.submit([good, locked])
    gone = runtime.submit([good])
    for batch in (kept, gone):
        runtime.wait(batch.id, PATIENCE)
    until(lambda: not gone.workspace.exists())
    assert kept.workspace.is_dir()
    (job,) = runtime.jobs(gone.id)
    assert runtime.original(job.id).read_bytes() == good.read_bytes(), "the result has its own"


def test_a_page_is_shown_and_a_zip_holds_everything(runtime, sources, tmp_path):
    import zipfile

    jobs = process(runtime, [media.write_pdf(sources / "a.pdf", ["one"]), PROMPT])
    image = runtime.page_image(jobs[0].id, 1)
    assert image.read_bytes().startswith(b"\x89PNG")
    runtime.write_zip(jobs[0].batch_id, tmp_path / "all.zip")
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = set(archive.namelist())
    stem = PROMPT.stem
    assert names == {"txt/a.txt", "md/a.md", "docx/a.docx", "json/a.json"} | {
        f"{format}/{stem}.{format}" for format in ("txt", "md", "docx", "srt", "vtt", "csv", "json")
    }


def test_a_queued_and_a_running_job_can_be_cancelled(runtime, sources):
    long = many_digits(sources / "long.wav", 300)
    batch = runtime.submit([long])
    (running,) = runtime.jobs(batch.id)
    until(lambda: runtime.job(running.id).stage == "transcribing", PATIENCE)
    later = runtime.submit([PROMPT], options=Options("whisper", "another"))
    (queued,) = runtime.jobs(later.id)
    assert runtime.places()[queued.id] == 1
    assert runtime.cancel(queued.id) == 1 and runtime.cancel(running.id) == 1
    assert runtime.cancel(running.id) == 0
    states = {job.state for b in (batch, later) for job in runtime.jobs(b.id)}
    assert states == {State.CANCELLED}
    (next_,) = process(runtime, [PROMPT])
    assert next_.state is State.DONE
    assert runtime.job(running.id).state is State.CANCELLED
    assert runtime.result(running.id) is None


def test_waiting_has_an_end(runtime, sources):
    batch = runtime.submit([many_digits(sources / "long.wav", 60)])
    with pytest.raises(TimeoutError, match="has not ended"):
        runtime.wait(batch.id, timeout=0)
    runtime.cancel_batch(batch.id)
    runtime.wait(batch.id, timeout=5)


def test_a_second_server_on_the_same_directory_is_refused(runtime):
    with pytest.raises(SettingsError, match="Another Scriptorium already uses"):
        Runtime(settings(runtime.settings.data_dir)).start()
    assert runtime.counts() is not None, "the first one goes on"


def test_a_stop_in_the_middle_puts_the_job_back_and_the_next_start_finishes_it(tmp_path, sources):
    # A minute of digits: longer than the stop takes to reach it.
    long = many_digits(sources / "long.wav", 60)
    config = settings(tmp_path / "data")
    with Runtime(config) as first:
        batch = first.submit([long, media.write_pdf(sources / "a.pdf", ["text"])])
        audio = first.jobs(batch.id)[0]
        until(lambda: first.job(audio.id).stage == "transcribing", PATIENCE)
    with Runtime(config) as second:
        assert second.job(audio.id).attempts <= 1
        second.wait(batch.id, PATIENCE)
        jobs = second.jobs(batch.id)
        assert [job.state for job in jobs] == [State.DONE] * 2
        assert jobs[0].attempts == 1, "a stop is no failed try"
        assert second.result(audio.id).duration == pytest.approx(seconds_of(long), abs=0.1)


def seconds_of(path: Path) -> float:
    samples, rate = media.read_wav(path)
    return samples.size / rate


def test_memory_that_was_freed_goes_back_to_the_system_while_the_server_runs(runtime, monkeypatch):
    given = threading.Event()
    monkeypatch.setattr("services.runtime.give_back", given.set)
    assert given.wait(PATIENCE)
