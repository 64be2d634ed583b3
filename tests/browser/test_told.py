"""A batch that ends is told on whatever page is open, and by the browser where it may."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from services.config import Settings
from services.front import Front
from tests import media
from tests.browser.conftest import serving, wait_until

IN_THE_BACKGROUND = """
  window.told = [];
  window.Notification = class {
    static permission = "default";
    static async requestPermission() { return (window.Notification.permission = "granted"); }
    constructor(title, options) { window.told.push([title, options.body]); }
    close() {}
  };
  Object.defineProperty(document, "hidden", { get: () => window.away === true });
"""
"""A browser's own windows cannot be looked into, and a tab of a test is never in the background."""


def test_a_toast_on_any_page_and_a_notification_in_the_background(tmp_path, open_page):
    slow = media.write_pdf(tmp_path / "slow *one*.pdf", ["A page of text.\n" * 40] * 600)
    bad, others = tmp_path / "bad.pdf", tmp_path / "others.pdf"
    for file in (bad, others):
        file.write_bytes(b"%PDF-1.7 and nothing more")
    data = tmp_path / "data"
    front = Front(Settings(data_dir=data))
    with serving(data) as server:
        page = open_page("about:blank")
        page.add_init_script(IN_THE_BACKGROUND)
        page.goto(server)
        page.locator("input[type=file]").first.set_input_files(slow)
        page.get_by_role("button", name=re.compile(r"^Run \d+ file|play_arrow Run")).click()
        page.wait_for_url("**/batch?batch=*")
        page.get_by_role("button", name="Notify me").click()
        expect(page.get_by_role("button", name="Notify me")).to_be_hidden()
        page.evaluate("window.away = true")
        page.get_by_role("link", name="System").click()

        toast = page.get_by_test_id("stToast")
        expect(toast).to_contain_text("1 done: slow *one*.pdf", timeout=60_000)
        wait_until(page, "window.told.length > 0")
        assert page.evaluate("window.told") == [["slow *one*.pdf", "1 done"]]

        # Somebody else's batch is not this person's business; this person's next one is.
        front.submit([others], owner="somebody else")
        front.submit([bad])
        expect(toast.last).to_contain_text("1 failed: bad.pdf")
        assert page.evaluate("window.told.map(([title]) => title)") == ["slow *one*.pdf", "bad.pdf"]
        expect(toast.get_by_text("others.pdf")).to_have_count(0)
    front.close()
