"""Every page, menu and dialog by the rules of axe, which knows the guidelines (WCAG)."""

from __future__ import annotations

import re

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests import media
from tests.browser.test_team import serving_team, sign_in

PAGES = {
    "": "New batch",
    "batches": "Batches",
    "files": "Files",
    "search?q=agent": "Search",
    "system": "System",
    "team": "Team",
    "account": "ana",
}
OPENED = ["Run again", "Export", "Speakers", "Share", "More", "Add a person", "New token"]
FOREIGN = "[data-testid=stToast]"  # Streamlit's, which has no name while it comes and goes


@pytest.fixture(scope="module")
def team(tmp_path_factory):
    with serving_team(tmp_path_factory.mktemp("team") / "data") as address:
        yield address


def broken_rules(page: Page) -> list[str]:
    """Return each rule that the page breaks, with the elements that break it."""
    found = Axe().run(page, {"exclude": [[FOREIGN]]}).response["violations"]
    return [f"{rule['id']}: {node['html'][:200]}" for rule in found for node in rule["nodes"]]


def look(page: Page, problems: dict[str, list[str]], place: str) -> None:
    """Note what is wrong on a page that has come to rest, and in what opens on it."""
    expect(page.locator("[data-testid=stApp][data-test-script-state=notRunning]")).to_be_visible()
    problems[place] = broken_rules(page)
    for name in OPENED:
        button = page.get_by_role("button", name=re.compile(rf"\b{name}$|{name}expand_more$"))
        if button.count() and button.first.is_enabled():
            button.first.click()
            opened = page.locator("[data-testid=stPopoverBody], [role=dialog]")
            expect(opened).to_be_visible()
            problems[f"{place}, {name}"] = broken_rules(page)
            page.keyboard.press("Escape")
            expect(opened).to_be_hidden()


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1440)])
def test_nothing_breaks_the_guidelines(team, open_page, tmp_path, scheme, width):
    problems: dict[str, list[str]] = {}
    page = open_page(team, color_scheme=scheme, width=width)
    expect(page.get_by_label("Password")).to_be_visible()
    problems["Sign in"] = broken_rules(page)
    sign_in(page, "ana")
    expect(page.get_by_text("Drop files or folders here")).to_be_visible()
    recording = tmp_path / f"{scheme}.wav"
    recording.write_bytes((media.DATA / "agent-newlocation.wav").read_bytes() + scheme.encode())
    pdf = media.write_pdf(tmp_path / f"{scheme}.pdf", ["Page one of the agent.", "Page two."])
    broken = tmp_path / "broken.pdf"
    broken.write_bytes(b"%PDF-1.4 nothing")
    page.locator("input[type=file]").first.set_input_files([recording, pdf, broken])
    run = page.get_by_role("button", name="Run 2 files")
    expect(run).to_be_visible()
    look(page, problems, "Files to run")
    run.click()
    expect(page.get_by_text("2 of 2 done")).to_be_visible(timeout=120_000)
    batch = page.url
    look(page, problems, "Batch")
    for name in (pdf.name, recording.name):
        page.goto(batch)
        page.get_by_role("button", name=name, exact=True).click()
        expect(page.get_by_role("button", name="Export")).to_be_visible()
        look(page, problems, name)
    for address, title in PAGES.items():
        page.goto(f"{team}/{address}")
        expect(page.get_by_role("heading", name=title, level=1)).to_be_visible()
        look(page, problems, title)
    assert not {place: found for place, found in problems.items() if found}
    assert {f"{pdf.name}, Export", f"{recording.name}, Speakers", "Team, Add a person"} < set(
        problems
    )
