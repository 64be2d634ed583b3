"""Where the work is done: by the server that uses the data directory, or by this process."""

from __future__ import annotations

import time
from typing import Self

from services.config import Settings
from services.errors import DirectoryInUse
from services.front import Front
from services.runtime import Runtime, is_served

PROBE_SECONDS = 1.0
GRACE_SECONDS = 10.0
"""Time without a server after which this process takes the work over: one that is only being
restarted shall find its data directory free."""


class Session:
    """The front to give work to and to ask.

    Args:
        settings: Which data directory.
        work: Whether this process does the work where no server does.
        watch: Whether it then looks after the watched folders too.

    Raises:
        SettingsError: the directories cannot be used.
    """

    def __init__(self, settings: Settings, *, work: bool, watch: bool = False) -> None:
        self._settings = settings if watch else settings.model_copy(update={"watch": ()})
        self._served_at = self._probed_at = time.monotonic()
        self.front: Front = (self._start() if work else None) or Front(settings)

    @property
    def works(self) -> bool:
        """Whether this process does the work."""
        return isinstance(self.front, Runtime)

    def keep_working(self, grace: float = GRACE_SECONDS) -> bool:
        """Take the work over when the server has been gone for `grace` seconds.

        Returns:
            Whether it was taken over now. To be called often; it looks once a second.
        """
        now = time.monotonic()
        if self.works or now - self._probed_at < PROBE_SECONDS:
            return False
        self._probed_at = now
        if is_served(self._settings):
            self._served_at = now
        if now - self._served_at < grace:
            return False
        runtime = self._start()
        if runtime is None:
            return False
        self.front.close()
        self.front = runtime
        return True

    def _start(self) -> Runtime | None:
        try:
            return Runtime(self._settings).start()
        except DirectoryInUse as error:
            if error.directory != self._settings.data_dir:
                raise
            return None

    def close(self) -> None:
        """Stop politely what this process does: what runs goes back into the queue."""
        if isinstance(self.front, Runtime):
            self.front.stop()
        else:
            self.front.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
