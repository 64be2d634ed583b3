"""Accounts, sessions, tokens and shares, by a clock that the tests move."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest

from services.errors import AccountError, SignedOut
from services.jobs.store import JobStore
from services.people import accounts, attempts, lately
from services.people.audit import Wanted
from services.people.models import LOCAL, Person, Proof, Role, Scope
from services.people.people import People
from services.people.settings import PeopleSettings, check_address
from services.people.shares import Audience

WORD = "correct horse battery"
HOUR = 3600.0


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def people(store_url, clock, monkeypatch):
    # The real cost of a password is for attackers, not for tests.
    monkeypatch.setattr(accounts, "_hasher", accounts.PasswordHasher(1, 8, 1))
    JobStore(store_url).close()
    made = People(store_url, 12 * HOUR, clock)
    made.accounts.add("ana", WORD, Role.ADMIN)
    made.accounts.add("bo", WORD)
    yield made
    made.close()


def signed_in(people: People, name: str) -> tuple[str, Person]:
    secret = people.sessions.begin(name)
    person = people.identify(secret, None)
    assert person is not None
    return secret, person


def test_the_right_password_opens_and_a_wrong_one_does_not(people):
    user = people.accounts.check(" BO ", WORD)
    assert user is not None and (user.name, user.role) == ("bo", Role.PERSON)
    assert people.accounts.check("bo", WORD + "!") is None
    assert people.accounts.check("nobody", WORD) is None


def test_passwords_are_kept_as_argon2_hashes_only(people, tmp_path):
    kept = (tmp_path / "jobs.db").read_bytes() + (tmp_path / "jobs.db-wal").read_bytes()
    assert b"$argon2id$" in kept and WORD.encode() not in kept


def test_five_wrong_passwords_close_an_account_for_longer_each_time(people, clock):
    for _ in range(accounts.TRIES):
        assert people.accounts.check("bo", "wrong password") is None
    assert people.accounts.check("bo", WORD) is None, "the right one does not open it either"
    clock.now += accounts.CLOSED + 1
    assert people.accounts.check("bo", "wrong password") is None
    clock.now += accounts.CLOSED + 1
    assert people.accounts.check("bo", WORD) is None, "twice as long now"
    clock.now += accounts.CLOSED + 1
    assert people.accounts.check("bo", WORD) is not None
    assert people.accounts.check("ana", WORD) is not None, "nobody else was meant"


@pytest.mark.parametrize(
    "name",
    [
        *("", "Ana B", "../x", "a" * 65, "<b>", "ana", "local", "team", "retention"),
        *("command line", "command-line", "watched folder", "watched-folder"),
    ],
)
def test_names_that_cannot_be(people, name):
    with pytest.raises(AccountError):
        people.accounts.add(name, WORD)


@pytest.mark.parametrize("password", ["", "short", "x" * 201])
def test_passwords_that_cannot_be(people, password):
    with pytest.raises(AccountError, match="10 to 200"):
        people.accounts.add("cy", password)


def test_an_instance_keeps_an_admin(people):
    for change in (
        lambda: people.accounts.remove("ana"),
        lambda: people.accounts.disable("ana"),
        lambda: people.accounts.set_role("ana", Role.PERSON),
    ):
        with pytest.raises(AccountError, match="only admin"):
            change()
    people.accounts.set_role("bo", Role.ADMIN)
    people.accounts.remove("ana")
    assert [user.name for user in people.accounts.all()] == ["bo"]


def test_whoever_is_unknown_cannot_be_changed(people):
    for change in (
        lambda: people.accounts.remove("cy"),
        lambda: people.accounts.disable("cy"),
        lambda: people.accounts.set_role("cy", Role.ADMIN),
        lambda: people.accounts.set_password("cy", WORD),
    ):
        with pytest.raises(AccountError, match="nobody with the name “cy”"):
            change()


def test_a_session_ends_without_use_and_lasts_with_it(people, clock):
    secret, person = signed_in(people, "bo")
    assert (person.name, person.scopes) == ("bo", {Scope.READ, Scope.SUBMIT})
    for _ in range(3):
        clock.now += 11 * HOUR
        assert people.identify(secret, None) is not None
    clock.now += 13 * HOUR
    assert people.identify(secret, None) is None


@pytest.mark.parametrize("idle", [12 * HOUR, 60.0])
def test_what_asks_by_itself_makes_no_session_last(store_url, clock, idle):
    JobStore(store_url).close()
    with contextlib.closing(People(store_url, idle, clock)) as people:
        people.accounts.enter("https://p 17", "bo", Role.PERSON)
        secret = people.sessions.begin("bo")
        for _ in range(10):  # used, and lasts, whatever asks beside that
            clock.now += idle / 2
            assert people.identify(secret, None, touch=False) is not None
            assert people.identify(secret, None) is not None
        for _ in range(3):
            clock.now += idle / 4 - 1
            assert people.identify(secret, None, touch=False) is not None
        clock.now += idle / 4 + 3
        assert people.identify(secret, None, touch=False) is None
        assert people.identify(secret, None) is None


def test_a_session_ends_after_thirty_days_even_with_use(people, clock):
    secret, _ = signed_in(people, "bo")
    for _ in range(29 * 4):
        clock.now += 6 * HOUR
        assert people.identify(secret, None) is not None
    clock.now += 25 * HOUR
    assert people.identify(secret, None) is None


def test_use_prolongs_no_session_beyond_what_a_provider_is_believed_for(people, clock, store_url):
    vouched = People(store_url, 12 * HOUR, clock, longest=2 * HOUR)
    secret, _ = signed_in(vouched, "bo")
    for _ in range(3):
        clock.now += HOUR / 2
        assert vouched.identify(secret, None) is not None
    clock.now += HOUR / 2 + 2
    assert vouched.identify(secret, None) is None
    vouched.close()


@pytest.mark.parametrize(
    "ending",
    [
        lambda people, secret: people.sessions.end(secret),
        lambda people, secret: people.sessions.end_all("bo"),
        lambda people, secret: people.accounts.disable("bo"),
        lambda people, secret: people.accounts.remove("bo"),
        lambda people, secret: people.accounts.set_password("bo", WORD + "2"),
        lambda people, secret: people.accounts.set_role("bo", Role.ADMIN),
    ],
    ids=["sign-out", "everywhere", "closed", "removed", "password", "role"],
)
def test_what_ends_a_session_ends_what_it_reaches(people, ending):
    secret, person = signed_in(people, "bo")
    assert people.reach(person).owner == "bo"
    ending(people, secret)
    assert people.identify(secret, None) is None
    for ask in (people.reach, people.scopes):
        with pytest.raises(SignedOut):
            ask(person)


def test_a_role_that_stays_the_same_ends_no_session(people):
    secret, _ = signed_in(people, "bo")
    people.accounts.set_role("bo", Role.PERSON)
    assert people.identify(secret, None) is not None


def test_what_somebody_may_do_is_judged_by_their_role_now(people, clock, store_url):
    people.accounts.set_role("bo", Role.ADMIN)
    _, person = signed_in(people, "bo")
    token, _ = people.tokens.create("bo", "t", [Scope.READ, Scope.ADMIN])
    program = people.identify(None, token)
    assert Scope.ADMIN in people.scopes(person) & people.scopes(program)
    with contextlib.closing(People(store_url, 12 * HOUR, clock)) as others:
        # A provider's groups say it at the next sign-in, which leaves the other sessions.
        others.accounts.enter("https://p 17", "cy", Role.ADMIN)
        others.accounts.set_role("bo", Role.PERSON)
        again = others.sessions.begin("bo")
    clock.now += lately.SECONDS
    assert people.scopes(program) == {Scope.READ}
    with pytest.raises(SignedOut):
        people.scopes(person)
    assert people.scopes(people.identify(again, None)) == {Scope.READ, Scope.SUBMIT}


def test_a_role_that_a_provider_takes_away_ends_what_an_open_page_may_do(people):
    people.accounts.enter("https://p 17", "cy", Role.ADMIN)
    _, person = signed_in(people, "cy")
    people.accounts.enter("https://p 17", "cy", Role.PERSON)
    assert people.scopes(person) == {Scope.READ, Scope.SUBMIT}
    people.accounts.enter("https://p 17", "cy", Role.ADMIN)
    assert people.scopes(person) == set(Scope)
    people.accounts.enter("https://p 17", "cy", Role.PERSON)
    _, person = signed_in(people, "cy")
    people.accounts.enter("https://p 17", "cy", Role.ADMIN)
    assert people.scopes(person) == {Scope.READ, Scope.SUBMIT}, "never more than they came with"


def test_what_another_process_changes_is_known_a_second_later(people, clock, store_url):
    secret, person = signed_in(people, "bo")
    assert people.reach(person).owner == "bo"
    with contextlib.closing(People(store_url, 12 * HOUR, clock)) as others:
        others.accounts.disable("bo")
    clock.now += lately.SECONDS
    assert people.identify(secret, None) is None
    with pytest.raises(SignedOut):
        people.reach(person)


def test_a_token_is_no_session_and_a_session_no_token(people):
    token, _ = people.tokens.create("bo", "t", [Scope.READ])
    secret, _ = signed_in(people, "bo")
    assert people.identify(None, token) and people.identify(secret, None)
    assert people.identify(token, None) is None and people.identify(None, secret) is None


def test_secrets_are_kept_as_hashes_only(people, tmp_path):
    secret, _ = signed_in(people, "bo")
    token, _ = people.tokens.create("bo", "t", [Scope.READ])
    _, link = people.shares.create("bo", "b1", audience=Audience.LINK)
    kept = (tmp_path / "jobs.db").read_bytes() + (tmp_path / "jobs.db-wal").read_bytes()
    for one in (secret, token, link):
        assert one.encode() not in kept


def test_a_token_acts_within_its_scopes_until_it_ends(people, clock):
    secret, token = people.tokens.create("bo", "  nightly\n upload ", [Scope.READ], days=1)
    assert token.label == "nightly upload"
    person = people.identify(None, secret)
    assert person == Person("bo", frozenset({Scope.READ}), Proof.TOKEN, token.id)
    assert people.tokens.of("bo")[0].seen_at == clock.now
    assert people.identify(None, secret + "x") is None and people.identify(None, "bo") is None
    clock.now += 25 * HOUR
    assert people.identify(None, secret) is None
    with pytest.raises(SignedOut):
        people.reach(person)


def test_what_people_type_is_kept_without_what_cannot_be_seen(people):
    _, token = people.tokens.create("bo", "\u202enightly\u2066 up\x00load\r\n", [Scope.READ])
    assert token.label == "nightly upload"
    assert people.tokens.create("bo", "\u202e\u200b", [Scope.READ])[1].label == "unnamed"
    people.audit.record("\u202enimda", "sign-in failed", "a\u2028b", "one\ntwo \u202ethree")
    people.audit.record("\u202e", "sign-in failed")
    nameless, line = people.audit.lines()
    assert (line.who, line.object, line.detail) == ("nimda", "a b", "one two three")
    assert nameless.who == "?"


def test_a_token_never_allows_more_than_its_person(people):
    for scopes in ([Scope.ADMIN], []):
        with pytest.raises(AccountError):
            people.tokens.create("bo", "t", scopes)
    secret, token = people.tokens.create("ana", "t", [Scope.READ, Scope.ADMIN])
    people.accounts.set_role("bo", Role.ADMIN)
    people.accounts.set_role("ana", Role.PERSON)
    assert people.identify(None, secret).scopes == {Scope.READ}
    assert not people.tokens.revoke(token.id, "bo"), "somebody else's"
    assert people.tokens.revoke(token.id, "ana")
    assert people.identify(None, secret) is None


def test_a_password_that_somebody_else_sets_ends_tokens(people):
    secret, _ = people.tokens.create("bo", "t", [Scope.READ])
    people.accounts.set_password("bo", WORD + "2", keep_tokens=True)
    assert people.identify(None, secret) is not None
    people.accounts.set_password("bo", WORD + "3")
    assert people.identify(None, secret) is None and not people.tokens.of("bo")


def test_a_closed_account_gets_no_token(people):
    people.accounts.disable("bo")
    with pytest.raises(AccountError, match="closed"):
        people.tokens.create("bo", "t", [Scope.READ])


def test_shares_reach_who_they_are_for_until_they_end(people, clock):
    _, bo = signed_in(people, "bo")
    _, ana = signed_in(people, "ana")
    guest = Person("", frozenset({Scope.READ}), Proof.SESSION, "none")
    shares = people.shares
    shares.create("ana", "b1", audience=Audience.PERSON, person="bo", editing=True)
    shares.create("ana", "b2", "j2", audience=Audience.TEAM, seconds=HOUR)
    assert (people.reach(bo).batches, people.reach(bo).jobs) == ({"b1"}, {"j2"})
    assert people.reach(bo, editing=True).batches == {"b1"} and not people.reach(bo, True).jobs
    assert people.reach(ana).batches == set()
    assert shares.reach(guest) == replace(people.reach(bo), owner="", batches=set(), jobs=set())
    clock.now += 2 * HOUR
    assert not people.reach(bo).jobs
    assert shares.revoke(shares.of("b1")[0].id) and not people.reach(bo).batches


def test_a_new_share_with_the_same_takes_the_place_of_the_old(people):
    shares = people.shares
    shares.create("ana", "b1", audience=Audience.PERSON, person="bo", editing=True)
    shares.create("ana", "b1", audience=Audience.PERSON, person="bo")
    (only,) = shares.of("b1")
    assert not only.editing


@pytest.mark.parametrize(
    "gone",
    [lambda a: a.disable("bo"), lambda a: a.remove("bo")],
    ids=["closed", "removed"],
)
def test_links_end_with_the_account_of_who_made_them(people, gone):
    _, link = people.shares.create("bo", "b1", audience=Audience.LINK)
    _, other = people.shares.create("ana", "b2", audience=Audience.LINK)
    people.shares.create("bo", "b1", audience=Audience.TEAM)
    _, ana = signed_in(people, "ana")
    gone(people.accounts)
    assert people.sessions.open_link(link, None) is None
    assert people.sessions.open_link(other, None) is not None
    assert people.reach(ana).batches == {"b1"}, "the team still works on it"
    people.accounts.add("cy", WORD)
    people.shares.inherit("bo", "cy")
    assert people.sessions.open_link(link, None) is None, "nor does an heir open it again"
    assert [share.batch_id for share in people.shares.links()] == ["b2"]
    assert people.shares.count_links() == 1


def test_what_an_admin_opened_is_beside_what_was_shared_with_them(people):
    shares = people.shares
    people.accounts.set_role("bo", Role.ADMIN)
    shares.create("ana", "b1", audience=Audience.PERSON, person="bo", editing=True)
    shares.create("bo", "b1", audience=Audience.ADMIN, person="bo", seconds=HOUR)
    shares.create("bo", "b2", audience=Audience.ADMIN, person="bo", seconds=HOUR)
    _, bo = signed_in(people, "bo")
    _, ana = signed_in(people, "ana")
    assert people.reach(bo, editing=True).batches == {"b1"}, "as it was shared"
    assert people.reach(bo).batches == {"b1", "b2"} and not people.reach(ana).batches
    reading, _ = people.tokens.create("bo", "t", [Scope.READ])
    assert people.reach(people.identify(None, reading)).batches == {"b1"}, "it is no admin"


def test_what_an_admin_opened_closes_with_the_role(people):
    people.accounts.enter("https://p 17", "cy", Role.ADMIN)
    people.shares.create("cy", "b1", audience=Audience.ADMIN, person="cy", seconds=HOUR)
    _, cy = signed_in(people, "cy")
    assert people.reach(cy).batches == {"b1"}
    people.accounts.enter("https://p 17", "cy", Role.PERSON)
    assert not people.reach(cy).batches, "in a session that stays"


def test_a_link_opens_for_a_guest_and_for_who_is_signed_in(people, clock):
    share, link = people.shares.create("ana", "b1", "j1", audience=Audience.LINK, seconds=HOUR)
    secret, batch_id, job_id = people.sessions.open_link(link, None)
    guest = people.identify(secret, None)
    assert (batch_id, job_id, guest.name, guest.scopes) == ("b1", "j1", "", {Scope.READ})
    assert people.reach(guest).jobs == {"j1"} and not people.reach(guest).covers("ana", "b1")
    mine, bo = signed_in(people, "bo")
    assert people.sessions.open_link(link, mine)[0] == mine
    assert people.reach(bo).jobs == {"j1"}
    people.shares.revoke(share.id)
    assert not people.reach(bo).jobs and not people.reach(guest).jobs
    assert people.sessions.open_link(link, None) is None
    assert people.sessions.open_link("guessed", None) is None


@pytest.mark.parametrize(
    "gone",
    [lambda a: a.disable("bo"), lambda a: a.remove("bo")],
    ids=["closed", "removed"],
)
def test_a_link_opens_for_a_guest_where_a_session_is_of_nobody_any_more(people, gone):
    _, link = people.shares.create("ana", "b1", audience=Audience.LINK)
    gone(people.accounts)
    left = people.sessions.begin("bo")  # who signed in at the same moment
    assert people.identify(left, None) is None
    secret, _, _ = people.sessions.open_link(link, left)
    guest = people.identify(secret, None)
    assert guest.is_guest and people.reach(guest).batches == {"b1"}


def test_whom_a_provider_lets_in_no_more_has_nothing_that_lets_them_in(people):
    people.accounts.enter("https://p 17", "cy", Role.ADMIN)
    secret, _ = signed_in(people, "cy")
    token, _ = people.tokens.create("cy", "t", Scope)
    _, link = people.shares.create("cy", "b" * 32, audience=Audience.LINK)
    people.accounts.turn_away("https://p 18")  # somebody else, who was never here
    assert people.identify(secret, None) and people.identify(None, token)
    people.accounts.turn_away("https://p 17")
    assert people.identify(secret, None) is None and people.identify(None, token) is None
    assert people.sessions.open_link(link, None) is None
    assert people.accounts.get("cy").role is Role.PERSON
    assert people.accounts.enter("https://p 17", "cy", Role.ADMIN).role is Role.ADMIN


def test_a_provider_vouches_for_the_same_person_each_time(people):
    first = people.accounts.enter("https://p 17", "Bo Ek", Role.PERSON)
    again = people.accounts.enter("https://p 17", "Bo Changed", Role.ADMIN)
    other = people.accounts.enter("https://p 18", "bo", Role.PERSON)
    assert (first.name, again.name, again.role) == ("bo-ek", "bo-ek", Role.ADMIN)
    assert other.name == "bo-2", "whoever has the name already keeps it to themselves"
    assert people.accounts.enter("https://p 20", "Retention", Role.PERSON).name == "retention-2"
    third = people.accounts.enter("https://p 19", "cy", Role.PERSON, taken="cy".__eq__)
    assert third.name == "cy-2", "nor does anybody get what somebody had"
    people.accounts.disable("bo-2")
    assert people.accounts.enter("https://p 18", "bo", Role.PERSON) is None
    assert people.accounts.check("bo-ek", "") is None, "there is no password to guess"


def test_who_needs_no_permission_reaches_everything(people):
    assert people.reach(LOCAL) is None


def test_the_audit_log_is_read_newest_first_and_forgotten_by_age(people, clock):
    people.audit.record("ana", "one", "x" * 5000)
    clock.now += 10
    people.audit.record("bo", "two")
    assert [line.action for line in people.audit.lines()] == ["two", "one"]
    assert [line.action for line in people.audit.lines(wanted=Wanted("ANA"))] == ["one"]
    assert [line.action for line in people.audit.lines(wanted=Wanted(action="two"))] == ["two"]
    since = Wanted(since=clock.now - 5)
    assert [line.action for line in people.audit.lines(wanted=since)] == ["two"]
    assert people.audit.count(since) == 1 and people.audit.count(Wanted("a", "two")) == 0
    assert people.audit.count(Wanted("%")) == 0, "it is no pattern"
    assert people.audit.actions() == ["one", "two"]
    assert len(people.audit.lines(None)) == 2
    people.audit.forget(clock.now - 5)
    assert people.audit.count() == 1


def test_an_address_waits_after_too_many_tries(clock):
    tried = attempts.Attempts(clock)
    for _ in range(attempts.TRIES):
        assert tried.wait("10.0.0.1") == 0.0
        tried.begun("10.0.0.1")
    assert 0 < tried.wait("10.0.0.1") <= attempts.PERIOD and tried.wait("10.0.0.2") == 0.0
    clock.now += attempts.PERIOD + 1
    assert tried.wait("10.0.0.1") == 0.0


def test_only_so_many_addresses_are_remembered(clock, monkeypatch):
    monkeypatch.setattr(attempts, "ADDRESSES", 3)
    tried = attempts.Attempts(clock)
    for number in range(9):
        tried.begun(str(number))
    assert list(tried._failed) == ["6", "7", "8"]


def test_a_try_that_is_taken_back_does_not_count(clock):
    tried = attempts.Attempts(clock)
    for _ in range(2 * attempts.TRIES):
        tried.begun("10.0.0.1")
        tried.taken_back("10.0.0.1")
    assert tried.wait("10.0.0.1") == 0.0


@pytest.mark.parametrize(
    ("mode", "address", "allowed"),
    [
        ("local", "127.0.0.1", True),
        ("local", "localhost", True),
        ("local", "::1", True),
        ("local", "", False),
        ("local", None, False),
        ("local", "0.0.0.0", False),
        ("local", "192.168.1.5", False),
        ("accounts", None, True),
        ("oidc", "0.0.0.0", True),
    ],
)
def test_an_instance_of_one_person_listens_on_this_machine_only(mode, address, allowed):
    problem = check_address(mode, address)
    assert (problem is None) == allowed
    assert allowed or 'mode = "accounts"' in problem


def test_the_names_that_a_server_answers_to():
    assert PeopleSettings().host_names == {"localhost", "127.0.0.1", "::1"}
    assert PeopleSettings(mode="accounts").host_names is None
    named = PeopleSettings(mode="accounts", public_url="https://s.example:8443/")
    assert "s.example" in named.host_names and named.is_secure


@pytest.mark.parametrize("url", ["s.example", "ftp://s.example", "https://s.example:99999"])
def test_an_address_that_nobody_can_open_is_refused(url):
    with pytest.raises(ValueError, match="no address of the form"):
        PeopleSettings(public_url=url)


def test_a_provider_needs_all_its_settings():
    with pytest.raises(ValueError, match="oidc_client_id, oidc_client_secret"):
        PeopleSettings(mode="oidc", public_url="https://s.example", oidc_issuer="https://p.example")
