"""Searching what was said and written, in a real browser on a real server."""

from __future__ import annotations

import re
import wave
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from tests import media
from tests.browser.conftest import serving, wait_until
from tests.browser.test_dashboard import run
from tests.browser.test_reader import playing

SPOKEN = ("agent-alreadyon", "conf-onlyone", "conf-waitforleader", "cannot-complete-as-dialed")
PAGES = [
    "The scribes copied the first book by hand.",
    "The abbot approved how much money may be spent in spring.",
    "The last page tells of the harvest.",
]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    data = tmp_path_factory.mktemp("search") / "data"
    with serving(data, SCRIPTORIUM_LIBRARY="true") as address:
        yield address


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> list[Path]:
    directory = tmp_path_factory.mktemp("files")
    parts = []
    for name in SPOKEN:
        with wave.open(str(media.DATA / f"{name}.wav")) as reader:
            rate = reader.getframerate()
            parts.append(np.frombuffer(reader.readframes(reader.getnframes()), "<i2"))
        parts.append(np.zeros(rate, "<i2"))
    sound = np.concatenate(parts).astype(np.float32) / 32768
    return [
        media.write_wav(directory / "call.wav", sound, rate),
        media.write_pdf(directory / "scribes.pdf", PAGES),
    ]


def test_a_phrase_leads_to_its_second_and_to_its_page(server, open_page, files):
    page = open_page(f"{server}/search")
    expect(page.get_by_text("The library is empty")).to_be_visible()
    page.goto(server)
    run(page, *files)
    expect(page.get_by_text("2 of 2 done")).to_be_visible(timeout=120_000)
    expect(page.get_by_text(re.compile("indexed|indexing"))).to_have_count(0, timeout=120_000)

    page.get_by_role("link", name="Search").click()
    box = page.get_by_role("textbox", name="Search")
    box.fill("“leader arrives”")
    box.press("Enter")
    expect(page.locator("mark")).to_have_text("leader arrives")
    page.wait_for_url("**q=*")
    place = page.locator("a.place")
    second = float(re.search(r"[?&]t=([\d.]+)", place.get_attribute("href")).group(1))
    assert 5 < second < 20, "in the middle of the recording"
    place.click()
    page.wait_for_url("**/result?**")
    wait_until(
        page,
        """second => {
          const host = [...document.querySelectorAll('*')].find(
            e => e.shadowRoot?.querySelector('audio'));
          const at = host?.shadowRoot.querySelector('audio').currentTime;
          return at >= second && at < second + 5;
        }""",
        arg=second,
    )
    playing(page, True)
    passage = page.locator(".passage.now")
    expect(passage).to_contain_text(re.compile("leader", re.I))

    page.reload()  # is no wish to hear it again
    expect(page.locator(".passage.now")).to_be_visible()
    playing(page, False)
    page.go_back()
    page.go_forward()
    expect(page.locator(".passage.now")).to_be_visible()
    playing(page, False)

    # Back is the search, as it was; its address shows the same to somebody else.
    page.go_back()
    expect(page.locator("mark")).to_have_text("leader arrives")
    other = open_page(f"{server}/search?q=how+much+money")
    other.locator("a.place", has_text="Page 2").click()
    expect(other.locator(".page-text mark").first).to_have_text("much")
    wait_until(other, "document.querySelector('img.page-image').src.endsWith('/2.png')")


def test_meanings_filters_and_tags(server, open_page, files):
    page = open_page(f"{server}/search?q=financial+plan+for+the+season")
    expect(page.get_by_text(PAGES[1])).to_be_visible(timeout=60_000)
    page = open_page(f"{server}/search?q=the+conference+book")
    expect(page.locator(".group")).to_have_count(2)
    page.get_by_role("button", name=re.compile("Documents")).click()
    expect(page.locator(".group")).to_have_count(1)
    page.wait_for_url("**kind=document**")
    page.get_by_role("button", name="Edit: scribes.pdf").click()
    page.get_by_role("textbox", name="Name").fill("On scribes")
    tags = page.get_by_role("combobox", name="Tags")
    tags.fill("monks")
    tags.press("Enter")
    tags.press("Tab")  # closes the list of tags, which hides the rest from screen readers
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("dialog")).to_have_count(0)
    page.goto(f"{server}/search?q=book&tags=monks")
    expect(page.get_by_role("link", name="On scribes")).to_be_visible()
    expect(page.locator("mark").first).to_have_text("book")
    nothing = open_page(f"{server}/search?q=xyzzyplugh", width=390, height=844)
    expect(nothing.get_by_text("Nothing was found")).to_be_visible(timeout=60_000)
    assert nothing.evaluate("document.documentElement.scrollWidth") <= 390
