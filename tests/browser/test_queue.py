"""The queue as people use it: cancel, again, pause, two people at once, two thousand files."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from services.jobs.models import Kind, NewJob, Options
from services.jobs.store import JobStore
from tests.browser.conftest import serving
from tests.browser.test_dashboard import PROMPT, SPOKEN, run, write_wav

MANY = 2000


@pytest.fixture(scope="module")
def hour(tmp_path_factory) -> Path:
    """Noise that takes long to read: there is time to cancel it."""
    path = tmp_path_factory.mktemp("hour") / "hour.wav"
    noise = np.random.default_rng(1).normal(0, 3000, 16_000 * 3600)
    write_wav(path, noise.clip(-32_000, 32_000), 16_000)
    return path


def test_what_runs_is_cancelled_at_once(server, open_page, hour):
    page = open_page(server)
    run(page, hour)
    expect(page.get_by_text(re.compile(r"reading|transcribing"))).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel: hour.wav").click()
    expect(page.get_by_text("0 of 1 done · 1 cancelled")).to_be_visible()
    page.goto(server)  # and the lane is free again
    run(page, PROMPT)
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)


def test_the_page_of_a_file_says_how_far_it_is_and_cancels_it(server, open_page, hour):
    page = open_page(server)
    run(page, hour)
    page.get_by_role("button", name="hour.wav", exact=True).click()
    expect(page.get_by_text(re.compile(r"^(Reading|Transcribing) \d+%"))).to_be_visible(
        timeout=60_000
    )
    expect(page).to_have_title("hour.wav · Scriptorium")
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Try again")).to_be_visible()


def test_two_people_at_once_each_see_their_batch_and_both(server, open_page, tmp_path):
    people = [open_page(server), open_page(server)]
    names = []
    for number, page in enumerate(people):
        samples = np.concatenate([np.zeros(800 * (number + 1)), read(PROMPT)])
        names.append(f"of person {number}.wav")
        write_wav(tmp_path / names[-1], samples, 8000)
        run(page, tmp_path / names[-1])
    for number, page in enumerate(people):
        expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("heading", name=names[number])).to_be_visible()
    for page in people:
        page.get_by_role("link", name="Batches").click()
        for name in names:
            expect(page.get_by_role("button", name=name)).to_be_visible()


def read(path: Path) -> np.ndarray:
    import wave

    with wave.open(str(path)) as reader:
        return np.frombuffer(reader.readframes(reader.getnframes()), "<i2").astype(float)


def test_a_result_is_made_again_with_another_engine_and_compared(server, open_page):
    page = open_page(server)
    run(page, PROMPT)
    page.get_by_role("button", name=PROMPT.name, exact=True).click()
    expect(page.get_by_text(SPOKEN)).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="More").click()
    page.get_by_text("New settings").click()
    page.get_by_role("combobox", name=re.compile("Speech engine")).click()
    page.get_by_role("option", name=re.compile("Spoken digits")).click()
    page.get_by_role("button", name="Run again").click()
    expect(page.get_by_text(re.compile("Compared with the earlier run: .* change"))).to_be_visible(
        timeout=120_000
    )
    expect(page.get_by_text("spoken-digits").first).to_be_visible()


def test_a_file_is_deleted_and_who_has_it_open_is_told(server, open_page):
    page = open_page(server)
    run(page, PROMPT)
    page.get_by_role("button", name=PROMPT.name, exact=True).click()
    expect(page.get_by_text(SPOKEN)).to_be_visible(timeout=60_000)
    other = open_page(page.url, width=390, height=844)
    buttons = [other.get_by_role("button", name=name) for name in ("Export", "Speakers", "More")]
    for button in buttons:
        expect(button).to_be_visible()
    assert len({button.bounding_box()["y"] for button in buttons}) == 1, "one line on a phone"
    buttons[0].click()
    expect(other.get_by_role("link", name="Download Text")).to_be_visible()
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete").click()
    confirm = page.get_by_role("dialog", name="Delete this file?")
    expect(page.get_by_role("dialog")).to_have_count(1)  # the menu would stand over it
    confirm.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Batches")).to_be_visible()
    other.get_by_text("SRT", exact=True).click()
    expect(other.get_by_text("There is no such result")).to_be_visible()


def test_the_same_file_offers_its_earlier_result(server, open_page, tmp_path):
    write_wav(tmp_path / "once.wav", np.concatenate([read(PROMPT), np.zeros(4000)]), 8000)
    page = open_page(server)
    run(page, tmp_path / "once.wav")
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)
    page.goto(server)
    page.locator("input[type=file]").first.set_input_files(str(tmp_path / "once.wav"))
    expect(page.get_by_role("button", name="Run 0 files")).to_be_disabled()
    page.get_by_role("button", name="See the result: once.wav").click()
    expect(page.get_by_text(SPOKEN)).to_be_visible()


def test_a_paused_queue_begins_nothing_until_it_is_resumed(server, open_page):
    system, page = open_page(f"{server}/system"), open_page(server)
    system.get_by_role("button", name="Pause the queue").click()
    expect(system.get_by_text("The queue is paused")).to_be_visible()
    run(page, PROMPT)
    expect(page.get_by_text("The queue is paused")).to_be_visible()
    expect(page.get_by_text("next in the queue")).to_be_visible()
    system.get_by_role("button", name="Resume the queue").click()
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)


def test_on_a_phone_models_have_the_width_of_the_page(server, open_page):
    page = open_page(f"{server}/system", width=390)
    models = page.locator(".st-key-named-speech-models")
    for cell in (models.locator("th").first, models.locator("td").first):
        assert cell.bounding_box()["width"] > 300


def test_on_a_phone_the_buttons_of_a_batch_share_a_line(server, open_page):
    page = open_page(server, width=390)
    run(page, PROMPT)
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)
    buttons = page.get_by_test_id("stMain").get_by_role("button")
    labels = ("New batch", "Export", "More")
    tops = [buttons.filter(has_text=label).first.bounding_box()["y"] for label in labels]
    assert max(tops) - min(tops) < 5, dict(zip(labels, tops, strict=True))


def test_a_batch_is_deleted_with_its_results(server, open_page):
    page = open_page(server)
    address = run(page, PROMPT)
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="More").click()
    page.get_by_role("button", name="Delete").click()
    confirm = page.get_by_role("dialog", name="Delete this batch?")
    expect(page.get_by_role("dialog")).to_have_count(1)
    confirm.get_by_role("button", name="Delete").click()
    expect(page.get_by_role("heading", name="Batches")).to_be_visible()
    page.goto(address)
    expect(page.get_by_text("There is no such batch")).to_be_visible()


def test_two_thousand_files_are_shown_by_pages_and_filters(tmp_path, open_page):
    data = tmp_path / "data"
    data.mkdir()
    store = JobStore(f"sqlite:///{data}/scriptorium.db")
    jobs = [
        NewJob(f"file {n:04d}.wav", Kind.AUDIO, data / f"{n}.wav", f"{n:064d}", 1000, 60.0)
        for n in range(MANY)
    ]
    batch = store.add_batch("ana", data / "temp" / "ws-x", Options(), jobs)
    for _ in range(60):
        store.fail(store.claim(Kind.AUDIO), "It is damaged.", transient=False)
    store.pause("ana")
    store.close()
    with serving(data) as address:
        page = open_page(f"{address}/batch?batch={batch.id}")
        expect(page.get_by_text("0 of 2000 done · 60 failed")).to_be_visible(timeout=60_000)
        expect(page.get_by_role("button", name=re.compile("^file "))).to_have_count(50)
        page.get_by_text("Failed 60").click()
        expect(page.get_by_role("button", name="Page 40", exact=True)).to_have_count(0)
        expect(page.get_by_text("It is damaged.")).to_have_count(50)
        page.get_by_role("button", name="Page 2", exact=True).click()
        expect(page.get_by_text("It is damaged.")).to_have_count(10)
        page.get_by_text("Queued 1940").click()
        expect(page.get_by_role("button", name="Page 39", exact=True)).to_be_visible()
        front = page.get_by_role("button", name="To the front: file 0070.wav")
        front.click()
        expect(front).to_have_count(0)  # it is there
        page.goto(f"{address}/files")
        page.get_by_role("textbox", name="Name").fill("0070")
        page.keyboard.press("Enter")
        expect(page.get_by_text("All 1", exact=True)).to_be_visible()
        expect(page.get_by_text("next in the queue")).to_be_visible()
