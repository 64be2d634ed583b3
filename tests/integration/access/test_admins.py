"""What admins do is told, and kept."""

from __future__ import annotations

import csv
import io
import time
from datetime import datetime

import pytest

from services.errors import AccountError
from services.people.audit import Wanted
from services.people.shares import Audience
from tests.integration.access.house import WORD
from tests.web import client_of


def test_an_admin_opens_content_with_a_reason_that_is_kept(house):
    runtime = house.runtime
    front = house.front("admin")
    (summary,) = front.admin.batches()
    assert (summary.batch.id, summary.first_name) == (house.batch_id, "")
    with pytest.raises(Exception, match="Say why"):
        front.admin.open_batch(house.batch_id, "  ")
    front.admin.open_batch(house.batch_id, "bo asked")
    assert front.result(house.document) is not None
    assert not front.may_change(front.job(house.document))
    line = front.admin.audit()[0]
    assert (line.who, line.action, line.object) == ("ana", "open content", house.batch_id)
    assert "bo asked" in line.detail
    for share in runtime.people.shares.of(house.batch_id):
        if share.by == "ana":
            runtime.people.shares.revoke(share.id)
    assert front.result(house.document) is None


def test_an_admin_who_opens_content_keeps_what_was_shared_with_them(house):
    owner, admin = house.front("owner"), house.front("admin")
    share, _ = owner.share(house.batch_id, None, Audience.PERSON, "ana", editing=True)
    job = admin.job(house.recording)
    assert admin.may_correct(job)
    admin.admin.open_batch(house.batch_id, "bo asked")
    assert admin.may_correct(job) and share in owner.shares(house.batch_id)
    with pytest.raises(AccountError):
        owner.share(house.batch_id, None, Audience.ADMIN, "cy")
    for one in owner.shares(house.batch_id):
        if one.audience is not Audience.LINK:
            assert owner.unshare(one.id)
    assert admin.job(house.recording) is None


def test_an_admin_ends_somebodys_link_and_the_log_says_so(house):
    owner, admin = house.front("owner"), house.front("admin")
    share, _ = owner.share(house.batch_id, house.recording, Audience.LINK)
    team, _ = owner.share(house.batch_id, None, Audience.TEAM)
    assert share in admin.admin.links() and admin.admin.count_links() == 2
    assert not admin.admin.end_link(team.id), "no link"
    assert admin.admin.end_link(share.id) and not admin.admin.end_link(share.id)
    assert share not in owner.shares(house.batch_id) and owner.unshare(team.id)
    line = admin.admin.audit(limit=2)[-1]
    assert (line.who, line.action, line.object) == ("ana", "end link", house.recording)
    assert line.detail == "of bo"


def test_the_audit_log_is_a_file_that_spreadsheets_show(house):
    house.runtime.people.audit.record("=evil()", "sign-in failed", "", 'a "quoted", word')
    admin = house.front("admin").admin
    rows = list(csv.reader(io.StringIO(admin.audit_csv().decode())))
    assert rows[0] == ["when", "who", "what", "of", "detail"]
    assert rows[1][1:] == ["'=evil()", "sign-in failed", "", 'a "quoted", word']
    assert abs(datetime.fromisoformat(rows[1][0]).timestamp() - time.time()) < 60
    assert len(rows) == admin.count_audit() + 1
    assert admin.audit_csv(Wanted("no such person")).count(b"\n") == 1


def test_signing_out_and_the_opening_of_links_are_logged(house):
    client, admin = client_of(house.runtime), house.front("admin").admin
    _, link = house.front("owner").share(house.batch_id, house.document, Audience.LINK)
    client.get("/sign-out")  # nobody is signed in
    client.get(f"/s/{link}")
    client.get("/sign-out")  # a guest
    client.post("/sign-in", data={"name": "cy", "password": WORD})
    client.get(f"/s/{link}")
    client.get("/sign-out")
    lines = [(line.who, line.action, line.object) for line in admin.audit(4)]
    assert lines == [
        ("cy", "sign-out", ""),
        ("cy", "open link", house.document),
        ("cy", "sign-in", ""),
        ("guest", "open link", house.document),
    ]
    assert link not in str(admin.audit(10))
