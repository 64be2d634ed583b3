"""Asks the platform whether another program is still at work on a file."""

from __future__ import annotations

import errno
import os
import signal
import sys
from pathlib import Path

from services.files.mounts import is_network
from services.files.operations import extended

if sys.platform != "win32":
    import fcntl

_BUSY = frozenset({errno.EAGAIN, errno.EACCES, errno.EWOULDBLOCK})
_SHARING_VIOLATION = 32


def in_use(path: Path) -> bool:
    """Whether another program may still change the file at `path`.

    Windows: whether anybody has it open, in any way. Linux: whether anybody has it open for
    writing, or has locked it. Elsewhere: whether anybody has locked it; who merely writes cannot
    be seen there.

    Raises:
        OSError: the file cannot be opened at all.
    """
    if sys.platform == "win32":
        return not _opens_alone(path)
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        if _is_locked(descriptor):
            return True
        if sys.platform != "linux":
            return False
        written = _has_writer(descriptor, path)
        return _written_by_proc(descriptor) if written is None else written
    finally:
        os.close(descriptor)


def _opens_alone(path: Path) -> bool:
    """Open a file on Windows with share mode 0: this works only if nobody else has it open.

    https://learn.microsoft.com/windows/win32/fileio/creating-and-opening-files
    """
    import ctypes

    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.CreateFileW.restype = ctypes.c_void_p
    kernel.CreateFileW.argtypes = [
        ctypes.c_wchar_p,
        *(ctypes.c_uint32,) * 2,
        ctypes.c_void_p,
        *(ctypes.c_uint32,) * 2,
        ctypes.c_void_p,
    ]
    kernel.CloseHandle.argtypes = [ctypes.c_void_p]
    generic_read, share_none, open_existing, normal = 0x8000_0000, 0, 3, 0x80
    handle = kernel.CreateFileW(
        str(extended(path)), generic_read, share_none, None, open_existing, normal, None
    )
    if handle is None or handle == ctypes.c_void_p(-1).value:
        error = ctypes.WinError(ctypes.get_last_error())  # type: ignore[attr-defined,unused-ignore]
        if error.winerror == _SHARING_VIOLATION:
            return False
        raise error
    kernel.CloseHandle(handle)
    return True


if sys.platform != "win32":

    def _is_locked(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError as error:
            return error.errno in _BUSY  # else: a file system without locks
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        return False

    def _has_writer(descriptor: int, path: Path) -> bool | None:
        """Ask the kernel for a read lease: it grants one only if nobody has the file open to write.

        It sees the writers of every user and of file servers, and costs microseconds. None where
        the file system has no leases (network shares), or the file is somebody else's.
        https://man7.org/linux/man-pages/man2/F_GETLEASE.2const.html
        """
        try:
            # Should somebody open the file within these microseconds, the kernel tells us by a
            # signal; the usual one would end the process, this one is ignored.
            fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
            fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as error:
            # A share may say so of any file, when its server lets us cache nothing.
            refused = error.errno == errno.EAGAIN and not is_network(path)
            return True if refused else None
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)
        return False

    def _written_by_proc(descriptor: int) -> bool:
        """Look for a writer among the processes that we may look into."""
        wanted = os.fstat(descriptor)
        for process in Path("/proc").iterdir():
            if not process.name.isdigit():
                continue
            try:
                for held in (process / "fd").iterdir():
                    found = held.stat()
                    if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
                        info = (process / "fdinfo" / held.name).read_text()
                        flags = int(info.split("flags:")[1].split()[0], 8)
                        if flags & os.O_ACCMODE != os.O_RDONLY:
                            return True
            except (OSError, ValueError, IndexError):
                continue  # ended meanwhile, or somebody else's
        return False
