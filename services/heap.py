"""Keeps the C library from holding memory that nobody uses: Linux's (glibc) is fast and greedy.

Elsewhere, and with another C library, these do nothing.
"""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_ARENAS = 2
_FREE_END, _LARGE = 4 << 20, 32 << 20


def limit_heaps() -> None:
    """Have all threads share two heaps, and what is free at a heap's end go back at once.

    The C library makes up to eight heaps a core, and each keeps pieces of what ended threads used.
    A buffer of 30 MB that is freed once teaches it to leave 60 MB free at the end of each, which
    `give_back` does not reach. It goes on to take buffers up to 32 MB from the heaps, as it would
    have learned: new pages for each one would cost speech models time.
    https://man7.org/linux/man-pages/man3/mallopt.3.html
    """
    if set_option := _function("mallopt"):
        set_option(_M_ARENA_MAX, _ARENAS)
        set_option(_M_TRIM_THRESHOLD, _FREE_END)
        set_option(_M_MMAP_THRESHOLD, _LARGE)


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
