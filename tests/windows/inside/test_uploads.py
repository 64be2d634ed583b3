"""Uploads in pieces where an open file cannot be renamed or deleted."""

from __future__ import annotations

import pytest

from services.errors import FileAccessError
from services.files.disk import Room
from services.files.janitor import Janitor
from services.files.uploads import Upload, Uploads
from services.files.workspace import Workspace
from tests.windows.inside.conftest import DAY
from tests.windows.inside.holder import Holder

pytestmark = pytest.mark.usefixtures("quick_retries")


def send(uploads: Uploads, upload: Upload, content: bytes) -> Upload:
    with uploads.receive(upload) as receiver:
        receiver.write(content)
        return receiver.finish() if receiver.offset == upload.size else upload


def test_pieces_make_a_file_also_after_restarts(workspace: Workspace) -> None:
    room = Room(workspace.path.parent)
    id = Uploads(room, DAY).begin(workspace, "ana", "a: talk?.wav", 6).id
    for piece in (b"ab", b"cd", b"ef"):
        uploads = Uploads(room, DAY)  # as after a restart
        upload = uploads.find(id)
        assert upload is not None
        done = send(uploads, upload, piece)
    assert done.stored is not None and done.stored.path.read_bytes() == b"abcdef"


def test_what_a_scanner_holds_is_stored_when_it_lets_go(workspace: Workspace) -> None:
    uploads = Uploads(Room(workspace.path.parent), DAY)
    upload = uploads.begin(workspace, "ana", "a.wav", 3)
    with Holder(upload.part):
        with pytest.raises(FileAccessError, match="is held by"):
            send(uploads, upload, b"abc")
        assert uploads.of(workspace) == [], "not there yet"
        with pytest.raises(FileAccessError):
            uploads.find(upload.id)
    found = uploads.find(upload.id)
    assert found is not None and found.stored is not None
    assert found.stored.path.read_bytes() == b"abc" and uploads.of(workspace) == [found]


def test_an_upload_that_is_held_waits_for_the_janitor(
    workspace: Workspace, janitor: Janitor
) -> None:
    uploads = Uploads(Room(workspace.path.parent), DAY)
    upload = uploads.begin(workspace, "ana", "a.wav", 3)
    later = uploads.expires(upload) + 10
    with Holder(upload.part):
        assert janitor.sweep(later) == [] and janitor.waiting
    assert janitor.sweep(later + DAY) == [workspace.path]
