"""Uploads on the disk: what survives, who may, how much, and when it goes."""

from __future__ import annotations

import hashlib
import io
import itertools
import json
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace as Namespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.errors import DiskFull, OverLimit
from services.files import operations
from services.files.disk import Room
from services.files.janitor import GRACE, Janitor
from services.files.uploads import Receiver, Uploads, last_activity
from services.files.workspace import MARKER, Workspace, is_workspace
from services.uploads.intake import Intake

DAY = 86_400.0
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def room(tmp_path) -> Room:
    return Room(tmp_path / "temp")


@pytest.fixture
def uploads(room) -> Uploads:
    return Uploads(room, DAY)


def intake(room: Room, **given: object) -> Intake:
    values = {"file_limit": None, "owner_limit": None, "submitted": lambda _: False} | given
    return Intake(room, DAY, **values).seen_by("ana")


def send(intake: Intake, name: str, content: bytes, **given: str) -> str:
    upload = intake.begin(name, len(content), **given)
    if content:
        with intake.receive(upload) as receiver:
            receiver.write(content)
            receiver.finish()
    return upload.id


@settings(max_examples=30)
@given(cuts=st.lists(st.integers(0, len(CONTENT)), max_size=6), restart=st.booleans())
def test_pieces_of_any_length_make_the_file(tmp_path_factory, cuts, restart):
    room = Room(tmp_path_factory.mktemp("temp"))
    uploads = Uploads(room, DAY)
    workspace = Workspace.create(room)
    id = uploads.begin(workspace, "ana", "../a talk.wav", len(CONTENT)).id
    edges = [0, *sorted(cuts), len(CONTENT)]
    for begin, end in itertools.pairwise(edges):
        if restart:
            uploads = Uploads(room, DAY)  # the server was ended and started again
        upload = uploads.find(id)
        assert upload is not None and upload.offset == begin and not upload.finished
        with uploads.receive(upload) as receiver:
            receiver.write(CONTENT[begin:end])
            if end == len(CONTENT) and receiver.offset == upload.size:
                stored = receiver.finish().stored
                break
    assert stored is not None
    assert stored.path == workspace.path / f"{hashlib.sha256(CONTENT).hexdigest()}-a talk.wav"
    assert stored.path.read_bytes() == CONTENT
    assert Uploads(room, DAY).find(id).stored == stored
    assert workspace.files() == [stored] and not list(workspace.path.glob("*.part"))


def test_what_was_written_at_a_kill_counts_and_nothing_else(room, uploads):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 10)
    receiver = uploads.receive(upload)
    receiver.write(b"0123")
    receiver._handle.close()  # the process is killed: nothing is remembered
    again = Uploads(room, DAY)
    found = again.find(upload.id)
    assert found.offset == 4
    with again.receive(found) as after:
        after.write(b"456789")
        assert after.finish().sha256 == hashlib.sha256(b"0123456789").hexdigest()


def test_an_end_between_the_record_and_the_move_is_made_good(room, uploads, monkeypatch):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 3)
    with uploads.receive(upload) as receiver:
        receiver.write(b"abc")
        with monkeypatch.context() as patch:
            patch.setattr(Uploads, "_settle", lambda *_: None)
            receiver.finish()
    assert upload.part.exists()
    stored = Uploads(room, DAY).find(upload.id).stored
    assert stored.path.read_bytes() == b"abc" and not upload.part.exists()


def test_a_piece_that_is_taken_back_leaves_the_hash_as_it_was(room, uploads):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 6)
    with uploads.receive(upload) as receiver:
        receiver.write(b"abc")
    with uploads.receive(upload) as receiver:
        receiver.write(b"xyz")
        receiver.rollback()
        assert receiver.offset == 3
    with uploads.receive(upload) as receiver:
        receiver.write(b"def")
        assert receiver.finish().sha256 == hashlib.sha256(b"abcdef").hexdigest()


def test_the_hash_is_kept_between_pieces_so_that_none_is_read_twice(room, uploads, monkeypatch):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 6)
    with uploads.receive(upload) as receiver:
        receiver.write(b"abc")
    upload.part.write_bytes(b"ABC")  # behind our back: only who reads again would notice
    with uploads.receive(upload) as receiver:
        receiver.write(b"def")
        assert receiver.finish().sha256 == hashlib.sha256(b"abcdef").hexdigest()


def test_an_empty_file_is_there_at_once(room, uploads):
    upload = uploads.begin(Workspace.create(room), "ana", "empty.wav", 0)
    assert upload.finished and upload.stored.size == 0


def test_a_full_disk_in_the_middle_keeps_what_was_right(room, uploads, monkeypatch):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 100)
    with uploads.receive(upload) as receiver:
        receiver.write(b"0123")
    room.reserve = 1 << 62
    with uploads.receive(upload) as receiver, pytest.raises(DiskFull, match="Disk full"):
        receiver.write(b"456")
    assert upload.offset == 4


def test_a_write_that_fails_half_way_is_cut_off(room, uploads, monkeypatch):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 6)
    receiver = uploads.receive(upload)
    real = receiver._handle

    class Full:
        closed = False

        def write(self, data: bytes) -> int:
            if len(data) < 3:
                raise OSError(28, "No space left on device")
            return real.write(data[:2])

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

    receiver._handle = Full()
    with pytest.raises(DiskFull):
        receiver.write(b"abcd")
    receiver._handle = real
    assert upload.offset == 0
    receiver.write(b"abcdef")
    assert receiver.finish().stored.path.read_bytes() == b"abcdef"


def test_room_is_kept_for_what_is_still_to_come(tmp_path):
    uploads = Uploads(Room(tmp_path, limit=1000), DAY)
    workspace = Workspace.create(Room(tmp_path))
    uploads.begin(workspace, "ana", "a.wav", 600)
    with pytest.raises(DiskFull, match="temp_limit_gb"):
        uploads.begin(workspace, "bob", "b.wav", 600)


def test_ids_cannot_be_guessed_and_lead_nowhere_else(room, uploads, tmp_path):
    workspace = Workspace.create(room)
    one, two = (uploads.begin(workspace, "ana", "a.wav", 5) for _ in range(2))
    assert one.id != two.id and len(one.id.split("-")[1]) == 32  # 128 bits
    (tmp_path / "upload-x.json").write_text("{}")
    for id in ("", "x", "../x", one.id + "\n", one.id.upper(), f"..{one.id[2:]}", "0" * 65):
        assert uploads.find(id) is None
    elsewhere = Workspace.create(room)
    moved = one.id.replace(workspace.path.name[3:], elsewhere.path.name[3:])
    operations.link_or_copy(one.record, elsewhere.path / one.record.name)
    assert uploads.find(moved) is None, "a record counts only where it was made"


def test_a_record_that_is_broken_is_no_upload(room, uploads):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 5)
    for text in ("", "{", "[]", '{"id": 3}', json.dumps({"unknown": 1})):
        upload.record.write_text(text)
        assert uploads.find(upload.id) is None and uploads.of(upload.workspace) == []


# --- limits and owners --------------------------------------------------------------------


def test_a_file_above_the_limit_is_refused_with_a_sentence(room):
    desk = intake(room, file_limit=1000)
    send(desk, "small.wav", b"x" * 1000)
    with pytest.raises(OverLimit, match="“big.wav” has .* one file may have .* upload_limit_gb"):
        desk.begin("big.wav", 1001)


def test_a_person_has_a_share_that_is_announced_held_and_freed(room):
    desk = intake(room, owner_limit=1000)
    first = desk.begin("a.wav", 600)
    with pytest.raises(OverLimit, match="your uploads hold"):
        desk.begin("b.wav", 401)
    desk.seen_by("bob").begin("b.wav", 900)  # others have their own
    desk.end(first)
    second = desk.find(send(desk, "c.wav", b"c" * 1000))
    with pytest.raises(OverLimit):
        desk.begin("d.wav", 1)
    second.workspace.remove(second.stored)  # a person removed it, or its batch is done
    desk.begin("d.wav", 1)


def test_a_flood_of_empty_files_ends_and_begins_again_after_an_hour(room, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr("services.uploads.intake.MOST_AN_HOUR", 3)
    monkeypatch.setattr("services.uploads.intake.time", Namespace(monotonic=lambda: clock[0]))
    desk = intake(room)
    for clock[0] in (0.0, 10.0, 70.0):
        desk.end(desk.begin("a.wav", 0))  # that they are gone again does not count
    with pytest.raises(OverLimit, match=r"3 files within an hour.* Go on in 59 min"):
        desk.begin("b.wav", 0)
    desk.seen_by("bob").begin("b.wav", 0)
    clock[0] = 3601.0
    desk.begin("b.wav", 0)
    with pytest.raises(OverLimit, match="Go on in 1 min"):
        desk.begin("c.wav", 0)


def test_of_two_that_gather_the_same_uploads_at_once_one_gets_them(room, monkeypatch):
    desk = intake(room)
    ids = [send(desk, name, name.encode()) for name in ("a.wav", "b.wav")]
    link = operations.link_or_copy

    def slowly(*given) -> None:
        time.sleep(0.05)
        link(*given)

    monkeypatch.setattr(operations, "link_or_copy", slowly)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(desk.collect, ids) for _ in range(4)]
        errors = [one.exception() for one in asked]
    assert sorted(type(error).__name__ for error in errors) == [*["KeyError"] * 3, "NoneType"]
    (got,) = [one.result()[1] for one in asked if one.exception() is None]
    assert [file.path.read_bytes() for file in got] == [b"a.wav", b"b.wav"]


def test_a_share_cannot_be_taken_twice_at_once(room):
    desk = intake(room, owner_limit=1000)
    begun: list[object] = []

    def begin() -> None:
        try:
            begun.append(desk.begin("a.wav", 600))
        except OverLimit as error:
            begun.append(error)

    threads = [threading.Thread(target=begin) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(not isinstance(one, OverLimit) for one in begun) == 1


def test_what_forms_are_about_to_bring_is_held_already(room):
    desk = intake(room, owner_limit=1000)
    first, second = desk.await_form(), desk.await_form()
    desk.expect(first, 600)
    with pytest.raises(OverLimit, match="“The form” .* your uploads hold"):
        desk.expect(second, 401)
    with pytest.raises(OverLimit):
        desk.begin("a.wav", 401)
    desk.expect(second, 300)
    desk.expect(second, 400)  # it grew, and says all that it has
    others = desk.seen_by("bob")
    others.expect(others.await_form(), 900)  # they have their own share
    first.add("a.wav", io.BytesIO(b"a" * 600))
    desk.expect(second, 400)  # what has come of the first does not count twice
    desk.arrived(first)
    desk.arrived(second)
    with pytest.raises(OverLimit):
        desk.begin("b.wav", 401)
    first.drop()
    desk.begin("b.wav", 1000)


def test_forms_that_come_at_once_are_not_looked_through(room, monkeypatch):
    """Each would wait for a look at all others, and every thread of the server with it."""
    desk = intake(room, owner_limit=1000)
    forms = [desk.await_form() for _ in range(3)]
    monkeypatch.setattr(Workspace, "owner", property(lambda _: pytest.fail("it was looked at")))
    for form in forms:
        desk.expect(form, 10)


def test_what_is_held_is_counted_without_reading_what_was_said_of_it(room, monkeypatch):
    """It is asked before each file of a folder, which may have thousands."""
    desk = intake(room, owner_limit=1000)
    home = Workspace.create(room, "ana")
    for name in ("a.wav", "b.wav", "c.wav"):
        send(desk, name, name.encode() * 10, workspace=home.path.name)
    half = desk.begin("d.wav", 100, home.path.name)
    with desk.receive(half) as receiver:
        receiver.write(b"d" * 30)
    read, asked = Uploads._read, []
    monkeypatch.setattr(Uploads, "_read", lambda *given: asked.append(given[2]) or read(*given))
    assert desk._uploads.held_by("ana") == 3 * 50 + 100
    assert asked == [half.record]


def test_an_upload_is_its_owners_alone(room):
    desk = intake(room)
    mine = Workspace.create(room, "ana")
    id = send(desk, "a.wav", b"abc", workspace=mine.path.name)
    assert desk.find(id).stored.name == "a.wav"
    with pytest.raises(KeyError):
        desk.seen_by("bob").find(id)
    with pytest.raises(KeyError):
        desk.seen_by("bob").begin("b.wav", 3, mine.path.name)
    assert desk.seen_by("bob").of(mine) == [] and len(desk.of(mine)) == 1


@pytest.mark.parametrize("name", ["", "..", "../temp", "ws-", "ws-" + "0" * 32, "a\0b", "/etc"])
def test_a_workspace_that_is_none_is_refused(room, name):
    with pytest.raises(KeyError):
        intake(room).begin("a.wav", 3, name)


def test_what_a_batch_has_is_the_batchs(room):
    taken: set[Path] = set()
    desk = intake(room, submitted=lambda path: path in taken)
    workspace = Workspace.create(room, "ana")
    id = send(desk, "a.wav", b"abc", workspace=workspace.path.name)
    taken.add(workspace.path)
    with pytest.raises(KeyError):
        desk.find(id)
    with pytest.raises(KeyError):
        desk.begin("b.wav", 3, workspace.path.name)
    assert len(workspace.files()) == 1


def test_ending_one_of_two_uploads_of_a_file_keeps_the_file(room):
    desk = intake(room)
    name = Workspace.create(room, "ana").path.name
    one, two = (send(desk, "a.wav", b"abc", workspace=name) for _ in range(2))
    stored = desk.find(one).stored
    desk.end(desk.find(one))
    assert stored.path.exists() and desk.find(two).stored == stored
    desk.end(desk.find(two))
    assert not stored.path.exists()


def test_uploads_are_gathered_for_a_batch(room):
    desk = intake(room)
    ids = [send(desk, f"{n}.wav", bytes([n]) * 9) for n in range(3)]
    workspace, files = desk.collect(ids)
    assert [file.name for file in files] == ["0.wav", "1.wav", "2.wav"]
    assert {file.path for file in workspace.files()} == {file.path for file in files}
    for id in ids:
        with pytest.raises(KeyError):
            desk.find(id)  # each is used once
    alone = send(desk, "alone.wav", b"alone")
    workspace, files = desk.collect([alone, alone])
    assert files == [desk.find(alone).stored] and files[0].path.parent == workspace.path


def test_nothing_is_gathered_when_one_is_missing(room):
    desk = intake(room)
    whole = send(desk, "a.wav", b"abc")
    half = desk.begin("b.wav", 10).id
    for who, ids in ((desk, [whole, half]), (desk, [whole, "x"]), (desk.seen_by("bob"), [whole])):
        with pytest.raises(KeyError):
            who.collect(ids)
    assert desk.find(whole).stored is not None


# --- the janitor --------------------------------------------------------------------------


def janitor(root: Path) -> Janitor:
    return Janitor(root, set, set, max_age=DAY)


def test_an_unfinished_upload_keeps_its_workspace_until_it_expires(room, uploads):
    workspace = Workspace.create(room)
    upload = uploads.begin(workspace, "ana", "a.wav", 100)
    now = time.time()
    workspace.release(now)  # the lid was closed
    assert janitor(room.root).sweep(now + GRACE + 60) == []
    assert uploads.expires(upload) == pytest.approx(now + DAY, abs=60)
    os.utime(upload.part, (now - DAY - 1, now - DAY - 1))
    assert uploads.find(upload.id) is None, "what expired is not gone on with"
    assert janitor(room.root).sweep(now + DAY + 120) == [workspace.path]


def test_a_workspace_lives_from_its_last_piece_not_from_its_first(room, uploads):
    workspace = Workspace.create(room)
    (workspace.path / MARKER).write_text(json.dumps({"created": time.time() - 2 * DAY}))
    upload = uploads.begin(workspace, "ana", "a.wav", 3)
    with uploads.receive(upload) as receiver:
        receiver.write(b"abc")
        receiver.finish()
    now = time.time()
    assert last_activity(workspace.path) == (pytest.approx(now, abs=60), False)
    assert janitor(room.root).sweep(now + 60) == [] and is_workspace(workspace.path)
    workspace.release(now)  # nothing is on its way any more: the usual grace
    assert janitor(room.root).sweep(now + GRACE + 60) == [workspace.path]


def test_a_workspace_that_was_removed_is_no_error(room, uploads):
    upload = uploads.begin(Workspace.create(room), "ana", "a.wav", 3)
    operations.remove_tree(upload.workspace.path)
    assert uploads.find(upload.id) is None and uploads.of(upload.workspace) == []
    with pytest.raises(FileNotFoundError):
        Receiver(uploads, upload)
