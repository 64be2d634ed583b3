"""Documents as a person meets them: a password, a scan, a long one, and its pages."""

from __future__ import annotations

import re
import time
import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests import media
from tests.browser.conftest import wait_until

LINES = ["The scribes copied the first book by hand.", "Then the second book was copied."]


def run(page: Page, *files: Path) -> None:
    """Upload files, and run them."""
    page.locator("input[type=file]").first.set_input_files([str(file) for file in files])
    page.get_by_role("button", name=re.compile(r"Run \d+ file")).click()
    page.wait_for_url("**/batch?batch=*")


@pytest.fixture
def files(tmp_path) -> Path:
    """A long document, one with a password, a scan, and one that takes a minute to read.

    None is one that was read before, also at a second try: that would be offered its result.
    """
    root, now = tmp_path, time.time_ns()
    pages = [f"Page {n} tells of {'quills' if n % 7 == 0 else 'ink'}" for n in range(1, 41)]
    media.write_pdf(root / "long.pdf", pages, title=f"On ink {now}")
    media.write_pdf(root / "locked.pdf", ["The secret recipe of the ink"], f"Ink {now}", "oak-gall")
    text = media.write_pdf(root / "text.pdf", ["\n".join(LINES)], f"Text {now}", size=(420, 220))
    media.write_scan(root / "scan.pdf", text, degrees=3 + now % 1000 / 5000)
    media.write_slow_pdf(root / "slow.pdf", slow=2, pages=30, lines=400_000 + now % 1000)
    return root


def test_a_password_is_asked_for(server, open_page, files):
    page = open_page(server)
    page.locator("input[type=file]").first.set_input_files([str(files / "locked.pdf")])
    expect(page.get_by_text("needs its password after the start")).to_be_visible()
    page.get_by_role("button", name="Run 1 file").click()
    page.get_by_role("button", name="Enter password: locked.pdf").click(timeout=60_000)
    expect(page.get_by_text("“locked.pdf” is protected with a password")).to_be_visible()
    field = page.locator("input[type=password]")
    field.fill("wrong")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_text("That is not the password of “locked.pdf”")).to_be_visible()
    field.fill("oak-gall")
    page.get_by_role("button", name="Open", exact=True).click()
    expect(page.get_by_text("The secret recipe of the ink")).to_be_visible(timeout=60_000)
    wait_until(page, "document.querySelector('img.page-image').naturalWidth > 600")
    assert "oak-gall" not in page.content() and "oak-gall" not in page.url


def test_a_scan_is_read_and_becomes_searchable(server, open_page, files):
    page = open_page(server)
    run(page, files / "scan.pdf")
    page.get_by_role("button", name="scan.pdf", exact=True).click(timeout=90_000)
    expect(page.get_by_text("second book")).to_be_visible(timeout=90_000)
    expect(page.get_by_text(re.compile("1 page is a scan, read by OCR"))).to_be_visible()
    expect(page.get_by_text(re.compile(r"Read by OCR \(.*\), confidence"))).to_be_visible()
    page.get_by_text("As PDF").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Searchable PDF").click()
    assert download.value.suggested_filename == "scan.pdf"
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    page.get_by_role("button", name="Export").click()
    page.get_by_text("Markdown", exact=True).click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download Markdown").click()
    assert download.value.suggested_filename == "scan.md"
    assert "second book" in Path(download.value.path()).read_text(encoding="utf-8")


def test_ways_to_a_page(server, open_page, files):
    """By the contents, by the address, by a search with its marks, and by number."""
    page = open_page(server)
    run(page, files / "long.pdf")
    page.get_by_role("button", name="long.pdf", exact=True).click(timeout=60_000)
    contents = page.get_by_role("navigation", name="Contents")
    contents.get_by_role("button", name=re.compile("^Part 23")).click()
    expect(page.get_by_text("Page 23 tells of ink")).to_be_visible()
    page.wait_for_url("**page=23**")
    expect(contents.locator("[aria-current]")).to_have_text(re.compile("Part 23"))

    again = open_page(page.url.replace("page=23", "page=31"))
    expect(again.get_by_text("Page 31 tells of ink")).to_be_visible()

    page.get_by_label("Search in this document").fill("QUILLS")
    page.keyboard.press("Enter")
    expect(page.get_by_text("5 found")).to_be_visible()
    page.get_by_role("navigation", name="Found").get_by_role("button").nth(3).click()
    expect(page.get_by_text("Page 28 tells of quills")).to_be_visible()
    expect(page.locator(".page-text mark")).to_have_text("quills")
    mark, sheet = page.locator(".sheet .hit").bounding_box(), page.locator(".sheet").bounding_box()
    assert 0.18 < (mark["x"] - sheet["x"]) / sheet["width"] < 0.32, "over the word on the image"
    assert 0.09 < (mark["y"] - sheet["y"]) / sheet["height"] < 0.13

    page.get_by_label("Go to page").fill("40")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Page 40 tells of ink")).to_be_visible()
    beyond = open_page(re.sub(r"page=\d+", "page=4000", page.url))
    expect(beyond.get_by_text("Page 1 tells of ink")).to_be_visible()
    split(page)


def test_a_short_document_shows_all_its_pages_to_be_clicked(server, open_page, tmp_path):
    page = open_page(server)
    texts = [f"Page {n} of {time.time_ns()}" for n in (1, 2, 3)]
    run(page, media.write_pdf(tmp_path / "short.pdf", texts))
    page.get_by_role("button", name="short.pdf", exact=True).click(timeout=60_000)
    pages = page.get_by_role("navigation", name="Pagination")
    pages.get_by_text("2", exact=True).click()
    expect(page.get_by_text(texts[1])).to_be_visible()
    for number in ("1", "2", "3"):
        expect(pages.get_by_text(number, exact=True)).to_be_visible()


def split(page: Page) -> None:
    """Take the chapters of the document, and two ranges of its pages, as a PDF each."""
    page.get_by_text("As PDF").click()
    assert len(downloaded(page, "40 chapters (ZIP)")) == 40
    page.get_by_label("Some of its pages").fill("1-3, 7")
    page.keyboard.press("Enter")
    expect(page.get_by_role("link", name="4 pages (PDF)")).to_be_visible()
    assert downloaded(page, "2 PDFs (ZIP)") == ["01 pages 1-3.pdf", "02 pages 7.pdf"]
    address = page.get_by_role("link", name="2 PDFs (ZIP)").get_attribute("href")
    refused = page.request.get(
        re.sub("pages=.*", "pages=41", page.url.split("/result")[0] + address)
    )
    assert refused.status == 404 and "There are no pages 41" in refused.text()


def downloaded(page: Page, link: str) -> list[str]:
    """Return the names in the ZIP that a link downloads."""
    with page.expect_download() as download:
        page.get_by_role("link", name=link).click()
    assert download.value.suggested_filename == "long.zip"
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        return archive.namelist()


def test_a_long_document_is_cancelled_in_its_middle(server, open_page, files):
    page = open_page(server)
    run(page, files / "slow.pdf")
    expect(page.get_by_text(re.compile(r"reading \d+%"))).to_be_visible(timeout=60_000)
    page.get_by_role("button", name="Cancel: slow.pdf").click()
    expect(page.get_by_text("0 of 1 done · 1 cancelled")).to_be_visible(timeout=30_000)
    # The lane is free again.
    page.get_by_role("button", name="New batch").click()
    run(page, files / "text.pdf")
    expect(page.get_by_text("1 of 1 done")).to_be_visible(timeout=60_000)
