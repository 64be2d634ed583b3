"""Speakers are found on a result's page, named there, and removed."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests import media
from tests.browser.conftest import serving
from tests.browser.test_dashboard import run
from tests.sortformer import write_sortformer


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    root = tmp_path_factory.mktemp("speakers")
    model = write_sortformer(root / "model.nemo")
    with serving(root / "data", SCRIPTORIUM_DIARIZATION_MODEL=str(model)) as served:
        yield served


def test_speakers_are_found_named_and_removed(address, open_page):
    page = open_page(address)
    run(page, media.DATA / "conf-noempty.wav")
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=120_000)
    page.get_by_role("button", name="conf-noempty.wav", exact=True).click()
    page.wait_for_url("**/result?job=*")
    page.get_by_role("button", name="Speakers").click()
    expect(page.get_by_text("Nobody has asked yet")).to_be_visible()
    page.get_by_role("button", name="Find the speakers").click()
    heard = page.locator(".speaker:visible")
    expect(heard.first).to_have_text("Speaker 1", timeout=120_000)
    heard.first.click()
    page.get_by_placeholder("Name of the speaker").fill("Ana Ruiz")
    page.keyboard.press("Enter")
    expect(heard.first).to_have_text("Ana Ruiz")
    page.get_by_role("button", name="Speakers").click()
    expect(page.get_by_text("found by")).to_be_visible()
    page.get_by_role("button", name="Remove the speakers").click()
    expect(heard).to_have_count(0)
