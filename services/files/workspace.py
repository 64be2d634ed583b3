"""A workspace: the directory that holds what one person uploaded for one batch."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from services.files import operations
from services.files.disk import Room
from services.files.names import display_name, stored_name
from services.files.retry import raise_if_full, retrying

MARKER = ".scriptorium-workspace.json"
RELEASED = ".scriptorium-released.json"
INCOMING = "incoming-"
_STORED = re.compile("[0-9a-f]{64}-.")
PREFIX = "ws-"


@dataclass(frozen=True)
class StoredFile:
    """A file in a workspace: where it lies and what the person called it."""

    path: Path
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Workspace:
    """A directory of ours under the temp root. Nothing but the janitor removes it."""

    path: Path
    room: Room

    @classmethod
    def create(cls, room: Room, owner: str = "") -> Workspace:
        """Make a new, empty workspace under `room.root`, marked as ours and as its owner's."""
        operations.make_dir(room.root)
        path = (room.root / f"{PREFIX}{os.urandom(16).hex()}").absolute()
        retrying(lambda: operations.extended(path).mkdir(mode=0o700), path)
        operations.write_atomic(path / MARKER, json.dumps({"created": time.time(), "owner": owner}))
        return cls(path, room)

    @property
    def owner(self) -> str:
        """Whose uploads these are; empty where that is not known."""
        try:
            return str(_marker(self.path).get("owner", ""))
        except (OSError, ValueError):
            return ""

    @property
    def exists(self) -> bool:
        """Whether it is still there."""
        return is_workspace(self.path)

    def release(self, now: float) -> None:
        """Say that its session ended at `now`, seconds since the epoch.

        This only leaves a mark: the session may come back, and jobs may need the files.
        """
        if self.exists:
            operations.write_atomic(self.path / RELEASED, json.dumps({"released": now}))

    def drop(self) -> None:
        """Say that nobody comes back for it: unless jobs need it, it goes with the next sweep."""
        self.release(0.0)

    @property
    def dropped(self) -> bool:
        """Whether that was said."""
        try:
            return released_at(self.path) == 0.0
        except (OSError, ValueError):
            return False

    def keep(self) -> None:
        """Say that its session came back."""
        operations.unlink(self.path / RELEASED)

    def add(self, name: str, content: BinaryIO, size: int = 0) -> StoredFile:
        """Copy `content` in, under its SHA-256 and the cleaned `name`.

        The copy is streamed to a temporary name and appears whole. The same content under the
        same name is stored once.

        Args:
            size: Its length in bytes where known, so that a lack of room shows at once.

        Raises:
            DiskFull: there is no room for it.
        """
        self.room.require(size)
        incoming = self._incoming()
        with operations.atomic_writer(incoming) as writer:
            digest = hashlib.sha256()
            length = 0
            while block := content.read(operations.BLOCK):
                digest.update(block)
                length += len(block)
                writer.write(block)
        return self.place(incoming, name, digest.hexdigest(), length)

    def receive(self, name: str) -> Incoming:
        """Begin to take in a file whose content comes piece by piece; see `Incoming`."""
        return Incoming(self, name)

    def add_path(self, source: Path) -> StoredFile:
        """Take the file at `source` in: as a hard link where that does no harm, else as a copy.

        Whoever reads a linked file later asks `is_unchanged` first: its owner may have written
        into it. A read-only file is copied, because to remove a link to it would make it
        writable. On Windows every file is copied: locks belong to the file and not to its name,
        so a job that reads a link would lock its owner out, and its owner the janitor.
        """
        found = source.stat()
        if sys.platform != "win32" and found.st_mode & stat.S_IWUSR:
            incoming = self._incoming()
            try:
                os.link(source, incoming)
            except OSError:
                pass  # another drive, or a file system without links
            else:
                return self.place(
                    incoming, source.name, operations.sha256_of(incoming), found.st_size
                )
        with operations.open_to_read(source) as content:
            return self.add(source.name, content, found.st_size)

    def files(self) -> list[StoredFile]:
        """Return what is stored here, the oldest first; names are the cleaned ones."""
        found = [path for path in self.path.iterdir() if is_stored(path.name)]
        return [
            StoredFile(path, path.name[65:], path.name[:64], path.stat().st_size)
            for path in sorted(found, key=lambda path: path.stat().st_mtime)
        ]

    def path_of(self, sha256: str, name: str) -> Path:
        """Return where a file of that content and name lies, or would lie."""
        return self.path / stored_name(sha256, name)

    def sync(self) -> None:
        """Make what was stored survive a power cut: once for all files of a batch."""
        operations.sync_directory(self.path)

    def remove(self, file: StoredFile) -> None:
        """Delete a file that its person took out before a batch was made."""
        operations.unlink(file.path)

    def _incoming(self) -> Path:
        # The final name holds the hash, which is known only after the last byte.
        return self.path / f"{INCOMING}{os.urandom(6).hex()}"

    def place(self, incoming: Path, name: str, sha256: str, size: int) -> StoredFile:
        """Give a file that lies on the same file system, whole, its name in here."""
        target = self.path_of(sha256, name)
        # A job may be reading the copy that is there already: on Windows it cannot be replaced
        # then, and if it is whole it need not be.
        if target.exists() and operations.sha256_of(target) == sha256:
            operations.unlink(incoming)
        else:
            operations.replace(incoming, target, sync=False)
        return StoredFile(target, display_name(name), sha256, size)


class Incoming:
    """A file on its way into a workspace, which gets it whole or not at all.

    End it with `finish` or `abandon`.
    """

    def __init__(self, workspace: Workspace, name: str) -> None:
        self._workspace = workspace
        self._name = name
        self._path = workspace._incoming()
        self._stack = ExitStack()
        self._writer = self._stack.enter_context(operations.atomic_writer(self._path))
        self._digest = hashlib.sha256()
        self.size = 0
        """Bytes that were written."""

    def write(self, block: bytes) -> None:
        """Write the next bytes.

        Raises:
            DiskFull: there is no room for them.
        """
        self._workspace.room.require(len(block))
        self._digest.update(block)
        self.size += len(block)
        try:
            self._writer.write(block)
        except OSError as error:
            raise_if_full(error, self._path)
            raise

    def finish(self) -> StoredFile:
        """Put the file into its place, under its SHA-256 and its cleaned name."""
        self._stack.close()
        return self._workspace.place(self._path, self._name, self._digest.hexdigest(), self.size)

    def abandon(self) -> None:
        """Drop what was received; a file that has its place stays."""
        self._stack.__exit__(EOFError, EOFError("the rest never came"), None)


def is_stored(name: str) -> bool:
    """Whether a name in a workspace is that of a file that was stored there."""
    return _STORED.match(name) is not None


def is_unchanged(path: Path, sha256: str) -> bool:
    """Whether a stored file still holds the content that it was stored with.

    Only a file that somebody else has a name for too can have changed, so only that is read.
    """
    return path.stat().st_nlink == 1 or operations.sha256_of(path) == sha256


def remove_workspace(path: Path) -> None:
    """Delete a workspace, its marker last: one that is locked half-way is still known as ours.

    Raises:
        FileAccessError: something in it is held by another program.
    """
    for item in path.iterdir():
        if item.name != MARKER:
            operations.remove(item)
    operations.remove_tree(path)


def released_at(path: Path) -> float | None:
    """Return when the session of the workspace at `path` ended; None while it is open."""
    try:
        return float(json.loads((path / RELEASED).read_text())["released"])
    except FileNotFoundError:
        return None


def created_at(path: Path) -> float:
    """Return when the workspace at `path` was made, in seconds since the epoch."""
    return float(_marker(path)["created"])


def is_workspace(path: Path) -> bool:
    """Whether `path` is a directory that `Workspace.create` made."""
    named = path.name.startswith(PREFIX) and not operations.is_link(path)
    return named and operations.extended(path / MARKER).is_file()


def _marker(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(
        operations.extended(path / MARKER).read_text(encoding="utf-8")
    )
    return found


def is_remainder(path: Path) -> bool:
    """Whether `path` is what is left of a workspace that was held at its very end: it is empty.

    Its marker is gone by then. A workspace that is just being made looks the same, so only an
    old one may be removed.
    """
    named = path.name.startswith(PREFIX) and not operations.is_link(path)
    return named and path.is_dir() and not any(path.iterdir())
