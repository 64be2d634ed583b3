import pytest
from PIL import Image

from services.documents.pdf_image import MOST_PIXELS, write_page
from services.errors import UnreadableDocument
from tests import media


def test_a_page_is_drawn_at_the_width_asked_for(tmp_path):
    path = media.write_pdf(tmp_path / "a.pdf", ["some words", ""])
    sizes, colours = [], []
    for number in (1, 2):
        write_page(path, number, tmp_path / f"{number}.png", 600, None)
        with Image.open(tmp_path / f"{number}.png") as image:
            assert image.format == "PNG"
            sizes.append(image.size)
            colours.append(len(set(image.convert("L").getdata())))
    assert sizes[0] == sizes[1] and abs(sizes[0][0] - 600) <= 1
    assert colours[0] > 1 and colours[1] == 1, "one page has words, the other is white"


@pytest.mark.parametrize("size", [(14_400, 14_400), (10, 14_400), (14_400, 3), (0.5, 0.5)])
def test_a_page_of_any_size_is_an_image_of_bounded_size(tmp_path, size):
    path = media.write_pdf(tmp_path / "a.pdf", [""], size=size)
    write_page(path, 1, tmp_path / "1.png", 1200, None)
    with Image.open(tmp_path / "1.png") as image:
        width, height = image.size
    assert 0 < width * height <= MOST_PIXELS * 1.01


@pytest.mark.parametrize("number", [0, -1, 3, 10**6])
def test_a_page_that_is_not_there(tmp_path, number):
    path = media.write_pdf(tmp_path / "a.pdf", ["one", "two"])
    with pytest.raises(UnreadableDocument, match=f"Page {number} cannot be shown"):
        write_page(path, number, tmp_path / "x.png", 600, None)
    assert not (tmp_path / "x.png").exists()


def test_what_is_no_pdf_cannot_be_shown(tmp_path):
    (tmp_path / "a.pdf").write_text("no")
    with pytest.raises(UnreadableDocument):
        write_page(tmp_path / "a.pdf", 1, tmp_path / "x.png", 600, None)
