"""The dashboard as a person uses it, in a real browser on a real server."""

from __future__ import annotations

import re
import secrets
import time
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect
from reportlab.pdfgen.canvas import Canvas

from services.files.workspace import RELEASED
from tests.browser.conftest import serving, wait_until

DATA = Path(__file__).parents[1] / "data"
PROMPT = DATA / "agent-alreadyon.wav"
SPOKEN = "That agent is already logged on."
PAGES = ["The scribes copied the first book by hand.", "Then the second book was copied."]


@pytest.fixture(scope="module")
def pdf(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pdf") / "scribes.pdf"
    canvas = Canvas(str(path))
    canvas.setTitle("On scribes")
    for number, text in enumerate(PAGES, start=1):
        canvas.drawString(72, 720, text)
        canvas.bookmarkPage(f"p{number}")
        canvas.addOutlineEntry(f"Book {number}", f"p{number}")
        canvas.showPage()
    canvas.save()
    return path


@pytest.fixture(scope="module")
def long_recording(tmp_path_factory) -> Path:
    """The prompt twelve times with pauses: long enough to reload the page while it runs."""
    with wave.open(str(PROMPT)) as reader:
        rate = reader.getframerate()
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
    path = tmp_path_factory.mktemp("long") / "long.wav"
    write_wav(path, np.tile(np.concatenate([samples, np.zeros(rate, "<i2")]), 12), rate)
    return path


def write_wav(path: Path, samples: np.ndarray, rate: int) -> None:
    with wave.open(str(path), "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(samples.astype("<i2").tobytes())


@pytest.fixture
def new_prompt(tmp_path) -> Path:
    """The prompt as nobody submitted it before: with a silence of its own at the end."""
    with wave.open(str(PROMPT)) as reader:
        samples = np.frombuffer(reader.readframes(reader.getnframes()), "<i2")
        rate = reader.getframerate()
    path = tmp_path / "new.wav"
    write_wav(path, np.concatenate([samples, np.zeros(secrets.randbelow(rate))]), rate)
    return path


def run(page: Page, *files: Path) -> str:
    """Upload files, run them, and return the batch's address."""
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    button = page.get_by_role("button", name=re.compile(r"^Run \d+ file|play_arrow Run"))
    expect(button).to_be_visible()
    again = page.get_by_text(re.compile("again that w(as|ere) done before"))
    if again.count():  # by another test
        again.click()
        expect(button).to_have_text(re.compile(rf"Run {len(files)} file"))
    button.click()
    page.wait_for_url("**/batch?batch=*")
    return page.url


def test_audio_and_pdf_become_text(server, open_page, pdf, long_recording):
    page = open_page(server)
    expect(page.get_by_text("New batches use the offline model")).to_be_visible()
    address = run(page, PROMPT, pdf, long_recording)
    expect(page.get_by_text("Offline model in use")).to_be_visible()

    # A reload in the middle of the run shows where the batch is, and it goes on.
    expect(page.get_by_text(re.compile("so far"))).to_be_visible()
    page.reload()
    expect(page.get_by_text(re.compile("so far"))).to_be_visible()
    expect(page.get_by_text("3 of 3 done")).to_be_visible(timeout=120_000)

    page.get_by_role("button", name=PROMPT.name, exact=True).click()
    expect(page.get_by_text(SPOKEN)).to_be_visible()
    expect(page.get_by_text(re.compile("faster-whisper .* tiny.en .* took"))).to_be_visible()
    page.get_by_role("button", name="Export").click()
    page.get_by_role("radio", name="SRT").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download SRT").click()
    assert download.value.suggested_filename == "agent-alreadyon.srt"
    subtitles = Path(download.value.path()).read_text(encoding="utf-8")
    assert subtitles.startswith("1\n00:00:00,") and SPOKEN in subtitles

    page.get_by_role("link", name="Batch", exact=True).click()
    page.get_by_role("button", name=pdf.name, exact=True).click()
    expect(page.get_by_text(PAGES[0])).to_be_visible()

    # Somebody else opens the same address, takes the ZIP, and begins a batch of their own.
    other = open_page(address)
    expect(other.get_by_text("3 of 3 done")).to_be_visible()
    other.get_by_role("button", name="Export").click()
    with other.expect_download() as download:
        other.get_by_role("link", name="Download ZIP").click()
    assert Path(download.value.path()).read_bytes().startswith(b"PK")
    other.get_by_role("button", name="New batch").click()
    expect(other.get_by_role("heading", name="New batch")).to_be_visible()
    expect(other.get_by_role("button", name=re.compile("Run"))).to_have_count(0)


def test_pdf_pages_show_image_and_text(server, open_page, pdf):
    page = open_page(server)
    run(page, pdf)
    page.get_by_role("button", name=pdf.name, exact=True).click()
    image = page.locator("img.page-image")
    expect(image).to_be_visible()
    wait_until(page, "document.querySelector('img.page-image').naturalWidth > 600")
    page.get_by_role("button", name=re.compile("(next|2$)", re.I)).first.click()
    expect(page.get_by_text(PAGES[1])).to_be_visible()
    page.wait_for_url("**page=2**")
    again = open_page(page.url)  # the address leads to the page
    expect(again.get_by_text(PAGES[1])).to_be_visible()


def test_unusable_files_are_named_before_the_run(server, open_page, tmp_path, new_prompt):
    (tmp_path / "notes.wav").write_text("these are notes")
    (tmp_path / "table.xlsx").write_bytes(b"PK\x03\x04")
    page = open_page(server)
    page.locator("input[type=file]").first.set_input_files(
        [str(tmp_path / "notes.wav"), str(tmp_path / "table.xlsx"), str(new_prompt)]
    )
    expect(page.get_by_text("3 files, 2 unusable")).to_be_visible()
    expect(page.get_by_text("“notes.wav” cannot be read as audio or video")).to_be_visible()
    expect(page.get_by_text("“table.xlsx” is of a kind that cannot be processed")).to_be_visible()
    page.get_by_role("button", name="Remove: notes.wav").click()
    expect(page.get_by_text("2 files, 1 unusable")).to_be_visible()
    page.get_by_role("button", name="Run 1 file").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)


def test_try_again_runs_what_failed(server, open_page, tmp_path):
    write_wav(tmp_path / "click.wav", np.zeros(160), 16_000)  # 10 ms: only decoding tells
    page = open_page(server)
    run(page, tmp_path / "click.wav", PROMPT)
    expect(page.get_by_text("1 of 2 done · 1 failed")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("“click.wav” is only 10 ms long")).to_be_visible()
    page.get_by_role("button", name="Try again (1)").click()
    expect(page.get_by_text("1 of 2 done · 1 failed")).to_be_visible(timeout=60_000)


def test_the_microphone_records(server, open_page):
    page = open_page(server, permissions=["microphone"])
    page.get_by_role("radio", name="Microphone").click()
    page.get_by_role("button", name="Record", exact=True).click()
    page.wait_for_timeout(4_000)  # the recording itself takes time
    page.get_by_role("button", name="Stop recording").click()
    page.get_by_role("button", name="Run 1 file").click()
    page.wait_for_url("**/batch?batch=*")
    page.get_by_role("button", name=re.compile("^Recording .*wav$")).click(timeout=60_000)
    expect(page.get_by_text(re.compile("agent")).first).to_be_visible()


@pytest.mark.parametrize(
    "path", ["", "batches", "system", "search", "batch?batch=0", "result?job=0"]
)
def test_every_page_fits_a_phone(server, open_page, path):
    page = open_page(f"{server}/{path}", width=390, height=844)
    expect(page.locator("h1")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_name_is_shown_as_text(server, open_page, tmp_path):
    name = "<img src=x onerror=alert(1)> **bold** ![x](x) [in](evil) $x^2$ "
    name += "long " * 24 + ".wav"
    (tmp_path / name).write_bytes(PROMPT.read_bytes())
    page = open_page(server, width=390, height=844)
    page.on("dialog", lambda dialog: pytest.fail("a file name ran as a script"))
    run(page, tmp_path / name)
    page.locator("button.title").click(timeout=60_000)
    expect(page.get_by_text(SPOKEN)).to_be_visible()
    expect(page.locator("h1")).to_contain_text(name)
    assert page.locator("h1 [target], h1 strong, h1 img, h1 .katex").count() == 0
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_uploads_are_kept_over_other_pages_and_marked_when_the_person_leaves(tmp_path, browser):
    """`st.rerun()`, another page and a closed tab never remove what may still be needed."""
    data = tmp_path / "data"
    with serving(data) as address:
        page = browser.new_page()
        page.goto(address)
        page.locator("input[type=file]").first.set_input_files([str(PROMPT)])
        expect(page.get_by_role("button", name="Run 1 file")).to_be_visible()
        (workspace,) = (data / "temp").glob("ws-*")
        page.get_by_role("link", name="Batches").click()
        expect(page.get_by_role("heading", name="Batches")).to_be_visible()
        page.get_by_role("link", name="New batch").first.click()
        expect(page.get_by_role("button", name="Run 1 file")).to_be_visible()
        assert not (workspace / RELEASED).exists()
        page.close()
        deadline = time.monotonic() + 30
        while not (workspace / RELEASED).exists():
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert len(list(workspace.glob("*.wav"))) == 1, "marked, not removed"


def test_uploads_survive_a_reload_and_one_that_was_removed_stays_away(
    server, open_page, pdf, new_prompt
):
    page = open_page(server)
    page.locator("input[type=file]").first.set_input_files([str(new_prompt), str(pdf)])
    expect(page.get_by_text("2 files", exact=True)).to_be_visible()
    page.get_by_role("button", name=f"Remove: {pdf.name}").click()
    expect(page.get_by_role("button", name="Run 1 file")).to_be_visible()
    page.reload()
    expect(page.get_by_text(new_prompt.name, exact=True)).to_be_visible()
    page.get_by_role("button", name="Run 1 file").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)
    assert "uploads=" not in page.url


def test_back_from_a_result_shows_its_batch(server, open_page):
    page = open_page(server)
    run(page, PROMPT)
    page.get_by_role("button", name=PROMPT.name, exact=True).click()
    expect(page.get_by_text(SPOKEN)).to_be_visible(timeout=60_000)
    page.go_back()
    expect(page.get_by_text("1 of 1 done")).to_be_visible()


def test_what_failed_can_be_discarded(server, open_page, tmp_path):
    write_wav(tmp_path / "click.wav", np.zeros(160), 16_000)
    page = open_page(server)
    run(page, tmp_path / "click.wav")
    expect(page.get_by_text("0 of 1 done · 1 failed")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="More").click()
    expect(page.get_by_text("1 original kept")).to_be_visible()
    page.get_by_role("button", name="Discard the rest").click()
    expect(page.get_by_role("button", name="Discard the rest")).to_have_count(0)
    expect(page.get_by_role("button", name=re.compile("Try again"))).to_have_count(0)


def test_what_is_written_into_a_page_neither_runs_nor_calls_elsewhere(server, browser):
    context = browser.new_context()
    page, said = context.new_page(), []
    page.on("console", lambda message: said.append(message.text))
    page.goto(server)
    expect(page.get_by_role("heading", name="New batch")).to_be_visible(timeout=60_000)
    page.evaluate(
        """() => {
          const script = document.createElement('script');
          script.textContent = 'window.ran = true';
          document.body.append(script);
          const image = document.createElement('img');
          image.src = 'http://192.0.2.1/told?what';
          document.body.append(image);
        }"""
    )
    wait_until(page, "document.querySelectorAll('img[src*=told]').length === 1")
    assert page.evaluate("window.ran") is None
    refused = [text for text in said if "Content Security Policy" in text]
    assert len(refused) == 2, "so the check of every other page can see it"
    context.close()
