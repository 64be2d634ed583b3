"""What each page shows, to everybody who may come."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import streamlit
from streamlit.testing.v1 import AppTest

import pages.components
import pages.context
import services.runtime
from services.api.door import COOKIE
from tests.integration.access.house import SECRET
from tests.shown import show

ASKED = {
    "upload.py": {},
    "batches.py": {},
    "files.py": {},
    "search.py": {},
    "system.py": {},
    "team.py": {},
    "account.py": {},
    "guest.py": {},
    "batch.py": {"batch": "batch_id"},
    "result.py": {"job": "document"},
}
ADMINS_ONLY = ("system.py", "team.py")
SHOWS_IT = {"owner": ("batches.py", "files.py", "batch.py", "result.py"), "guest": ("result.py",)}


def test_every_page_is_in_the_matrix():
    named = {value for value in vars(pages.context).values() if str(value).endswith(".py")}
    assert {name for name in named if "/" not in str(name)} == set(ASKED)


def shown_to(house, monkeypatch, page: str, who: str) -> tuple[AppTest, list, str]:
    """Open a page as somebody; return it, what its lists were given, and all that it says."""
    front = house.front(who)
    monkeypatch.setattr(pages.context, "runtime", lambda: front)
    listed: list = []
    asked = {name: getattr(house, value) for name, value in ASKED[page].items()}
    shown = show(monkeypatch, page, asked, listed.extend)
    titles = [title.value for title in shown.title]
    said = f"{shown.main} {titles} {listed}".replace("\\", "")  # names are shown as they are
    return shown, listed, said


@pytest.mark.parametrize("who", ["owner", "other", "admin", "guest"])
@pytest.mark.parametrize("page", ASKED)
def test_a_page_shows_what_its_person_may_see(house, monkeypatch, page, who):
    shown, _, said = shown_to(house, monkeypatch, page, who)
    may = page not in ADMINS_ONLY or who == "admin"
    if not may or (who, page) == ("guest", "account.py"):
        assert shown.exception, page
    else:
        assert not shown.exception, shown.exception
    assert (SECRET in said) == (page in SHOWS_IT.get(who, ())), page


@pytest.mark.parametrize("who", ["reading token", "submitting token"])
@pytest.mark.parametrize("page", ASKED)
def test_a_page_shows_no_more_than_its_scopes(house, monkeypatch, page, who):
    shown, listed, said = shown_to(house, monkeypatch, page, who)
    reads = who == "reading token" and page in SHOWS_IT["owner"]
    assert (SECRET in said) == reads
    if page in (*ADMINS_ONLY, "account.py"):
        assert [one.value for one in shown.exception] and not listed


@pytest.mark.parametrize("who", ["owner", "other", "admin", "guest"])
def test_the_end_of_a_batch_is_told_to_its_owner_only(house, monkeypatch, who):
    monkeypatch.setattr(pages.context, "seen_by_session", lambda: house.front(who))
    shown = AppTest.from_string("from pages import told\n\ntold.tell()\n", default_timeout=60)
    shown.session_state["told_until"] = 0.0
    shown.run()
    assert not shown.exception
    assert bool(shown.toast) == (who == "owner")


@pytest.fixture
def open_page(house, monkeypatch):
    """Open a page as a browser with a session's secret does, which may end meanwhile."""
    monkeypatch.setattr(services.runtime, "running", [house.runtime])

    def opened(page: str, secret: str | None, **parameters: str) -> AppTest:
        cookies = {COOKIE: secret} if secret else {}
        monkeypatch.setattr(pages.context, "cookies", lambda: cookies)
        return show(monkeypatch, page, parameters)

    return opened


@pytest.mark.parametrize("page", ASKED)
@pytest.mark.parametrize("who", ["nobody", "an ended session"])
def test_a_page_shows_nothing_to_nobody(house, open_page, page, who):
    cookie = house.headers["ended session"]["Cookie"].partition("=")[2]
    given = {name: getattr(house, value) for name, value in ASKED[page].items()}
    shown = open_page(page, cookie if who == "an ended session" else None, **given)
    assert not shown.exception and SECRET not in str(shown.main)
    if page != "guest.py":  # which says what it says to everybody
        assert [title.value for title in shown.title] == ["You are signed out"]


def test_a_part_that_runs_by_itself_makes_no_session_last(house, monkeypatch):
    asked, person = [], house.front("owner").person

    def identify(cookie, bearer, touch):
        asked.append(touch)
        return person

    monkeypatch.setattr(services.runtime, "running", [house.runtime])
    monkeypatch.setattr(house.runtime.people, "identify", identify)
    shown = AppTest.from_string(
        """
from pages import context, told

context.seen_by_session()
told.tell()
context.refreshing(None)(context.seen_by_session)()
context.seen_by_session()
""",
        default_timeout=60,
    ).run()
    assert not shown.exception and asked == [True, False, False, True]


def test_a_click_in_a_list_makes_the_session_last(monkeypatch):
    asked = []
    clicked = SimpleNamespace(clicked={"action": "open", "id": "1"})
    monkeypatch.setattr(pages.context, "seen_by_session", lambda: asked.append(True))
    monkeypatch.setattr(streamlit, "session_state", {"list": clicked})
    for click in (lambda told: told(), lambda told: None):
        monkeypatch.setattr(
            pages.components,
            "_rows",
            lambda on_clicked_change, click=click, **_: click(on_clicked_change),
        )
        pages.components.rows([], key="list")
    assert asked == [True]


def test_a_part_whose_person_may_not_see_it_any_more_says_so_in_its_place():
    shown = AppTest.from_string(
        """
from pages import context
from services.errors import NotAllowed


@context.refreshing(None)
def part():
    raise NotAllowed("Only an admin of this instance may do that.")


part()
""",
        default_timeout=60,
    ).run()
    assert not shown.exception
    said = pages.context.plain("Only an admin of this instance may do that.")
    assert [one.value for one in shown.error] == [said]


def test_a_part_whose_session_has_ended_has_the_whole_page_run_again():
    shown = AppTest.from_string(
        """
import streamlit as st

from pages import context
from services.errors import SignedOut

st.session_state.runs = st.session_state.get("runs", 0) + 1


@context.refreshing(None)
def part():
    if st.session_state.runs == 1:
        raise SignedOut("You are signed out.")


part()
""",
        default_timeout=60,
    ).run()
    assert not shown.exception and shown.session_state.runs == 2


def test_a_part_that_cannot_reach_the_store_says_so_in_its_place():
    shown = AppTest.from_string(
        """
import streamlit as st

from pages import context
from services.errors import StoreUnavailable


@context.refreshing(None)
def part():
    raise StoreUnavailable("The job store cannot be reached now.")


st.write("before")
part()
st.write("after")
""",
        default_timeout=60,
    ).run()
    assert not shown.exception
    said = pages.context.plain("The job store cannot be reached now.")
    assert [one.value for one in shown.error] == [said]
    assert [one.value for one in shown.markdown] == ["before", "after"]
