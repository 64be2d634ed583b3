"""What an open dialog holds: it ends with what its person may do."""

from __future__ import annotations

import inspect

import pytest

from services.account import Account
from services.admin import Admin
from services.errors import NotAllowed
from services.people.models import Role, Scope
from tests.integration.access.house import WORD

ADMIN_CALLS = {
    "users": lambda a: a.users(),
    "add_user": lambda a: a.add_user("evil", WORD, Role.ADMIN),
    "set_password": lambda a: a.set_password("bo", WORD + "2"),
    "set_role": lambda a: a.set_role("eve", Role.ADMIN),
    "disable": lambda a: a.disable("ana"),
    "terms": lambda a: a.terms(),
    "set_terms": lambda a: a.set_terms(("evil",), ()),
    "batches": lambda a: a.batches(),
    "count_batches": lambda a: a.count_batches(),
    "open_batch": lambda a: a.open_batch("b", "to read it"),
    "links": lambda a: a.links(),
    "count_links": lambda a: a.count_links(),
    "end_link": lambda a: a.end_link("s"),
    "audit": lambda a: a.audit(),
    "count_audit": lambda a: a.count_audit(),
    "audit_actions": lambda a: a.audit_actions(),
    "audit_csv": lambda a: a.audit_csv(),
}
ACCOUNT_CALLS = {
    "user": lambda a: a.user(),
    "set_password": lambda a: a.set_password(WORD, WORD + "2"),
    "tokens": lambda a: a.tokens(),
    "create_token": lambda a: a.create_token("t", [Scope.READ]),
    "revoke_token": lambda a: a.revoke_token("t"),
    "sign_out_everywhere": lambda a: a.sign_out_everywhere(),
}


@pytest.mark.parametrize(("kind", "calls"), [(Admin, ADMIN_CALLS), (Account, ACCOUNT_CALLS)])
def test_every_method_of_what_is_held_for_long_is_in_the_matrix(kind, calls):
    members = inspect.getmembers(kind, inspect.isfunction)
    assert {name for name, _ in members if not name.startswith("_")} == set(calls)


@pytest.fixture
def eve(house):
    """An admin with a page open, who is gone after the test."""
    people = house.runtime.people
    people.accounts.add("eve", WORD, Role.ADMIN)
    person = people.identify(people.sessions.begin("eve"), None)
    yield house.runtime.seen_by(person)
    if people.accounts.get("eve"):
        people.accounts.remove("eve")


TAKEN = {
    "no admin any more": lambda people: people.accounts.set_role("eve", Role.PERSON),
    "closed": lambda people: people.accounts.disable("eve"),
    "removed": lambda people: people.accounts.remove("eve"),
    "new password": lambda people: people.accounts.set_password("eve", WORD + "2"),
    "signed out": lambda people: people.sessions.end_all("eve"),
}


@pytest.mark.parametrize("taken", TAKEN)
def test_what_a_dialog_holds_ends_with_what_its_person_may_do(house, eve, taken):
    people, runtime = house.runtime.people, house.runtime
    admin, account, uploads = eve.admin, eve.account, eve.uploads
    downloads = eve.downloads
    assert admin.users() and account.user() and uploads and downloads is runtime.downloads
    TAKEN[taken](people)
    for name, call in ADMIN_CALLS.items():
        with pytest.raises(NotAllowed):
            call(admin)
        assert people.accounts.get("evil") is None, name
    for call in ACCOUNT_CALLS.values():
        with pytest.raises(NotAllowed):
            call(account)
    for call in (
        lambda: eve.downloads,
        lambda: eve.uploads,
        lambda: eve.pause(),
        lambda: eve.counts(),
        lambda: eve.batches(),
        lambda: eve.new_workspace(),
    ):
        with pytest.raises(NotAllowed):
            call()
    assert people.accounts.check("bo", WORD) and not people.accounts.get("ana").disabled
    assert not people.tokens.of("eve")


def test_a_role_that_goes_leaves_the_rest_of_an_open_page(house):
    """A provider's groups take a role away at a sign-in elsewhere; this session stays."""
    people = house.runtime.people
    people.accounts.enter("https://p 77", "gil", Role.ADMIN)
    front = house.runtime.seen_by(people.identify(people.sessions.begin("gil"), None))
    admin = front.admin
    people.accounts.enter("https://p 77", "gil", Role.PERSON)
    for call in (
        *(lambda call=call: call(admin) for call in ADMIN_CALLS.values()),
        lambda: front.downloads,
        lambda: front.counts(),
        lambda: front.resume(),
    ):
        with pytest.raises(NotAllowed, match="Only an admin"):
            call()
    assert front.batches() == [] and front.account.user().name == "gil"
    assert front.uploads and front.may(Scope.SUBMIT) and not front.may(Scope.ADMIN)
    people.accounts.remove("gil")


def test_an_account_is_reached_by_who_signed_in_only(house):
    assert house.front("owner").account.user().name == "bo"
    for who in ("guest", "reading token", "submitting token"):
        with pytest.raises(NotAllowed):
            house.front(who).account  # noqa: B018
