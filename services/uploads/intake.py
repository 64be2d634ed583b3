"""Who may upload what: owners, limits, and workspaces that a batch has taken."""

from __future__ import annotations

import copy
import math
import re
import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Self

from services.errors import OverLimit
from services.files import operations
from services.files.disk import Room
from services.files.janitor import HOUR
from services.files.uploads import Receiver, Upload, Uploads
from services.files.workspace import PREFIX, StoredFile, Workspace

_WORKSPACE = re.compile(PREFIX + "[0-9a-f]{32}")

LONGEST_NAME = 1000
"""Characters of a file's name; no file system that we know takes more than 255."""
TOLD_SECONDS = 60.0
"""Seconds for which a page tells why a file was refused on its way."""
MOST_AN_HOUR = 20_000
"""Files that one person may begin to upload within an hour: even empty ones fill a disk."""


class Intake:
    """The uploads of one person, whom `seen_by` names. Any thread may use it.

    Args:
        room: The temp root and its room.
        max_age: Seconds after its last byte at which an upload that nobody finished is given up.
        file_limit: Bytes that one file may have; None for as many as fit.
        owner_limit: Bytes that the uploads of one person may hold together.
        submitted: Whether a batch has the workspace at a path; its files are that batch's then.
    """

    def __init__(
        self,
        room: Room,
        max_age: float,
        file_limit: int | None,
        owner_limit: int | None,
        submitted: Callable[[Path], bool],
    ) -> None:
        self._owner = ""
        self._file_limit = file_limit
        self._owner_limit = owner_limit
        self._room = room
        self._uploads = Uploads(room, max_age)
        self._submitted = submitted
        self._beginning, self._collecting = threading.Lock(), threading.Lock()
        self._counting = threading.Lock()
        self._begun: defaultdict[str, deque[float]] = defaultdict(deque)
        self._coming: dict[Path, tuple[str, int]] = {}
        self._refused: dict[str, tuple[float, str]] = {}

    def seen_by(self, owner: str) -> Self:
        """Return the same for somebody else."""
        theirs = copy.copy(self)
        theirs._owner = owner
        return theirs

    def begin(
        self, name: str, size: int, workspace: str | None = None, metadata: str = ""
    ) -> Upload:
        """Announce a file of `size` bytes.

        Args:
            workspace: Name of the workspace of a session of theirs; a new one when not given.
            metadata: What the sender wants to be told again; it is kept as it is.

        Raises:
            KeyError: there is no such workspace.
            OverLimit: the file is larger than allowed, or they have too much here already, or
                began too many within the hour.
            DiskFull: there is no room for it.
        """
        if len(name) > LONGEST_NAME:
            raise OverLimit(f"A file's name can have {LONGEST_NAME} characters at most.")
        self.require_allowed(name, size)
        with self._beginning:  # or two at once would both find the room that is there for one
            self.require_share(name, size)
            self.require_pace()
            home = self._workspace(workspace)
            return self._uploads.begin(home, self._owner, name, size, metadata)

    def require_allowed(self, name: str, size: int) -> None:
        """Check that one file may have `size` bytes, or what there is of it already.

        Raises:
            OverLimit: it may not.
        """
        limit = self._file_limit
        if limit is not None and size > limit:
            raise OverLimit(
                f"“{name}” has {_gigabytes(size)}; one file may have {_gigabytes(limit)} at most "
                "(setting upload_limit_gb). Cut it, or ask for a higher limit."
            )

    def await_form(self) -> Workspace:
        """Return a new workspace for a form; until `arrived`, what is expected there counts."""
        workspace = Workspace.create(self._room, self._owner)
        self._coming[workspace.path] = (self._owner, 0)
        return workspace

    def expect(self, workspace: Workspace, size: int) -> None:
        """Keep room in their share for the `size` bytes that a form brings.

        Else each of many forms at once would find the room that is there for one. A form that
        does not say its size expects more and more.

        Raises:
            OverLimit: they may not hold so much.
        """
        with self._beginning:
            self.require_share("The form", size, workspace)
            self._coming[workspace.path] = (self._owner, size)

    def arrived(self, workspace: Workspace) -> None:
        """Say that a form is over: what lies in its workspace counts now."""
        self._coming.pop(workspace.path, None)

    def require_share(self, name: str, size: int, into: Workspace | None = None) -> None:
        """Check that their uploads may hold `size` bytes more.

        Args:
            into: A workspace that `size` is all of.

        Raises:
            OverLimit: they may not.
        """
        if self._owner_limit is None:
            return
        coming = dict(self._coming)
        if into is not None:
            coming[into.path] = (self._owner, 0)
        held = self._uploads.held_by(self._owner, coming)
        held += sum(kept for owner, kept in coming.values() if owner == self._owner)
        if held + size > self._owner_limit:
            raise OverLimit(
                f"“{name}” has {_gigabytes(size)}; your uploads hold {_gigabytes(held)} and may "
                f"hold {_gigabytes(self._owner_limit)} (setting owner_upload_limit_gb). Wait until "
                "batches of yours are done, or remove something first."
            )

    def require_pace(self) -> None:
        """Check that they may begin one more file now, and count it.

        Raises:
            OverLimit: they may not.
        """
        with self._counting:
            begun, now = self._begun[self._owner], time.monotonic()
            while begun and now - begun[0] > HOUR:
                begun.popleft()
            if len(begun) < MOST_AN_HOUR:
                begun.append(now)
                return
            minutes = math.ceil((begun[0] + HOUR - now) / 60)
        raise OverLimit(
            f"You began to upload {MOST_AN_HOUR:,} files within an hour, and more are not taken. "
            f"Go on in {minutes} min, or have the server watch the folder they are in."
        )

    def note_refusal(self, error: OverLimit) -> None:
        """Remember why a file was refused, for a page that is not told by its own uploader."""
        self._refused[self._owner] = time.monotonic(), str(error)

    @property
    def refusal(self) -> str | None:
        """Why their last file was refused, if that was just now."""
        at, said = self._refused.get(self._owner, (-math.inf, ""))
        return said if time.monotonic() - at < TOLD_SECONDS else None

    def find(self, id: str) -> Upload:
        """Return the upload of that id.

        Raises:
            KeyError: they have none of that id, it was given up, or a batch has its file.
        """
        upload = self._uploads.find(id)
        mine = upload is not None and upload.owner == self._owner
        if upload is None or not mine or self._submitted(upload.workspace.path):
            raise KeyError(id)
        return upload

    def of(self, workspace: Workspace) -> list[Upload]:
        """Return the uploads that they began in a workspace, by name."""
        return [upload for upload in self._uploads.of(workspace) if upload.owner == self._owner]

    def receive(self, upload: Upload) -> Receiver:
        """Open an upload to go on with it; only one at a time may."""
        return self._uploads.receive(upload)

    def expires(self, upload: Upload) -> float:
        """Return when an unfinished upload is given up, in seconds since the epoch."""
        return self._uploads.expires(upload)

    def end(self, upload: Upload) -> None:
        """Delete an upload with its file, unless another upload stored the same file."""
        stored = upload.stored
        self._uploads.discard(upload)
        if stored is not None and not any(
            other.stored == stored for other in self._uploads.of(upload.workspace)
        ):
            upload.workspace.remove(stored)

    def give_up(self) -> None:
        """Leave all their files that are in no batch to the janitor, finished or not."""
        if not self._room.root.is_dir():
            return
        for path in self._room.root.iterdir():
            workspace = Workspace(path, self._room)
            if not _WORKSPACE.fullmatch(path.name) or workspace.owner != self._owner:
                continue
            if not self._submitted(path):
                for upload in self._uploads.of(workspace):
                    self._uploads.discard(upload)
                workspace.drop()

    def collect(self, ids: Iterable[str]) -> tuple[Workspace, list[StoredFile]]:
        """Gather finished uploads in one workspace, ready to be submitted from there.

        Raises:
            KeyError: one of them is unknown, unfinished or in a batch already; all stay.
        """
        with self._collecting:  # or two at once would both have the files
            return self._collected(ids)

    def _collected(self, ids: Iterable[str]) -> tuple[Workspace, list[StoredFile]]:
        uploads = [self.find(id) for id in dict.fromkeys(ids)]
        for upload in uploads:
            if upload.stored is None:
                raise KeyError(upload.id)
        home = uploads[0].workspace if uploads else None
        if home is not None and set(self._uploads.of(home)) == set(uploads):
            return home, [file for upload in uploads if (file := upload.stored)]
        workspace = Workspace.create(self._room, self._owner)
        files = []
        for upload in uploads:
            if (file := upload.stored) is not None:
                # A second name, so that a failure half-way leaves every upload as it was.
                copy = workspace.path_of(file.sha256, file.name)
                operations.link_or_copy(file.path, copy)
                files.append(StoredFile(copy, file.name, file.sha256, file.size))
        for upload in uploads:
            self.end(upload)
        return workspace, files

    def _workspace(self, name: str | None) -> Workspace:
        if name is None:
            return Workspace.create(self._room, self._owner)
        workspace = Workspace(self._room.root / name, self._room)
        # Its form first: what else the name may be never reaches the file system.
        if not _WORKSPACE.fullmatch(name) or not workspace.exists:
            raise KeyError(name)
        if workspace.owner != self._owner or self._submitted(workspace.path):
            raise KeyError(name)
        return workspace


def _gigabytes(size: int) -> str:
    return f"{size / 1e9:,.2f} GB" if size >= 1e7 else f"{size / 1e6:,.2f} MB"
