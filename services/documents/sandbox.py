"""What a worker process may not do: take more memory than it is given, or reach the network.

Every measure that the platform has is taken; the parent watches the memory beside that.
"""

from __future__ import annotations

import ctypes
import logging
import platform
import struct
import sys

log = logging.getLogger(__name__)

_SOCKET_CALLS = {"x86_64": (0xC000003E, (41, 53)), "aarch64": (0xC00000B7, (198, 199))}
"""Per machine: its AUDIT_ARCH and the numbers of socket and socketpair."""
_START_CALLS = {"x86_64": (59, 322), "aarch64": (221, 281)}
"""Per machine: the numbers of execve and execveat."""


def enter(memory_mb: int, may_start_programs: bool) -> None:
    """Limit this process, for good.

    Args:
        memory_mb: Memory that it may take, in MiB. On Linux its address space is limited, on
            Windows its committed memory.
        may_start_programs: Whether it may run others, which inherit what it may not do. OCR
            does, and reserves far more address space than it uses: there the parent alone
            watches the memory on Linux.
    """
    sys.addaudithook(_no_network)
    if sys.platform == "linux":
        import resource

        if not may_start_programs:
            size = memory_mb << 20
            resource.setrlimit(resource.RLIMIT_AS, (size, size))
        _filter_calls(may_start_programs)
    elif sys.platform == "win32":
        _join_job(memory_mb)


def _no_network(event: str, arguments: object) -> None:
    """Refuse what Python code asks of the network; this holds on every platform."""
    if event in ("socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo"):
        raise PermissionError("document workers have no network")


def _filter_calls(may_start_programs: bool) -> None:
    """Have Linux refuse new sockets and programs to this process: a seccomp filter.

    https://docs.kernel.org/userspace-api/seccomp_filter.html
    """
    machine = platform.machine()
    if machine not in _SOCKET_CALLS:
        return
    architecture, sockets = _SOCKET_CALLS[machine]
    refused = [*sockets, *(() if may_start_programs else _START_CALLS[machine])]
    load, jump_if_equal, give = 0x20, 0x15, 0x06
    allow, refuse = 0x7FFF0000, 0x00050000 | 1  # SECCOMP_RET_ALLOW, SECCOMP_RET_ERRNO with EPERM
    steps = [(load, 0, 0, 4), (jump_if_equal, 1, 0, architecture), (give, 0, 0, allow)]
    steps.append((load, 0, 0, 0))
    for left, number in zip(range(len(refused), 0, -1), refused, strict=True):
        steps.append((jump_if_equal, left, 0, number))
    steps += [(give, 0, 0, allow), (give, 0, 0, refuse)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, set_filter, by_filter = 38, 22, ctypes.c_ulong(2)
    zero, one = ctypes.c_ulong(0), ctypes.c_ulong(1)
    if libc.prctl(no_new_privileges, one, zero, zero, zero) or libc.prctl(
        set_filter, by_filter, program
    ):
        log.warning("the kernel takes no filter for system calls (%d)", ctypes.get_errno())


def _join_job(memory_mb: int) -> None:
    """Put this process into a Windows job object with a memory limit.

    https://learn.microsoft.com/windows/win32/procthread/job-objects
    """
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined]
    kernel.CreateJobObjectW.restype = ctypes.c_void_p
    kernel.GetCurrentProcess.restype = ctypes.c_void_p
    kernel.AssignProcessToJobObject.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
    kernel.SetInformationJobObject.argtypes = (
        ctypes.c_void_p,
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_uint32,
    )
    job = kernel.CreateJobObjectW(None, None)  # never closed: it lives as long as the process
    information = _ExtendedLimits()
    process_memory, die_on_fault = 0x100, 0x400
    information.basic.limit_flags = process_memory | die_on_fault
    information.process_memory_limit = memory_mb << 20
    extended_limits = 9
    size = ctypes.sizeof(information)
    set_up = job and kernel.SetInformationJobObject(
        job, extended_limits, ctypes.byref(information), size
    )
    if not set_up or not kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess()):
        log.warning("Windows gives no job object; the parent alone watches the memory")


class _BasicLimits(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("limit_flags", ctypes.c_uint32),
        ("least_working_set", ctypes.c_size_t),
        ("most_working_set", ctypes.c_size_t),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    )


class _ExtendedLimits(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("basic", _BasicLimits),
        ("io", ctypes.c_uint64 * 6),
        ("process_memory_limit", ctypes.c_size_t),
        ("job_memory_limit", ctypes.c_size_t),
        ("most_process_memory", ctypes.c_size_t),
        ("most_job_memory", ctypes.c_size_t),
    )
