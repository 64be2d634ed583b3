"""What Windows keeps a document worker to: the memory that its job object gives.

Wine 8 takes job objects and keeps none of their limits, as the code without us shows. There the
parent alone watches the memory, which `test_documents.py` proves; these tests see as much of the
job object as there is.
"""

from __future__ import annotations

import ctypes

import pytest

from tests.windows.inside.programs import running

TAKE = """
try:
    taken = [bytearray(b"x") * (10 << 20) for _ in range(40)]
    print("took all", flush=True)
except MemoryError:
    print("refused", flush=True)
input()
"""
BY_HAND = """
import ctypes
kernel = ctypes.WinDLL("kernel32")
kernel.CreateJobObjectW.restype = kernel.GetCurrentProcess.restype = ctypes.c_void_p
kernel.AssignProcessToJobObject.argtypes = (ctypes.c_void_p, ctypes.c_void_p)
kernel.SetInformationJobObject.argtypes = (
    ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_uint32
)
job = kernel.CreateJobObjectW(None, None)
limits = (ctypes.c_uint64 * 18)()  # JOBOBJECT_EXTENDED_LIMIT_INFORMATION, 144 bytes
limits[2], limits[14] = 0x100, 128 << 20  # a limit for each process: so many bytes
assert kernel.SetInformationJobObject(job, 9, limits, 144)
assert kernel.AssignProcessToJobObject(job, kernel.GetCurrentProcess())
"""
OURS = """
from services.documents import sandbox
sandbox.enter(128, may_start_programs=False)
"""
IS_IN_JOB = """
import ctypes
kernel = ctypes.WinDLL("kernel32")
kernel.GetCurrentProcess.restype = ctypes.c_void_p
kernel.IsProcessInJob.argtypes = (ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)
found = ctypes.c_int()
assert kernel.IsProcessInJob(kernel.GetCurrentProcess(), None, ctypes.byref(found))
print(bool(found.value), flush=True)
input()
"""


def said(code: str) -> str:
    """Return the first line that a program writes."""
    with running(code) as program:
        return program.said


def under_wine() -> bool:
    return hasattr(ctypes.WinDLL("ntdll"), "wine_get_version")  # type: ignore[attr-defined]


def test_who_has_no_limit_takes_what_it_wants() -> None:
    assert said(TAKE) == "took all"


def test_a_job_object_made_by_hand_limits_a_process_and_under_wine_it_does_not() -> None:
    assert said(BY_HAND + TAKE) == ("took all" if under_wine() else "refused")


@pytest.mark.real_windows  # Wine 8 keeps no limit of a job object: see above
def test_a_worker_is_refused_more_memory_than_it_was_given() -> None:
    assert said(OURS + TAKE) == "refused"


def test_a_worker_is_in_a_job_object() -> None:
    assert said(OURS + IS_IN_JOB) == "True"
    if under_wine():  # Windows may put all that a terminal or a test runner starts into one
        assert said(IS_IN_JOB) == "False"
