"""Takes the files of a root that are whole: each content once, many files as one batch."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from services.errors import DiskFull, ScriptoriumError
from services.files import operations
from services.files.exclusive import in_use
from services.files.workspace import StoredFile, Workspace
from services.jobs.models import Options
from services.watch.folder import WatchedFolder
from services.watch.memory import Content, Memory
from services.watch.scan import Found, look_at

if TYPE_CHECKING:
    from services.front import Front

log = logging.getLogger(__name__)

MOST_FILES = 500
MOST_SECONDS = 20.0
"""A batch is submitted after so many files, or so long a time of copying."""


@dataclass
class Taken:
    """What came of one attempt to take files."""

    files: list[Found] = field(default_factory=list)
    """Files that have a job now."""

    busy: list[Found] = field(default_factory=list)
    """Files that changed meanwhile, or that another program still has open."""

    problems: dict[str, str] = field(default_factory=dict)
    """Why a file could not be read, by its path."""

    no_room: str | None = None
    """Why no more files could be copied: a full disk."""


class Intake:
    """Copies the files of one root into workspaces and submits them."""

    def __init__(self, folder: WatchedFolder, front: Front, memory: Memory) -> None:
        self._folder = folder
        self._front = front
        self._memory = memory
        self._root = str(folder.path)

    def options(self) -> Options:
        """Return the settings that the root's jobs carry."""
        default = self._front.default_options()
        engine, model = self._folder.engine, self._folder.model
        return replace(default, engine=engine or default.engine, model=model or default.model)

    def take(self, files: Sequence[Found], stopping: Callable[[], bool] = lambda: False) -> Taken:
        """Submit the first of these files, as many as make a batch, and say what came of each.

        A content that was taken before, by this root or by one with the same owner and settings,
        makes no second job: the file shares the job that is there.
        """
        taken = Taken()
        options = self.options()
        scope = json.dumps([self._folder.owner, options.as_dict()], sort_keys=True)
        workspace: Workspace | None = None
        stored: dict[str, StoredFile] = {}
        contents: list[Content] = []
        end = time.monotonic() + MOST_SECONDS
        for found in files[:MOST_FILES]:
            if stopping() or time.monotonic() > end:
                break
            try:
                if self._is_busy(found):
                    taken.busy.append(found)
                    continue
                sha256 = self._known_content(found, scope)
                if sha256 is None:
                    workspace = workspace or self._front.new_workspace()
                    copy = workspace.add_path(operations.extended(self._folder.path / found.path))
                    sha256 = copy.sha256
                    stored.setdefault(sha256, copy)
                if look_at(self._folder, found.path) == found:
                    contents.append(Content(found, sha256))
                else:
                    taken.busy.append(found)
            except FileNotFoundError:
                continue  # gone again
            except DiskFull as error:
                taken.no_room = str(error)
                break
            except (OSError, ScriptoriumError) as error:
                reason = error.strerror if isinstance(error, OSError) else error
                taken.problems[found.path] = f"“{found.path}” cannot be read: {reason}."
        if not stopping():
            self._submit(workspace, stored, contents, scope, options, taken)
        elif workspace is not None:
            workspace.release(0.0)
        return taken

    def _submit(
        self,
        workspace: Workspace | None,
        stored: dict[str, StoredFile],
        contents: list[Content],
        scope: str,
        options: Options,
        taken: Taken,
    ) -> None:
        """Write down what is about to be submitted, submit it, and write down what became of it."""
        place = str(workspace.path) if workspace else ""
        new, known = self._memory.claim(
            self._root, scope, place, contents, set(stored), time.time()
        )
        taken.files = [content.found for content in (*new, *known)]
        if workspace is not None and not new:
            workspace.release(0.0)  # the janitor removes it
        if workspace is None or not new:
            return
        try:
            self._front.submit(
                [stored[content.sha256] for content in new], self._folder.owner, options, workspace
            )
        except BaseException:
            workspace.release(0.0)  # should its jobs be there all the same, they still lease it
            raise
        finally:
            self._memory.find_jobs(place)
        log.info("%d files of %s were taken", len(new), self._root)

    def _known_content(self, found: Found, scope: str) -> str | None:
        """Return the SHA-256 of a file whose content is known, so that it need not be copied."""
        if not self._memory.may_know(self._root, scope, found.size):
            return None
        sha256 = operations.sha256_of(self._folder.path / found.path)
        return sha256 if self._memory.knows(self._root, scope, sha256) else None

    def _is_busy(self, found: Found) -> bool:
        return look_at(self._folder, found.path) != found or in_use(self._folder.path / found.path)
