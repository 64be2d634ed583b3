"""The list of names and terms that new batches begin with."""

from __future__ import annotations

import pytest

from services.api.v1.models import OptionsInput
from services.api.v1.options import chosen
from services.config import Settings
from services.errors import EditConflict, OverLimit
from services.front import Front
from services.jobs.store import JobStore
from services.people.people import People
from services.people.terms import LONGEST, MOST, of_lines


@pytest.fixture
def people(store_url):
    JobStore(store_url).close()
    made = People(store_url, 3600.0)
    yield made
    made.close()


def test_a_list_is_kept_in_its_order_each_term_once(people, store_url):
    assert people.terms() == ()
    people.set_terms(["Zürich", " Ana  Ruiz ", "", "Zürich"], ())
    assert people.terms() == ("Zürich", "Ana Ruiz")
    people.set_terms(["Ana Ruiz"], ("Zürich", "Ana Ruiz"))
    other = People(store_url, 3600.0)
    assert other.terms() == ("Ana Ruiz",)
    other.close()


def test_of_two_people_who_change_it_the_second_is_told(people):
    people.set_terms(["Ana"], ())
    with pytest.raises(EditConflict, match="reload the page"):
        people.set_terms(["Bo"], ())
    assert people.terms() == ("Ana",)


@pytest.mark.parametrize("terms", [["x" * (LONGEST + 1)], [str(n) for n in range(MOST + 1)]])
def test_what_is_too_much_is_refused_and_changes_nothing(people, terms):
    people.set_terms(["Ana"], ())
    with pytest.raises(OverLimit, match="may have"):
        people.set_terms(terms, ("Ana",))
    assert people.terms() == ("Ana",)


def test_a_list_is_written_one_a_line():
    assert of_lines("Ana Ruiz\r\n\n  Zürich \nAna Ruiz") == ("Ana Ruiz", "Zürich")


def test_every_new_batch_begins_with_the_list_and_the_settings(tmp_path):
    """Also of the API, and of the command line beside a server or without one."""
    settings = Settings(data_dir=tmp_path / "data", hotwords=("Scriptorium", "Ana"))
    front, beside = Front(settings), Front(settings)
    try:
        assert front.default_options().hotwords == ("Scriptorium", "Ana")
        front.admin.set_terms(["Ana", "Zürich"], front.admin.terms())
        listened = ("Ana", "Zürich", "Scriptorium")
        assert front.default_options().hotwords == listened
        assert beside.default_options().hotwords == listened
        assert chosen(front, OptionsInput(language="de")).hotwords == listened
        assert chosen(front, OptionsInput(hotwords=["Bo"])).hotwords == ("Bo",), "for this batch"
        (tmp_path / "a.pdf").write_bytes(b"nothing")
        assert front.submit([tmp_path / "a.pdf"]).options.hotwords == listened
    finally:
        beside.close()
        front.close()
