"""Names, and what is reached with them."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from services.errors import AccountError, StoreUnavailable
from services.jobs.once import Once
from services.people.attempts import TRIES
from services.people.models import Role
from services.people.shares import Audience
from tests import media
from tests.integration.access.house import WORD
from tests.web import client_of, run


def test_who_inherits_work_ends_what_was_shared_of_it(house):
    """Also what somebody else shared, an admin say, or who had it before."""
    owner, shares = house.front("owner"), house.runtime.people.shares
    by_another, _ = shares.create("zoe", house.batch_id, None, Audience.LINK)
    assert not house.front("other").unshare(by_another.id)
    assert owner.unshare(by_another.id) and shares.get(by_another.id) is None
    inherited, _ = shares.create("zoe", house.batch_id, None, Audience.TEAM)
    house.runtime.inherit("zoe", "bo")
    assert shares.get(inherited.id).by == "bo" and owner.unshare(inherited.id)


def test_a_newcomer_gets_no_name_under_which_there_is_work(house):
    """A provider may give the name of somebody who left to another."""
    found = house.runtime.vouched_for("https://p 21", "Bo", Role.PERSON)
    assert found.name == "bo-2"
    accounts_of = house.runtime.people.accounts
    accounts_of.remove("bo-2")
    moved = house.runtime.submit([media.DATA / "conf-noempty.wav"], owner="bo-2")
    assert house.runtime.vouched_for("https://p 22", "bo", Role.PERSON).name == "bo-3"
    accounts_of.remove("bo-3")
    house.runtime.wait(moved.id, 60)
    house.runtime.delete_batch(moved.id)


def test_nobody_is_added_under_a_name_with_work(house):
    runtime, admin = house.runtime, house.front("admin").admin
    admin.add_user("leaver", WORD, Role.PERSON)
    person = runtime.people.identify(runtime.people.sessions.begin("leaver"), None)
    once = Once("a key", "0" * 64)
    batch = runtime.seen_by(person).submit([media.DATA / "conf-noempty.wav"], once=once)
    runtime.people.accounts.remove("leaver")
    for add in (admin.add_user, runtime.admin.add_user):
        with pytest.raises(AccountError, match=r"users inherit leaver .* --take-over"):
            add(" Leaver", WORD, Role.PERSON)
    runtime.admin.add_user("leaver", WORD, Role.PERSON, take_over=True)
    person = runtime.people.identify(runtime.people.sessions.begin("leaver"), None)
    assert runtime.seen_by(person).submitted(once) == batch
    runtime.people.accounts.remove("leaver")

    runtime.inherit("leaver", "bo")
    admin.add_user("leaver", WORD, Role.PERSON)
    person = runtime.people.identify(runtime.people.sessions.begin("leaver"), None)
    theirs = runtime.seen_by(person)
    assert theirs.batches() == [] and theirs.submitted(once) is None
    runtime.people.accounts.remove("leaver")
    runtime.wait(batch.id, 60)
    runtime.delete_batch(batch.id)


def test_tries_at_once_are_counted_as_if_one_followed_the_other(house):
    transport = httpx.ASGITransport(client_of(house.runtime).app)
    form = {"name": "nobody-known", "password": "x"}

    async def burst() -> list[int]:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            tries = [client.post("/sign-in", data=form) for _ in range(40)]
            return [answer.status_code for answer in await asyncio.gather(*tries)]

    assert sorted(run(burst())) == [401] * TRIES + [429] * (40 - TRIES)


def test_tries_while_the_store_is_away_do_not_count(house, monkeypatch):
    client, form = client_of(house.runtime), {"name": "bo", "password": WORD}

    def away(*_: object) -> None:
        raise StoreUnavailable("The job store cannot be reached now.")

    with monkeypatch.context() as patch:
        patch.setattr(house.runtime.people.accounts, "check", away)
        for _ in range(TRIES + 1):
            with pytest.raises(StoreUnavailable):
                client.post("/sign-in", data=form)
    assert client.post("/sign-in", data=form).status_code == 303
