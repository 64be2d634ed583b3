"""A workspace: the directory that holds what one person uploaded for one batch."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from services.files import operations
from services.files.names import display_name, stored_name

MARKER = ".scriptorium-workspace.json"
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

    @classmethod
    def create(cls, root: Path) -> Workspace:
        """Make a new, empty workspace under `root`, marked as ours."""
        operations.make_dir(root)
        path = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root)).absolute()
        operations.write_atomic(path / MARKER, json.dumps({"created": time.time()}))
        return cls(path)

    @property
    def created(self) -> float:
        """When it was made, in seconds since the epoch."""
        return float(json.loads((self.path / MARKER).read_text())["created"])

    def add(self, name: str, content: BinaryIO) -> StoredFile:
        """Copy `content` in, under its SHA-256 and the cleaned `name`.

        The copy is streamed to a temporary name and appears whole. The same content under the
        same name is stored once.
        """
        digest = hashlib.sha256()
        size = 0
        # The final name holds the hash, which is known only after the last byte.
        incoming = self.path / f"incoming-{os.urandom(6).hex()}"
        with operations.atomic_writer(incoming) as writer:
            while block := content.read(operations.BLOCK):
                digest.update(block)
                size += len(block)
                writer.write(block)
        sha256 = digest.hexdigest()
        target = self.path / stored_name(sha256, name)
        operations.replace(incoming, target)
        return StoredFile(target, display_name(name), sha256, size)

    def add_path(self, source: Path) -> StoredFile:
        """Copy the file at `source` in, as `add` does.

        A copy and not a link: the person may change the original while its job waits.
        """
        with operations.retrying(lambda: source.open("rb"), source) as content:
            return self.add(source.name, content)


def is_workspace(path: Path) -> bool:
    """Whether `path` is a directory that `Workspace.create` made."""
    named = path.name.startswith(PREFIX) and not operations.is_link(path)
    return named and (path / MARKER).is_file()
