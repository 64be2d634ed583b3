"""Reading, correcting and exporting a transcript by the routes that its page uses."""

from __future__ import annotations

import io
import json
import shutil
import threading
import zipfile

import numpy as np
import pytest

from services.audio import ALL_TRACKS
from services.audio.edits import Edit
from services.audio.segments import segments_from_words
from services.audio.transcript import Segment, Transcript, Word
from services.config import Settings
from services.files import operations
from services.jobs.models import Options, State
from services.jobs.results import Results
from services.jobs.transcripts import Transcripts
from services.runtime import Runtime
from tests import media
from tests.media import a_job
from tests.waiting import until
from tests.web import client_of

NAME = "Gespräch – “<b>שלום”.wav"
OWN = {"Content-Type": "application/json", "Origin": "http://127.0.0.1"}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    """A runtime that has transcribed one recording, and a client of its routes."""
    root = tmp_path_factory.mktemp("served")
    settings = Settings(data_dir=root / "data", device="cpu", engine="whisper", disk_reserve_mb=0)
    with Runtime(settings) as runtime:
        workspace = runtime.new_workspace()
        sound = (media.DATA / "conf-noempty.wav").read_bytes()
        batch = runtime.submit([workspace.add(NAME, io.BytesIO(sound))], workspace=workspace)
        runtime.wait(batch.id, 120)
        (job,) = runtime.jobs(batch.id)
        yield runtime, client_of(runtime), job


def write_result(runtime: Runtime, job_id: str, text: str) -> None:
    """Put a transcript in the place of the one that is there, as a re-run does."""
    words = [Word(i / 2, i / 2 + 0.4, word, 0.5) for i, word in enumerate(text.split())]
    made = Transcript(text, 20.0, "en", "e", "m", segments_from_words(words), words)
    path = runtime.settings.results_dir / job_id / "result.json"
    operations.write_atomic(path, json.dumps(made.as_dict()))


@pytest.fixture
def page(served):
    """The client, the address of a fresh transcript without edits, and what its page reads."""
    runtime, client, job = served
    operations.unlink(runtime.settings.results_dir / job.id / "edits.json")
    write_result(runtime, job.id, "The cat sat. The dog ran away. It rained.")
    return client, f"/files/{job.id}", client.get(f"/files/{job.id}/reader.json").json()


def change(view: dict, number: int, text: str | None, speaker: str | None = None) -> dict:
    passage = view["passages"][number]
    edit = {"start": passage["start"], "end": passage["end"], "text": text, "speaker": speaker}
    return {"version": view["version"], "passages": [edit]}


def patch(page, body: dict, **headers: str):
    client, files, _ = page
    return client.patch(f"{files}/edits", content=json.dumps(body), headers=OWN | headers)


def spoken(view: dict) -> list[str]:
    return ["".join(word[2] for word in passage["words"]) for passage in view["passages"]]


def test_the_reader_gets_words_with_times_and_confidence(page):
    _, _, view = page
    assert spoken(view) == ["The cat sat.", "The dog ran away.", "It rained."]
    assert view["passages"][0]["words"][1] == [0.5, 0.9, "cat ", 0.5]
    assert view["names"] == {} and view["duration"] == 20.0


def test_an_edit_is_saved_and_exported_and_json_keeps_both(page):
    client, files, view = page
    answer = patch(page, change(view, 1, "The <b>dog</b> fled.", "Ana")).json()
    assert (answer["at"], answer["removed"], len(answer["passages"])) == (1, 1, 1)
    assert answer["passages"][0]["heard"] == "The dog ran away."
    again = client.get(f"{files}/reader.json").json()
    assert again["version"] == answer["version"] != view["version"]
    assert spoken(again)[1] == "The <b>dog</b> fled."
    assert "Ana: The <b>dog</b> fled." in client.get(f"{files}/result.txt").text
    assert "&lt;b>" not in client.get(f"{files}/result.vtt").text
    exported = client.get(f"{files}/result.json").json()
    assert exported["segments"][1]["text"] == "The <b>dog</b> fled."
    assert exported["machine"]["segments"][1]["text"] == "The dog ran away."


@pytest.mark.parametrize("text", ["", " \n"])
def test_an_emptied_passage_is_shown_as_empty_and_can_come_back(page, text):
    client, files, view = page
    answer = patch(page, change(view, 1, text))
    assert answer.status_code == 200
    (emptied,) = answer.json()["passages"]
    assert (emptied["words"], emptied["text"], emptied["heard"]) == ([], "", "The dog ran away.")
    again = client.get(f"{files}/reader.json").json()
    assert spoken(again) == ["The cat sat.", "", "It rained."]
    assert client.get(f"{files}/result.txt").text == "The cat sat.\n\nIt rained.\n"
    undone = patch(page, change(again, 1, None)).json()
    assert spoken(undone) == ["The dog ran away."]
    assert spoken(client.get(f"{files}/reader.json").json()) == spoken(view)


def test_a_transcript_without_times_for_words_is_read_and_corrected(served, page):
    runtime, client, job = served
    segments = [Segment(0.0, 2.0, "The cat sat."), Segment(2.0, 4.0, "It rained.")]
    made = Transcript("The cat sat. It rained.", 20.0, "en", "e", "m", segments)
    path = runtime.settings.results_dir / job.id / "result.json"
    operations.write_atomic(path, json.dumps(made.as_dict()))
    view = client.get(f"/files/{job.id}/reader.json").json()
    assert [p["text"] for p in view["passages"]] == ["The cat sat.", "It rained."]
    for number, text in ((0, ""), (1, "It snowed.")):
        answer = patch(page, change(view, number, text))
        assert answer.status_code == 200
        view = client.get(f"/files/{job.id}/reader.json").json()
    assert view["passages"][0]["text"] == "" and spoken(view) == ["", "It snowed."]


def test_what_is_repeated_is_named_until_somebody_corrects_it(served, page):
    runtime, client, job = served
    _, files, _ = page
    text = "The cat sat. Seven " + "seven " * 11
    write_result(runtime, job.id, text)
    assert "repetitions" not in client.get(f"{files}/result.json").json()
    path = runtime.settings.results_dir / job.id / "result.json"
    saved = json.loads(path.read_text(encoding="utf-8"))
    again = {"start": 1.5, "end": 7.4, "phrase": "Seven", "times": 12}
    operations.write_atomic(path, json.dumps(saved | {"repetitions": [again]}))

    view = client.get(f"{files}/reader.json").json()
    assert view["repetitions"] == [again]
    elsewhere = patch(page, change(view, 0, "The hat sat.")).json()
    assert elsewhere["repetitions"] == [again]
    assert client.get(f"{files}/result.json").json()["repetitions"] == [again]
    said = "Listen again from 0:01 to 0:07: the model wrote “Seven” 12 times in a row."
    for format in ("txt", "md"):
        assert said in client.get(f"{files}/result.{format}?times=1").text
        assert "Listen" not in client.get(f"{files}/result.{format}").text

    number = len(view["passages"]) - 1
    there = change(view | {"version": elsewhere["version"]}, number, "seven")
    assert patch(page, there).json()["repetitions"] == []
    assert "Listen" not in client.get(f"{files}/result.txt?times=1").text


def test_a_change_that_cannot_be_shown_is_not_saved(served, page, monkeypatch):
    runtime, client, job = served
    _, files, view = page

    def broken(*passages: object) -> None:
        raise ValueError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr("services.jobs.transcripts._difference", broken)
        with pytest.raises(ValueError):
            runtime.edit(job.id, view["version"], [Edit(0.0, 1.4, "Lost.")], {})
    assert client.get(f"{files}/reader.json").json() == view


def test_nobody_overwrites_what_another_person_changed(page):
    client, files, view = page
    assert patch(page, change(view, 0, "Mine.")).status_code == 200
    late = patch(page, change(view, 0, "Theirs."))
    assert late.status_code == 409 and "Somebody else" in late.json()["message"]
    assert spoken(client.get(f"{files}/reader.json").json())[0] == "Mine."


def test_of_changes_at_the_same_moment_one_is_saved(page):
    client, files, view = page
    answers = []

    def send(text: str) -> None:
        answers.append(patch(page, change(view, 0, text)).status_code)

    threads = [threading.Thread(target=send, args=(f"Text {i}.",)) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [200] + [409] * 5
    assert client.get(f"{files}/result.json").json()["edits"]["version"] == 1


def test_a_new_transcription_keeps_the_edits_and_shows_the_difference(served, page):
    runtime, client, job = served
    _, files, view = page
    version = patch(page, change(view, 1, "The dog fled.")).json()["version"]
    write_result(runtime, job.id, "The cat sat. The frog ran away. It rained.")
    again = client.get(f"{files}/reader.json").json()
    assert spoken(again) == ["The cat sat.", "The dog fled.", "It rained."]
    kept = again["passages"][1]
    assert (kept["was"], kept["heard"]) == ("The dog ran away.", "The frog ran away.")
    assert patch(page, change(view | {"version": version}, 0, "x")).status_code == 409
    answer = patch(page, change(again, 1, None)).json()
    assert spoken(answer) == ["The frog ran away."]


def test_speakers_get_names(page):
    client, files, view = page
    version = patch(page, change(view, 0, None, "S1")).json()["version"]
    answer = patch(page, {"version": version, "names": {"S1": "Ana <i>"}}).json()
    assert answer["names"] == {"S1": "Ana <i>"} and answer["passages"] == []
    assert "<v Ana &lt;i&gt;>The cat sat." in client.get(f"{files}/result.vtt").text
    assert "\nThe cat sat." in client.get(f"{files}/result.vtt?speakers=0").text


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Origin": "http://elsewhere"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Content-Type": "text/plain"}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "https://behind-a-proxy"}, 200),
    ],
)
def test_only_our_own_pages_change_anything(page, headers, status):
    assert patch(page, change(page[2], 0, "x"), **headers).status_code == status


@pytest.mark.parametrize(
    "edit",
    [
        {"start": 2.0, "end": 1.0, "text": "x", "speaker": None},
        {"start": -1.0, "end": 1.0, "text": "x", "speaker": None},
        {"start": 0.0, "end": 1e999, "text": "x", "speaker": None},
        {"start": 0.0, "end": 1.0, "text": "x" * 20_001, "speaker": None},
        {"start": 0.0, "end": 1.0, "text": 5, "speaker": None},
        {"start": 0.0, "end": 1.0, "text": "x", "speaker": None, "more": 1},
    ],
)
def test_what_is_no_change_is_refused(page, edit):
    body = {"version": page[2]["version"], "passages": [edit]}
    assert patch(page, body).status_code == 422
    assert patch(page, {"version": "x" * 1_000_001}).status_code == 413


def test_half_a_character_cannot_be_sent_and_control_characters_are_left_out(page):
    body = json.dumps(change(page[2], 0, "a\x00b\u202b c")).replace("\\u202b", "\\ud83d")
    client, files, _ = page
    assert client.patch(f"{files}/edits", content=body, headers=OWN).status_code == 422
    assert patch(page, change(page[2], 0, "a\x00b \x1b[1mc")).status_code == 200
    assert spoken(client.get(f"{files}/reader.json").json())[0] == "ab [1mc"


def test_the_outline_of_the_sound_is_made_once(served):
    runtime, client, job = served
    first = client.get(f"/files/{job.id}/peaks.bin").content
    samples = media.at_16k(media.DATA / "conf-noempty.wav")
    assert abs(len(first) - samples.size / 800) <= 1 and max(first) > 30
    path = runtime.settings.results_dir / job.id / "peaks.bin"
    operations.write_atomic(path, b"kept")
    assert client.get(f"/files/{job.id}/peaks.bin").content == b"kept"


def test_another_sound_track_has_an_outline_and_corrections_of_its_own(served, tmp_path):
    """The second one begins with a pause, in which the first one has its voice."""
    runtime, client, _ = served
    voice = media.at_16k(media.DATA / "conf-noempty.wav")
    late = np.concatenate([np.zeros_like(voice), voice])
    path = media.write_tracks(tmp_path / "a.mka", voice, late, rate=16_000)
    outlines = {}
    batch = runtime.submit([path], options=Options("whisper"))
    (job,) = runtime.jobs(batch.id)
    files = f"/files/{job.id}"
    for track in (1, 2, ALL_TRACKS, 1, 9):
        if outlines:
            runtime.retry_job(job.id, Options("whisper", track=track))
        runtime.wait(batch.id, 120)
        (job,) = runtime.jobs(batch.id)
        outline = client.get(f"{files}/peaks.bin").content
        half = voice.size // 800
        outlines[track] = max(outline[: half - 2]) > 30, max(outline[half + 2 :], default=0) > 30
        view = client.get(f"{files}/reader.json").json()
        if track == 9:
            assert "number 9 was asked for" in (job.error or "")
        else:
            assert job.state is State.DONE, job.error
        assert (spoken(view)[0] == "Only here.") is (len(outlines) > 1 and track in (1, 9)), track
        if len(outlines) == 1:
            assert patch((client, files, view), change(view, 0, "Only here.")).status_code == 200
    of_first = outlines.pop(9)
    assert outlines == {1: (True, False), 2: (False, True), ALL_TRACKS: (True, True)}
    assert of_first == outlines[1], "the page still shows the result before"


def test_a_copy_that_browsers_play_is_made_behind_the_answer_and_has_ranges(served):
    runtime, client, job = served
    address = f"/files/{job.id}/sound.m4a"
    assert client.get(address).status_code in (202, 200)
    until(lambda: client.get(address).status_code == 200)
    whole = client.get(address)
    assert whole.headers["content-type"] == "audio/mp4" and whole.content[4:8] == b"ftyp"
    assert whole.headers["content-security-policy"].startswith("sandbox")
    part = client.get(address, headers={"Range": "bytes=4-7"})
    assert (part.status_code, part.content) == (206, b"ftyp")
    assert (runtime.settings.results_dir / job.id / "sound.m4a").read_bytes() == whole.content
    assert client.get("/files/none/sound.m4a").status_code == 404


def test_what_a_file_holds_says_whether_it_is_a_video(served, tmp_path):
    runtime, _, job = served
    original = runtime.original(job.id)
    sound, video = media.tone(1, 44_100), {}
    for name, pictures in (("sound", False), ("video", True)):
        path = media.write_sound(tmp_path / f"{name}.mp4", sound, codec="aac", video=pictures)
        video[name] = path.read_bytes()
    kept = original.read_bytes()
    try:
        assert not runtime.has_pictures(job.id)
        for name, content in video.items():
            original.write_bytes(content)
            assert runtime.has_pictures(job.id) is (name == "video")
        original.write_bytes(b"damaged")
        assert not runtime.has_pictures(job.id)
    finally:
        original.write_bytes(kept)


def test_a_waiting_outline_does_not_hold_up_another(tmp_path, monkeypatch):
    results, going, go_on = Results(tmp_path), threading.Event(), threading.Event()
    for job in ("slow", "quick"):
        results.directory(job).mkdir()

    def outline(blocks: object) -> bytes:
        if threading.current_thread() is not threading.main_thread():
            going.set()
            assert go_on.wait(60)
        return b"outline"

    monkeypatch.setattr("services.audio.peaks.peaks", outline)
    transcripts, sound = Transcripts(results), media.DATA / "conf-noempty.wav"
    thread = threading.Thread(target=transcripts.peaks, args=(a_job("slow"), sound))
    thread.start()
    assert going.wait(60)
    assert transcripts.peaks(a_job("quick"), sound).is_file()
    assert not results.peaks("slow").exists()
    go_on.set()
    thread.join()
    assert results.peaks("slow").is_file()


def test_an_outline_that_comes_after_its_recording_was_deleted_is_not_kept(tmp_path, monkeypatch):
    results = Results(tmp_path)
    directory = results.directory("job")
    directory.mkdir(parents=True)

    def outline(blocks: object) -> bytes:
        shutil.rmtree(directory)
        return b"outline"

    monkeypatch.setattr("services.audio.peaks.peaks", outline)
    with pytest.raises(KeyError):
        Transcripts(results).peaks(a_job("job"), media.DATA / "conf-noempty.wav")
    assert not directory.exists()


def test_what_is_not_there_is_not_found(page):
    client = page[0]
    for path in ("reader.json", "peaks.bin", "result.txt"):
        assert client.get(f"/files/none/{path}").status_code == 404
    assert client.patch("/files/none/edits", json={"version": "0"}).status_code == 404
    assert client.get(f"{page[1]}/result.exe").status_code == 404


def test_downloads_have_their_name_in_every_alphabet(served, page):
    _, client, job = served
    answer = client.get(f"/files/{job.id}/result.docx?times=1")
    assert answer.headers["content-disposition"] == (
        "attachment; filename=\"Gespr_ch _ __b______.docx\"; filename*=UTF-8''"
        "Gespr%C3%A4ch%20%E2%80%93%20%E2%80%9C_b_%D7%A9%D7%9C%D7%95%D7%9D%E2%80%9D.docx"
    )
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_zip_has_the_formats_and_the_style_that_were_chosen(served, page):
    _, client, job = served
    query = "format=txt&format=srt&times=1&paragraphs=0"
    answer = client.get(f"/files/batches/{job.batch_id}.zip?{query}")
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        text, subtitles = archive.namelist()
        assert text.startswith("txt/") and subtitles.startswith("srt/")
        assert archive.read(text).decode().startswith("[0:00] The cat sat.\n[0:01] The dog")
    assert client.get(f"/files/batches/{job.batch_id}.zip?format=exe").status_code == 404
