"""Our small components by themselves: what the keyboard and who hears a page find in them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from playwright.sync_api import expect

from pages import components

HERE = Path(components.__file__).parent
FOCUSED = """() => {
  const focused = document.activeElement;
  return focused.getAttribute("aria-label") ?? focused.innerText;
}"""
LONG = "Minutes of the extraordinary general assembly of the heritage board, corrected version"


@pytest.fixture
def shown(browser):
    """Show a component of ours on an empty page; return the page and a way to run it again."""
    context = browser.new_context(viewport={"width": 390, "height": 700})
    page = context.new_page()

    def show(name: str):
        style, script = (HERE / f"{name}.{kind}" for kind in ("css", "js"))
        page.set_content(f"<style>{style.read_text('utf-8')}</style><main></main>")
        page.evaluate(
            """async (source) => {
              const { default: run } = await import(URL.createObjectURL(
                new Blob([source], { type: "text/javascript" })));
              window.clicked = [];
              const parentElement = document.querySelector("main");
              const setTriggerValue = (_, value) => window.clicked.push(value);
              window.run = (data) => run({ data, parentElement, setTriggerValue });
            }""",
            script.read_text("utf-8"),
        )
        return page, lambda **data: page.evaluate("(data) => run(data)", data)

    yield show
    context.close()


def test_the_keyboard_keeps_its_place_in_a_list_that_changes(shown):
    page, run = shown("rows")
    cancel = [("cancel", "Cancel")]

    def jobs(*states: tuple[str, float | None]) -> list[dict]:
        return [
            components.row(str(n), f"talk {n}.wav", status=said, share=share, actions=cancel)
            for n, (said, share) in enumerate(states)
        ]

    run(rows=jobs(("reading", 0.1), ("queued", None)))
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Cancel: talk 0.wav"
    run(rows=jobs(("reading 50%", 0.5), ("queued", None)))
    assert page.evaluate(FOCUSED) == "Cancel: talk 0.wav", "a file that gets on takes no focus"
    page.keyboard.press("Enter")
    assert page.evaluate("() => clicked") == [{"action": "cancel", "id": "0"}]
    run(rows=jobs(("reading", 0.6), ("queued", None))[1:])
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUSED) == "Cancel: talk 1.wav", "the next one, not the page's first"


def test_who_hears_a_list_hears_names_and_shares_and_no_symbols(shown):
    page, run = shown("rows")
    run(rows=[components.row("1", "talk.wav", icon="graphic_eq", share=0.4, opens=True)])
    expect(page.get_by_role("listitem")).to_have_count(1)
    expect(page.get_by_role("progressbar", name="talk.wav")).to_have_attribute(
        "aria-valuenow", "40"
    )
    assert "graphic_eq" not in page.get_by_role("list").aria_snapshot()


def test_what_there_is_to_know_of_a_row_is_shown_and_takes_no_room_where_there_is_nothing(shown):
    page, run = shown("rows")
    known = "3 of 12 pages could not be read: 10, 11, 12."
    run(rows=[components.row("1", "cut.pdf", note=known), components.row("2", "whole.pdf")])
    expect(page.get_by_text(known)).to_be_visible()
    first, second = (page.locator(".note").nth(n) for n in range(2))
    expect(second).to_be_hidden()
    run(rows=[components.row("1", "cut.pdf"), components.row("2", "whole.pdf")])
    expect(first).to_be_hidden()


def test_names_are_written_in_their_direction_and_shown_to_their_end(shown):
    page, run = shown("rows")
    page.set_viewport_size({"width": 1000, "height": 700})
    names = ["اجتماع 12.wav", f"{LONG} 1.wav", f"{LONG} 2.wav"]
    run(rows=[components.row(name, name, status="done in 2.1 s") for name in names])
    ends = page.locator(".title").evaluate_all(
        """(titles) => titles.map((title) => {
          const range = document.createRange(), text = title.firstChild;
          range.setStart(text, text.length - 3);
          range.setEnd(text, text.length);
          const end = range.getBoundingClientRect(), box = title.getBoundingClientRect();
          range.setStart(text, 0);
          range.setEnd(text, 1);
          return [end.bottom <= box.bottom + 1, end.left < range.getBoundingClientRect().left];
        })"""
    )
    assert [seen for seen, _ in ends] == [True] * 3, json.dumps(ends)
    assert ends[0][1], "the end of a name that is read from the right stands on the left"


def test_a_filter_that_is_chosen_keeps_the_focus(shown):
    page, run = shown("facets")

    def facet(*chosen: str) -> dict:
        values = [
            {"value": value, "text": value, "count": 1, "chosen": value in chosen}
            for value in ("audio", "document")
        ]
        return {"name": "kind", "label": "Kind", "values": values}

    run(facets=[facet()])
    page.get_by_role("button", name="document").press("Enter")
    run(facets=[facet("document")])
    assert page.evaluate(FOCUSED).startswith("document")


def test_what_was_found_stays_where_it_is_when_the_page_runs_again(shown):
    page, run = shown("hits")
    hit = {"key": "k", "place": "Page 3", "href": "#", "path": "", "parts": [["ink", True]]}
    hit["actions"] = [{"name": "similar", "label": "Similar"}]
    group = {"id": "1", "name": "a.pdf", "href": "#", "icon": "description", "detail": ""}
    group |= {"tags": [], "editable": False, "hits": [hit]}
    run(groups=[group])
    button = page.get_by_role("button", name="Similar: Page 3")
    button.focus()
    run(groups=[group])
    expect(button).to_be_focused()
    run(groups=[{**group, "name": "b.pdf"}])
    expect(page.get_by_role("link", name="b.pdf")).to_be_visible()
