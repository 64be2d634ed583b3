from services.documents.document import Page
from services.documents.flow import line_breaks


def page(widths: list[float | None], **more) -> Page:
    """Return a page with a line of each width; None is an empty line."""
    text = "\n".join("" if width is None else "words" for width in widths)
    boxes = [
        None if w is None else [50, 10 * n, 50 + w, 10 * n + 9, 9] for n, w in enumerate(widths)
    ]
    return Page(1, text, boxes=boxes, **more)


def test_prose_flows_and_paragraphs_stay():
    assert line_breaks(page([400, 390, 200, None, 400, 100])) == [" ", " ", "\n", "\n", " ", "\n"]


def test_lists_and_programs_keep_their_lines():
    assert line_breaks(page([400, 90, 120, 200, 80])) == ["\n"] * 5


def test_running_headers_stay_apart():
    assert line_breaks(page([400, 400, 400, 400], header=1, footer=1)) == ["\n", " ", "\n", "\n"]


def test_without_boxes_nothing_flows():
    assert line_breaks(Page(1, "a\nb\nc")) == ["\n"] * 3
