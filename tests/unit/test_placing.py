from services.documents.document import Page
from services.documents.placing import Placed, placed_tables

TABLE = [["Town", "Scribes"], ["Ghent", "12"], ["", "7"]]


def test_a_table_stands_where_its_words_are_lines():
    page = Page(1, "before\nTown Scribes\n\nGhent\n12\n7\nafter", tables=[TABLE])
    assert placed_tables(page) == ([Placed(1, 6, TABLE)], [])


def test_two_tables_that_are_the_same_have_two_places():
    rows = "Town Scribes\nGhent 12\n7"
    page = Page(1, f"{rows}\nbetween\n{rows}", tables=[TABLE, TABLE])
    assert placed_tables(page) == ([Placed(0, 3, TABLE), Placed(4, 7, TABLE)], [])


def test_a_table_whose_words_are_read_otherwise_has_no_place():
    for text in ("", "Town Scribes", "Town Scribes\n12 Ghent\n7", "a Town Scribes\nGhent 12\n7"):
        assert placed_tables(Page(1, text, tables=[TABLE])) == ([], [TABLE])
