"""Wakes the watcher when something changes in a root; what really changed, a scan finds out."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from watchdog.events import (
    DirCreatedEvent,
    DirMovedEvent,
    FileClosedEvent,
    FileCreatedEvent,
    FileModifiedEvent,
    FileMovedEvent,
    FileSystemEvent,
    FileSystemEventHandler,
)
from watchdog.observers import Observer
from watchdog.observers.api import BaseObserver
from watchdog.observers.polling import PollingObserver

from services.files.mounts import is_network, is_removable
from services.watch.folder import WatchedFolder

log = logging.getLogger(__name__)

POLL_SECONDS = 10.0

# Not those that our own reading causes.
_EVENTS: list[type[FileSystemEvent]] = [
    *(FileCreatedEvent, FileModifiedEvent, FileClosedEvent, FileMovedEvent),
    *(DirCreatedEvent, DirMovedEvent),
]


def must_poll(path: Path) -> bool:
    """Whether `path` lies where the system is not told of changes, or must not be kept busy.

    The first are network shares; the second drives that people unplug from Windows, which refuses
    that while an observer has a folder open.
    """
    return is_network(path) or is_removable(path)


class Wakeups(FileSystemEventHandler):
    """Calls `wake` from a thread of its own when a file in the root appears or changes.

    Args:
        poll_seconds: Pause between two looks where the system does not tell of changes.
    """

    def __init__(
        self, folder: WatchedFolder, wake: Callable[[], None], poll_seconds: float = POLL_SECONDS
    ) -> None:
        self._folder = folder
        self._wake = wake
        self._poll_seconds = poll_seconds
        self._observer: BaseObserver | None = None
        self._identity: tuple[int, int] | None = None
        self.polling = False
        self.notice: str | None = None
        """Why changes are polled for although the settings do not say so."""

    def on_any_event(self, event: FileSystemEvent) -> None:
        """Wake; called by the observer's thread."""
        self._wake()

    def is_up(self) -> bool:
        """Whether the root is the one that is listened to, and the observer lives."""
        if self._observer is None or self._found() != self._identity:
            return False
        return all(t.is_alive() for t in (self._observer, *self._observer.emitters))

    def keep_up(self) -> None:
        """Begin to listen, and again after the root went and came back or the observer ended.

        Raises:
            Exception: the root cannot be observed, not even by polling.
        """
        if self.is_up():
            return
        self.stop()
        identity = self._found()
        if identity is None:
            raise FileNotFoundError(self._folder.path)
        chosen = self._folder.polling
        self.polling = must_poll(self._folder.path) if chosen == "auto" else chosen
        self.notice = None
        if not self.polling:
            try:
                self._observer = self._start(Observer())
            except Exception as error:  # no limit on what a library of the platform raises
                self.polling = True
                reason = error.strerror if isinstance(error, OSError) else error
                self.notice = (
                    f"The system tells of no changes in {self._folder.path} ({reason}); it "
                    f"is looked through every {self._poll_seconds:.0f} s instead. On Linux, raise "
                    "fs.inotify.max_user_watches."
                )
                log.warning(self.notice)
        if self.polling:
            self._observer = self._start(PollingObserver(timeout=self._poll_seconds))
        self._identity = identity

    def stop(self) -> None:
        """End the observer's threads."""
        observer, self._observer = self._observer, None
        if observer is not None:
            observer.stop()
            if observer.is_alive():
                observer.join()

    def _found(self) -> tuple[int, int] | None:
        """Return what tells one root from another at its path; None when there is none."""
        try:
            found = self._folder.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _start(self, observer: BaseObserver) -> BaseObserver:
        path, recursive = str(self._folder.path), self._folder.recursive
        observer.schedule(self, path, recursive=recursive, event_filter=_EVENTS)
        observer.start()
        return observer
