"""The settings of files on the pages: where they begin, and which fields there are."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import pages.context
from services.config import Settings
from services.jobs.models import JobFilter, Options, State
from services.runtime import Runtime
from tests import media, shown

SPEECH = {"Speech engine", "Language spoken", "Text in"}
SCANS = {"Text of PDFs", "OCR of scanned pages"}


@pytest.fixture(scope="module")
def runtime(tmp_path_factory):
    """A server whose queue stands still."""
    data = tmp_path_factory.mktemp("options") / "data"
    settings = Settings(data_dir=data, device="cpu", engine="whisper", disk_reserve_mb=0)
    with Runtime(settings) as runtime:
        runtime.pause()
        yield runtime


@pytest.fixture
def show(runtime, monkeypatch):
    """Run a page and return it."""
    monkeypatch.setattr(pages.context, "runtime", lambda: runtime)

    def run(page: str, **asked: str) -> AppTest:
        opened = shown.show(monkeypatch, page, asked)
        assert not opened.exception, opened.exception
        return opened

    return run


def submit(runtime: Runtime, folder: Path, options: Options, *names: str) -> tuple[str, list[str]]:
    """Submit files of these names; return their batch and their jobs."""
    for name in names:
        if name.endswith(".pdf"):
            media.write_pdf(folder / name, [f"Of {folder} and {name}."])
        else:
            data = (media.DATA / "conf-noempty.wav").read_bytes()
            (folder / name).write_bytes(data + f"{folder}{name}".encode())
    batch = runtime.submit([folder / name for name in names], options=options)
    return batch.id, [job.id for job in runtime.jobs(batch.id)]


def ended(runtime: Runtime, folder: Path, options: Options, *names: str) -> tuple[str, list[str]]:
    """Submit files and cancel them, so that they can be run again."""
    batch_id, job_ids = submit(runtime, folder, options, *names)
    runtime.cancel_batch(batch_id)
    return batch_id, job_ids


def fields(shown: AppTest) -> dict[str, object]:
    """Return what the fields of the settings hold, by their labels."""
    every = [*shown.selectbox, *shown.text_area, *shown.text_input, *shown.checkbox]
    return {field.label: field.value for field in every}


def new_settings(shown: AppTest) -> AppTest:
    with_ = next(radio for radio in shown.radio if radio.label == "With")
    return with_.set_value("New settings").run()


def press(shown: AppTest, label: str) -> None:
    next(button for button in shown.button if button.label == label).click().run()


def test_a_file_begins_with_its_own_settings_and_shows_only_its_kinds(runtime, show, tmp_path):
    own = Options("nemo", "spoken-digits", language="de", translate_to="en", hotwords=("Ana",))
    own = replace(own, speakers=True, nemo_input="manifest", track=12)
    _, (job_id,) = ended(runtime, tmp_path, own, "talk.wav")
    page = new_settings(show("result.py", job=job_id))
    held = fields(page)
    assert held["Speech engine"] == ("nemo", "spoken-digits")
    assert (held["Language spoken"], held["Text in"]) == ("de", "en")
    assert held["Names and terms to listen for, one a line"] == "Ana"
    assert held["Tell speakers apart"] is True
    assert held["Sound track"] == 12
    assert not SCANS & held.keys() and "Languages of scans" not in held
    press(page, "Run again")
    again = runtime.job(job_id)
    assert (again.state, again.options) == (State.QUEUED, own), "nothing was changed"
    runtime.cancel(job_id)


def test_what_was_typed_for_one_file_is_not_in_the_fields_of_the_next(runtime, show, tmp_path):
    _, (first,) = ended(runtime, tmp_path, Options("whisper", hotwords=("Ana",)), "1.wav")
    _, (second,) = ended(runtime, tmp_path, Options("whisper", hotwords=("Bo",)), "2.wav")
    page = new_settings(show("result.py", job=first))
    page.text_area[0].set_value("Cy").run()
    page.query_params["job"] = second
    page.run()
    if "Names and terms to listen for, one a line" not in fields(page):
        page = new_settings(page)
    assert page.text_area[0].value == "Bo"


def test_a_document_shows_only_how_documents_are_read(runtime, show, tmp_path):
    own = Options("whisper", ocr="off", reader="pypdf", ocr_languages="deu")
    _, (job_id,) = ended(runtime, tmp_path, own, "paper.pdf")
    held = fields(new_settings(show("result.py", job=job_id)))
    assert (held["Text of PDFs"], held["OCR of scanned pages"]) == ("pypdf", "off")
    assert held["Languages of scans"] == "deu"
    assert not SPEECH & held.keys()


def test_several_files_begin_with_what_they_have_in_common(runtime, show, tmp_path):
    """Changed one by one, as files of a batch may be."""
    own = Options("nemo", "spoken-digits", language="de", hotwords=("Ana",), ocr="off")
    batch_id, (first, _) = ended(runtime, tmp_path, own, "talk.wav", "paper.pdf")
    runtime.retry_job(first, replace(own, language="fr", engine="whisper"))
    runtime.cancel(first)
    page = new_settings(show("batch.py", batch=batch_id))
    held = fields(page)
    assert held["Names and terms to listen for, one a line"] == "Ana"
    assert held["OCR of scanned pages"] == "off"
    assert held["Language spoken"] is None
    assert held["Speech engine"] == ("whisper", None), "a model is its engine's"
    assert {*SPEECH, *SCANS} <= held.keys()


def test_what_waits_begins_with_its_own_settings(runtime, show, tmp_path):
    own = Options("whisper", language="de", hotwords=("Ana",))
    batch_id, (job_id,) = submit(runtime, tmp_path, own, "talk.wav")
    page = show("batch.py", batch=batch_id)
    assert fields(page)["Language spoken"] == "de"
    page.text_area[0].set_value("Ana\nBo").run()
    press(page, "Use these")
    assert runtime.job(job_id).options == replace(own, hotwords=("Ana", "Bo"))


def test_a_model_that_is_gone_can_still_be_kept(runtime, show, tmp_path):
    gone = str(tmp_path / "gone.nemo")
    _, (job_id,) = ended(runtime, tmp_path, Options("nemo", gone), "talk.wav")
    page = new_settings(show("result.py", job=job_id))
    engine = next(box for box in page.selectbox if box.label == "Speech engine")
    assert engine.value == ("nemo", gone) and "NeMo: gone.nemo" in engine.options


def test_the_options_of_a_selection_are_those_that_its_jobs_share(runtime, tmp_path):
    own = Options("whisper", language="de", speakers=True)
    batch_id, (_, second) = ended(runtime, tmp_path, own, "1.wav", "2.wav")
    assert runtime.common_options(JobFilter(batch_id)) == own
    runtime.retry_job(second, replace(own, language="fr"))
    shared = runtime.common_options(JobFilter(batch_id))
    assert shared == replace(own, language=None)
    assert runtime.common_options(JobFilter("0" * 32)) == runtime.default_options()
