"""Gives memory that was freed back to the system, where the C library would keep it."""

from __future__ import annotations

import ctypes
import functools
import sys
from collections.abc import Callable


def give_back() -> None:
    """Return freed memory to the system.

    The C library of Linux (glibc) keeps it in pieces that fit no later call: over a few hundred
    batches of other sizes each a process grows by a gigabyte that nothing uses. Elsewhere, and
    with another C library, this does nothing.
    https://man7.org/linux/man-pages/man3/malloc_trim.3.html
    """
    if trim := _malloc_trim():
        trim(0)


@functools.cache
def _malloc_trim() -> Callable[[int], int] | None:
    if sys.platform != "linux":
        return None
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
