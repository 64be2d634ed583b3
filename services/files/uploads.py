"""Uploads that arrive piece by piece, and go on where they were after any break.

What arrived is a file in a workspace, and its size says how much that is: nothing else could be
wrong about it after a crash. A record beside it says what the file will be called.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import secrets
import threading
import time
from collections.abc import Container
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Self

from services.errors import DiskFull, FileAccessError
from services.files import operations
from services.files.disk import Room
from services.files.names import display_name
from services.files.retry import raise_if_full, retrying
from services.files.workspace import PREFIX, StoredFile, Workspace, created_at, is_stored

NAMED = "upload-"
RECORD, PART = ".json", ".part"
_ID = re.compile(r"([0-9a-f]{32})-([0-9a-f]{32})")

ACTIVE_SECONDS = 900.0
"""Time without a byte after which the room that an upload still needs is not kept for it."""

CHECKED = 16 << 20
"""Bytes after which the room on the disk is looked at again."""

_REMEMBERED = 256
"""How many interrupted uploads keep the state of their hash in memory."""


@dataclass(frozen=True)
class Upload:
    """A file that was announced: how much of it has arrived, or where it is stored.

    Args:
        id: What its sender names it by; it leads to the workspace, and cannot be guessed.
        size: Its length in bytes.
        metadata: What its sender said of it, in his own words.
        sha256: Of the content, once it is whole.
    """

    id: str
    workspace: Workspace = field(compare=False)
    owner: str
    name: str
    size: int
    metadata: str = ""
    sha256: str | None = None

    @property
    def part(self) -> Path:
        """Where it arrives."""
        return self._beside(PART)

    @property
    def record(self) -> Path:
        """Where it is described."""
        return self._beside(RECORD)

    @property
    def finished(self) -> bool:
        """Whether all of it has arrived and is stored."""
        return self.sha256 is not None

    @property
    def offset(self) -> int:
        """How many bytes have arrived.

        Raises:
            FileNotFoundError: it was removed.
        """
        return self.size if self.finished else operations.extended(self.part).stat().st_size

    @property
    def stored(self) -> StoredFile | None:
        """The whole file; None until it is there, and after it was taken out."""
        if self.sha256 is None:
            return None
        path = self.workspace.path_of(self.sha256, self.name)
        there = operations.extended(path).is_file()
        return StoredFile(path, self.name, self.sha256, self.size) if there else None

    def _beside(self, suffix: str) -> Path:
        return self.workspace.path / f"{NAMED}{self.id.partition('-')[2]}{suffix}"


class Uploads:
    """All uploads under one temp root. Any thread may use it; one process does.

    Args:
        room: The temp root and its room.
        max_age: Seconds after the last byte at which an upload that nobody finished is given up.
    """

    def __init__(self, room: Room, max_age: float) -> None:
        self._room = room
        self._max_age = max_age
        self._lock = threading.Lock()
        self._settling = threading.Lock()
        self._digests: dict[str, tuple[int, Any]] = {}
        self._active: dict[str, tuple[int, float]] = {}
        self._known: dict[Path, tuple[tuple[int, int], Upload]] = {}

    def begin(
        self, workspace: Workspace, owner: str, name: str, size: int, metadata: str = ""
    ) -> Upload:
        """Announce a file of `size` bytes; an empty one is there at once.

        Raises:
            DiskFull: there is no room for it beside those that are arriving.
        """
        if reason := self._room.missing(size + self._promised()):
            raise DiskFull(reason)
        id = f"{workspace.path.name.removeprefix(PREFIX)}-{secrets.token_hex(16)}"
        upload = Upload(id, workspace, owner, display_name(name), size, metadata)
        retrying(lambda: operations.extended(upload.part).touch(mode=0o600), upload.part)
        _describe(upload)
        self._note(upload, 0)
        if size == 0:
            with self.receive(upload) as receiver:
                return receiver.finish()
        return upload

    def find(self, id: str) -> Upload | None:
        """Return the upload of that id, if there is one and it was not given up.

        Raises:
            FileAccessError: it is whole, but another program holds it.
        """
        named = _ID.fullmatch(id)
        if named is None:
            return None
        workspace = Workspace(self._room.root / f"{PREFIX}{named[1]}", self._room)
        if not workspace.exists:
            return None
        upload = self._read(workspace, workspace.path / f"{NAMED}{named[2]}{RECORD}")
        if upload is None or upload.id != id:
            return None
        if not upload.finished and self.expires(upload) < time.time():
            return None
        return upload

    def of(self, workspace: Workspace) -> list[Upload]:
        """Return the uploads of a workspace, by name."""
        try:
            names = [
                entry.name
                for entry in os.scandir(workspace.path)
                if entry.name.startswith(NAMED) and entry.name.endswith(RECORD)
            ]
        except FileNotFoundError:
            return []
        found = []
        for name in names:
            # One that is whole but held by another program is not there yet.
            with contextlib.suppress(FileAccessError):
                found.append(self._read(workspace, workspace.path / name))
        known = [upload for upload in found if upload is not None]
        return sorted(known, key=lambda upload: (upload.name, upload.id))

    def held_by(self, owner: str, without: Container[Path] = ()) -> int:
        """Return the bytes that the files of `owner` hold, or will hold when they are there.

        It counts what lies in their workspaces, however it came there, but not what was dropped.

        Args:
            without: Workspaces that do not count.
        """
        if not self._room.root.is_dir():
            return 0
        paths = [path for path in self._room.root.iterdir() if path.name.startswith(PREFIX)]
        held = 0
        for workspace in (Workspace(path, self._room) for path in paths if path not in without):
            if workspace.owner == owner and not workspace.dropped:
                with contextlib.suppress(FileNotFoundError):  # removed meanwhile
                    held += self._held_in(workspace)
        return held

    def _held_in(self, workspace: Workspace) -> int:
        # Asked before each file of a folder of thousands: one look at each name, and no more at
        # what is described beside the files that are there.
        held = 0
        with os.scandir(workspace.path) as entries:
            for entry in entries:
                if is_stored(entry.name):
                    with contextlib.suppress(FileNotFoundError):
                        held += entry.stat().st_size
                elif entry.name.startswith(NAMED) and entry.name.endswith(PART):
                    with contextlib.suppress(FileAccessError):  # it is whole, but held
                        record = workspace.path / f"{entry.name.removesuffix(PART)}{RECORD}"
                        upload = self._read(workspace, record)
                        held += 0 if upload is None else upload.size
        return held

    def expires(self, upload: Upload) -> float:
        """Return when an unfinished upload is given up, in seconds since the epoch."""
        try:
            return operations.extended(upload.part).stat().st_mtime + self._max_age
        except FileNotFoundError:
            return 0.0

    def receive(self, upload: Upload) -> Receiver:
        """Open an upload to go on with it; only one at a time may.

        The first time after a restart, what arrived before is read again for its hash.
        """
        return Receiver(self, upload)

    def discard(self, upload: Upload) -> None:
        """Forget an upload, with what arrived of it; the file that was stored stays."""
        with self._lock:
            self._digests.pop(upload.id, None)
            self._active.pop(upload.id, None)
            self._known.pop(upload.record, None)
        operations.unlink(upload.part)
        operations.unlink(upload.record)  # last: until then it can be tried again

    def _read(self, workspace: Workspace, record: Path) -> Upload | None:
        """Return what a record says; read it only if it is another one than last time."""
        try:
            found = operations.extended(record).stat()
            mark = (found.st_mtime_ns, found.st_size)
            known = self._known.get(record)
            if known is not None and known[0] == mark:
                return known[1]
            with operations.open_to_read(record) as handle:
                said = json.load(handle)
            upload = Upload(workspace=workspace, **said)
        except (FileNotFoundError, ValueError, TypeError):
            return None  # removed meanwhile, or broken by a power cut: its sender begins again
        if upload.finished:
            self._settle(upload)  # the server may have ended between the two steps
        with self._lock:
            if len(self._known) > 100_000:
                self._known.clear()
            self._known[record] = (mark, upload)
        return upload

    def _settle(self, upload: Upload) -> None:
        """Give a whole file its place in the workspace, where that was not done yet."""
        with self._settling:
            if upload.sha256 is not None and operations.extended(upload.part).exists():
                upload.workspace.place(upload.part, upload.name, upload.sha256, upload.size)

    def _promised(self) -> int:
        """Return the bytes that are still to come of the uploads under way."""
        now = time.monotonic()
        with self._lock:
            self._active = {
                id: (missing, at)
                for id, (missing, at) in self._active.items()
                if now - at < ACTIVE_SECONDS
            }
            return sum(missing for missing, _ in self._active.values())

    def _note(self, upload: Upload, offset: int) -> None:
        with self._lock:
            if offset < upload.size:
                self._active[upload.id] = (upload.size - offset, time.monotonic())
            else:
                self._active.pop(upload.id, None)

    def _remember(self, upload: Upload, offset: int, digest: Any) -> None:
        with self._lock:
            self._digests[upload.id] = (offset, digest)
            while len(self._digests) > _REMEMBERED:
                del self._digests[next(iter(self._digests))]

    def _digest(self, upload: Upload, offset: int, handle: BinaryIO) -> Any:
        """Return the hash of the first `offset` bytes, from memory or from the file."""
        with self._lock:
            known, digest = self._digests.pop(upload.id, (-1, None))
        if known == offset:
            return digest
        digest = hashlib.sha256()
        handle.seek(0)
        while block := handle.read(operations.BLOCK):
            digest.update(block)
        return digest


class Receiver:
    """Appends to one upload. A context manager, to close it; what was written stays."""

    def __init__(self, uploads: Uploads, upload: Upload) -> None:
        self._uploads = uploads
        self.upload = upload
        path = operations.extended(upload.part)
        # Without a buffer: what a failed write left in one would be written again at the end.
        self._handle = retrying(lambda: path.open("r+b", buffering=0), upload.part)
        try:
            self.offset = path.stat().st_size
            self._digest = uploads._digest(upload, self.offset, self._handle)  # type: ignore[arg-type]
            self._handle.seek(self.offset)
        except BaseException:
            self._handle.close()
            raise
        self._start = (self.offset, self._digest.copy())
        self._checked = -CHECKED

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End this turn; another one may go on."""
        if not self._handle.closed:
            self._handle.close()
            self._uploads._remember(self.upload, self.offset, self._digest)

    def write(self, data: bytes | memoryview) -> None:
        """Append `data`; all of it is kept, or nothing.

        Raises:
            DiskFull: there is no room for it.
        """
        if self.offset - self._checked >= CHECKED:
            if reason := self._uploads._room.missing(len(data)):
                raise DiskFull(reason)
            self._checked = self.offset
            self._uploads._note(self.upload, self.offset)
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[self._handle.write(rest) :]
        except OSError as error:
            with contextlib.suppress(OSError):  # what stays of it is right, but not in the hash
                self._handle.truncate(self.offset)
                self._handle.seek(self.offset)
            raise_if_full(error, self.upload.part)
            raise
        self._digest.update(data)
        self.offset += len(data)

    def rollback(self) -> None:
        """Take back what was written since this was opened."""
        self.offset, self._digest = self._start[0], self._start[1].copy()
        self._handle.truncate(self.offset)
        self._handle.seek(self.offset)

    def finish(self) -> Upload:
        """Store the file, which is whole, as its workspace stores others.

        Raises:
            FileAccessError: another program holds it; whoever asks for the upload tries again.
        """
        os.fsync(self._handle.fileno())
        self._handle.close()
        self._uploads._note(self.upload, self.upload.size)
        # The record first: from then on `_settle` can do the second step, also after a crash.
        done = replace(self.upload, sha256=self._digest.hexdigest())
        _describe(done)
        self._uploads._settle(done)
        return done


def last_activity(workspace: Path) -> tuple[float, bool]:
    """Return when a workspace was last added to, and whether an upload to it is unfinished.

    The time is in seconds since the epoch: that of its creation, or of the last byte of an upload.
    """
    latest, unfinished = created_at(workspace), False
    for entry in os.scandir(workspace):
        if entry.name.startswith(NAMED):
            with contextlib.suppress(FileNotFoundError):
                latest = max(latest, entry.stat().st_mtime)
                unfinished |= entry.name.endswith(PART)
    return latest, unfinished


def _describe(upload: Upload) -> None:
    said = {name: value for name, value in vars(upload).items() if name != "workspace"}
    # What a power cut takes of it costs only this upload, and a folder may hold thousands.
    operations.write_atomic(upload.record, json.dumps(said), sync=False)
