"""Names the programs that hold a file open, where the platform tells."""

from __future__ import annotations

import os
import sys
from pathlib import Path

MOST = 3


def holders(path: Path) -> list[str]:
    """Return up to three programs that hold `path`, or something inside it, open.

    Windows is asked through the Restart Manager, Linux through /proc, where only the processes
    of the same user can be seen. Elsewhere, and when nothing is found, the list is empty.
    It never raises: it only makes an error message better.
    """
    try:
        if sys.platform == "win32":
            return _restart_manager(path)[:MOST]
        if sys.platform == "linux":
            return _proc(path)[:MOST]
    except (OSError, ValueError, AttributeError):
        pass
    return []


def _proc(path: Path) -> list[str]:
    target = os.path.realpath(path)
    inside = target + os.sep
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit() or int(process.name) == os.getpid():
            continue
        try:
            links = [
                str(link.readlink()) for link in [*(process / "fd").iterdir(), process / "cwd"]
            ]
            if any(link == target or link.startswith(inside) for link in links):
                name = (process / "comm").read_text().strip()
                found.append(f"{name} (process {process.name})")
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return found


def _restart_manager(path: Path) -> list[str]:
    """Ask the Restart Manager which applications use a file.

    https://learn.microsoft.com/windows/win32/rstmgr/about-restart-manager
    """
    import ctypes
    from ctypes import wintypes

    class UniqueProcess(ctypes.Structure):
        _fields_ = (("id", wintypes.DWORD), ("started", wintypes.FILETIME))

    class ProcessInfo(ctypes.Structure):
        _fields_ = (
            ("process", UniqueProcess),
            ("name", wintypes.WCHAR * 256),
            ("service", wintypes.WCHAR * 64),
            ("type", ctypes.c_int),
            ("status", wintypes.ULONG),
            ("session", wintypes.DWORD),
            ("restartable", wintypes.BOOL),
        )

    manager = ctypes.WinDLL("rstrtmgr")  # type: ignore[attr-defined,unused-ignore]
    session = wintypes.DWORD()
    key = ctypes.create_unicode_buffer(33)
    if manager.RmStartSession(ctypes.byref(session), 0, key):
        return []
    try:
        names = (wintypes.LPCWSTR * 1)(str(path))
        if manager.RmRegisterResources(session, 1, names, 0, None, 0, None):
            return []
        needed, count, reasons = wintypes.UINT(), wintypes.UINT(MOST), wintypes.DWORD()
        processes = (ProcessInfo * MOST)()
        manager.RmGetList(
            session,
            ctypes.byref(needed),
            ctypes.byref(count),
            processes,
            ctypes.byref(reasons),
        )
        return [f"{p.name} (process {p.process.id})" for p in processes[: count.value]]
    finally:
        manager.RmEndSession(session)
