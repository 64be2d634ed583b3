"""Uploads, and what is submitted, belong to who gave them."""

from __future__ import annotations

import inspect
import io
import time

import pytest

from services.errors import NotAllowed
from services.jobs.once import Once
from services.uploads.intake import Intake
from tests import media
from tests.integration.access.house import OTHERS, STRANGERS
from tests.waiting import until
from tests.web import client_of


def test_uploads_are_given_by_those_who_may_and_continued_by_who_began_them(house):
    spoken = {"Tus-Resumable": "1.0.0"}
    piece = {**spoken, "Content-Type": "application/offset+octet-stream", "Upload-Offset": "0"}

    def sent(who: str, method: str, path: str, headers: dict[str, str], content: bytes = b""):
        client = client_of(house.runtime)
        given = house.headers[who] | headers
        return client.request(method, path, headers=given, content=content)

    def begun(who: str):
        return sent(who, "POST", "/files/uploads", {**spoken, "Upload-Length": "3"})

    expected = {
        **dict.fromkeys(STRANGERS, 401),
        **dict.fromkeys(("guest", "reading token"), 403),
        **dict.fromkeys(("owner", "submitting token", *OTHERS), 201),
    }
    assert {who: begun(who).status_code for who in house.headers} == expected
    path = begun("owner").headers["Location"]
    for who, status in expected.items():
        if who not in ("owner", "submitting token"):  # both are bo
            wrong = 404 if status == 201 else status
            assert sent(who, "PATCH", path, piece, b"abc").status_code == wrong
            assert sent(who, "HEAD", path, spoken).status_code == wrong
            assert sent(who, "DELETE", path, spoken).status_code == wrong
            other_way = {**spoken, "X-HTTP-Method-Override": "DELETE"}
            assert sent(who, "POST", path, other_way).status_code == wrong
    for site in ({"Origin": "http://evil.example"}, {"Sec-Fetch-Site": "cross-site"}):
        assert sent("owner", "PATCH", path, piece | site, b"abc").status_code == 403
        assert sent("owner", "POST", "/files/uploads", spoken | site).status_code == 403
        hidden = {**spoken, **site, "X-HTTP-Method-Override": "DELETE"}
        assert sent("owner", "HEAD", path, hidden).status_code == 200, "and nothing is deleted"
    assert sent("submitting token", "PATCH", path, piece, b"abc").status_code == 204
    id = path.rpartition("/")[2]
    for who in OTHERS:
        with pytest.raises(KeyError):
            house.front(who).uploaded([id])
    with pytest.raises(NotAllowed):
        house.front("reading token").uploaded([id])
    _, files = house.front("owner").uploaded([id])
    assert [file.path.read_bytes() for file in files] == [b"abc"]


def test_uploads_are_found_again_by_who_made_them_only(house):
    mine = house.front("owner").new_workspace()
    assert house.front("owner").open_workspace(mine.path.name) is not None
    assert house.front("other").open_workspace(mine.path.name) is None


def test_what_nobody_comes_back_for_goes_but_not_what_a_batch_has(house):
    front = house.front("owner")
    left, taken = front.new_workspace(), front.new_workspace()
    batch = front.submit([taken.add("broken.wav", io.BytesIO(b"no sound"))], workspace=taken)
    house.runtime.wait(batch.id, 60)
    for workspace in (left, taken):
        front.drop(workspace)
    until(lambda: not left.exists)
    assert taken.exists and not taken.dropped, "its original waits for another try"
    front.delete_batch(batch.id)


INTAKE_CALLS = {
    "begin": lambda i, u: i.begin("b.wav", 3, u.workspace.path.name),
    "find": lambda i, u: i.find(u.id),
    "collect": lambda i, u: i.collect([u.id]),
}
"""What names something of an owner's."""
THEIR_UPLOADS = {"receive", "expires", "end"}
"""Methods that take an upload: only `find` and `of` give one."""
LIMITS = {"require_allowed", "require_share", "require_pace", "expect", "arrived"}
OWN = {"await_form", "seen_by", "of", "give_up", "note_refusal"}


def test_every_way_to_an_upload_is_in_the_matrix(house):
    members = inspect.getmembers(Intake, inspect.isfunction)
    names = {name for name, _ in members if not name.startswith("_")}
    assert names == set(INTAKE_CALLS) | THEIR_UPLOADS | LIMITS | OWN
    owner = house.front("owner")
    upload = owner.uploads.begin("a.wav", 3)
    for who in OTHERS:
        theirs = house.front(who).uploads
        for call in INTAKE_CALLS.values():
            with pytest.raises(KeyError):
                call(theirs, upload)
        assert theirs.of(upload.workspace) == []
        theirs.give_up()
    assert owner.uploads.find(upload.id) == upload and owner.uploads.of(upload.workspace)
    for who in ("guest", "reading token"):
        with pytest.raises(NotAllowed):
            house.front(who).uploads  # noqa: B018
    owner.uploads.end(upload)


def test_who_deletes_their_data_leaves_no_uploads_behind(house):
    front = house.front("other")
    kept, gone = house.front("owner").new_workspace(), front.new_workspace()
    front.uploads.begin("a.wav", 10, gone.path.name)
    front.delete_mine()
    assert not front.uploads.of(gone)
    deadline = time.monotonic() + 60
    while gone.exists:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert kept.exists, "somebody else's"


def test_who_submits_owns_it_whatever_they_say(house, tmp_path):
    media.write_pdf(tmp_path / "mine.pdf", ["Mine."])
    front = house.front("other")
    batch = front.submit([tmp_path / "mine.pdf"], owner="bo")
    assert batch.owner == "cy"
    house.runtime.wait(batch.id, 60)
    assert front.delete_mine() == 1


def test_the_key_of_a_submission_is_its_persons_alone(house, tmp_path):
    media.write_pdf(tmp_path / "mine.pdf", ["Mine."])
    once = Once("key", "0" * 64)
    front = house.front("other")
    batch = front.submit([tmp_path / "mine.pdf"], once=once)
    assert front.submitted(once) == batch
    assert house.front("owner").submitted(once) is None
    assert house.front("admin").submitted(once) is None
    house.runtime.wait(batch.id, 60)
    assert front.delete_mine() == 1
