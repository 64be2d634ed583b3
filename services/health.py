"""Whether the server can do its work now: what a supervisor or a load balancer asks."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)

KEPT_SECONDS = 5.0
"""How long an answer is given again: anybody may ask, and the checks write to the disk."""


class Health:
    """Asks a few checks in turn, at most every five seconds.

    Args:
        checks: By name, what returns why something does not work, or None. The sentence goes to
            the log; whoever asks is told the name alone, for it may be anybody.
        clock: Returns seconds.
    """

    def __init__(
        self,
        checks: Mapping[str, Callable[[], str | None]],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._checks = checks
        self._clock = clock
        self._lock = threading.Lock()
        self._asked_at: float | None = None
        self._failing: tuple[str, ...] = ()

    def failing(self) -> tuple[str, ...]:
        """Return the names of the checks that fail; none when all is well."""
        with self._lock:
            now = self._clock()
            if self._asked_at is None or now - self._asked_at >= KEPT_SECONDS:
                found = {name: self._ask(check) for name, check in self._checks.items()}
                failing = tuple(name for name, reason in found.items() if reason)
                for name in failing:
                    if name not in self._failing:
                        log.error("not ready, %s: %s", name, found[name])
                self._failing, self._asked_at = failing, now
            return self._failing

    def _ask(self, check: Callable[[], str | None]) -> str | None:
        try:
            return check()
        except Exception as error:
            return str(error) or type(error).__name__
