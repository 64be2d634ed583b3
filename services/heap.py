"""Keeps the C library from holding memory that nobody uses: Linux's (glibc) is fast and greedy.

Elsewhere, and with another C library, these do nothing.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

_M_ARENA_MAX = -8
_ARENAS = 2


def share_arenas() -> None:
    """Have all threads share two heaps, in a process whose threads come and go.

    The C library makes up to eight a core, and each keeps pieces of what ended threads used.
    https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if set_option := _function("mallopt"):
        set_option(_M_ARENA_MAX, _ARENAS)


def give_back() -> None:
    """Return freed memory to the system.

    The C library keeps it in pieces that fit no later call: over a few hundred batches of other
    sizes each a process grows by a gigabyte that nothing uses.
    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    if trim := _function("malloc_trim"):
        trim(0)


@functools.cache
def _function(name: str) -> Callable[..., int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), name, None)
