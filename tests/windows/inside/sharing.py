"""Opens files the way that programs other than Python do: with a sharing mode of choice.

https://learn.microsoft.com/windows/win32/api/fileapi/nf-fileapi-createfilew
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Iterator
from os import PathLike
from typing import Any

SHARE_NONE = 0
SHARE_ALL = 1 | 2 | 4
"""Others may read, write and delete."""

_GENERIC_READ = 0x8000_0000
_OPEN_EXISTING = 3
_BACKUP_SEMANTICS = 0x0200_0000
"""Without it a directory cannot be opened."""


def open_handle(path: str | PathLike[str], share: int) -> int:
    """Open a file or directory for reading; return its handle."""
    handle = _kernel().CreateFileW(
        str(path), _GENERIC_READ, share, None, _OPEN_EXISTING, _BACKUP_SEMANTICS, None
    )
    if handle is None or handle == ctypes.c_void_p(-1).value:
        raise ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined]
    return int(handle)


def close_handle(handle: int) -> None:
    """Close what `open_handle` opened."""
    _kernel().CloseHandle(ctypes.c_void_p(handle))


@contextlib.contextmanager
def opened(path: str | PathLike[str], share: int) -> Iterator[None]:
    """Hold a file or directory open in this process."""
    handle = open_handle(path, share)
    try:
        yield
    finally:
        close_handle(handle)


def _kernel() -> Any:
    # Here and not above: the tests are collected on Linux, too.
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.CreateFileW.restype = ctypes.c_void_p
    kernel.CreateFileW.argtypes = [
        ctypes.c_wchar_p,
        ctypes.c_uint32,
        ctypes.c_uint32,
        ctypes.c_void_p,
        ctypes.c_uint32,
        ctypes.c_uint32,
        ctypes.c_void_p,
    ]
    return kernel
