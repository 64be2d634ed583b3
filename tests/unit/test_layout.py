from services.documents.layout import Word, arrange, is_rtl, paragraphs


def line(text: str, left: float, top: float, size: float = 10.0) -> list[Word]:
    """Return the words of a line; a letter is half as wide as high."""
    words = []
    for word in text.split():
        right = left + 0.5 * size * len(word)
        words.append(Word(word, left, top, right, top + size, size))
        left = right + 0.5 * size
    return words


LEFT = [f"left column has line number {n}" for n in range(8)]
RIGHT = [f"right column has line number {n}" for n in range(8)]


def test_two_columns_drawn_in_turns_are_read_one_after_the_other():
    rows = [line("A title that runs across both columns of the page as titles do", 50, 50)]
    for n in range(8):
        rows.append(line(LEFT[n], 50, 80 + 12 * n) + line(RIGHT[n], 300, 80 + 12 * n))
    texts = [found.text for found in arrange(rows)]
    assert texts == [rows[0][0].text + texts[0][1:], *LEFT, *RIGHT]


def test_columns_in_order_are_left_alone():
    rows = [line(text, 50, 80 + 12 * n) for n, text in enumerate(LEFT)]
    rows += [line(text, 300, 80 + 12 * n) for n, text in enumerate(RIGHT)]
    assert [found.text for found in arrange(rows)] == LEFT + RIGHT


def test_the_rows_of_a_table_stay_rows():
    rows = [
        line(f"Item{n}", 50, 80 + 12 * n) + line(f"{n} pieces", 300, 80 + 12 * n) for n in range(9)
    ]
    assert [found.text for found in arrange(rows)] == [f"Item{n} {n} pieces" for n in range(9)]


def test_columns_that_are_read_from_the_right():
    hebrew = [f"מילה ועוד מילה שורה {n}" for n in range(8)]
    rows = [line(hebrew[n], 50, 80 + 12 * n) + line(hebrew[n], 300, 80 + 12 * n) for n in range(8)]
    found = arrange(rows)
    assert found[0].left == 300 and found[8].left == 50


def test_space_between_lines_is_a_new_paragraph():
    rows = [line("one", 50, 100), line("two", 50, 112), line("three", 50, 140)]
    assert [found and found.text for found in paragraphs(arrange(rows))] == [
        *("one", "two", None, "three")
    ]


def test_directions():
    assert is_rtl("שלום") and is_rtl("مرحبا 12") and not is_rtl("hello") and not is_rtl("12")
