"""Makes a Windows DLL that holds no code: each function it exports is another DLL's.

Rust's standard library, and so pydantic, asks `bcryptprimitives.dll` for `ProcessPrng`, which
Wine 8 lacks. Its older sibling `SystemFunction036` (RtlGenRandom) takes the same arguments.
Layout: https://learn.microsoft.com/windows/win32/debug/pe-format
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

_SECTION = 0x1000
"""Where the only section lies in memory."""
_FILE_BLOCK = 0x200
_DIRECTORIES = 16


def dll(name: str, forwards: Mapping[str, str]) -> bytes:
    """Return a 64-bit DLL whose functions are those of other DLLs.

    Args:
        forwards: The DLL and function ("advapi32.SystemFunction036") by the name exported.
    """
    exports = _exports(name, forwards)
    content = exports.ljust(_aligned(len(exports), _FILE_BLOCK), b"\0")
    return _headers(len(exports)).ljust(_FILE_BLOCK, b"\0") + content


def _exports(name: str, forwards: Mapping[str, str]) -> bytes:
    """Return the export directory, its three tables and the strings that they point at."""
    exported = sorted(forwards)
    count = len(exported)
    functions = _SECTION + 40
    names = functions + 4 * count
    ordinals = names + 4 * count
    start = ordinals + 2 * count
    strings = b""

    def put(text: str) -> int:
        nonlocal strings
        address = start + len(strings)
        strings += text.encode("ascii") + b"\0"
        return address

    own_name = put(name)
    name_addresses = [put(text) for text in exported]
    # An address inside the export directory is not code but the name of where to look.
    targets = [put(forwards[text]) for text in exported]
    directory = struct.pack(
        "<IIHHIIIIIII", 0, 0, 0, 0, own_name, 1, count, count, functions, names, ordinals
    )
    tables = struct.pack(f"<{count}I{count}I{count}H", *targets, *name_addresses, *range(count))
    return directory + tables + strings


def _headers(size: int) -> bytes:
    on_disk = _aligned(size, _FILE_BLOCK)
    dos = b"MZ".ljust(60, b"\0") + struct.pack("<I", 64)
    executable_dll_64 = 0x2022
    optional_size = 112 + 8 * _DIRECTORIES
    coff = struct.pack("<HHIIIHH", 0x8664, 1, 0, 0, 0, optional_size, executable_dll_64)
    optional = struct.pack("<HBBIIIII", 0x20B, 14, 0, 0, on_disk, 0, 0, _SECTION)
    optional += struct.pack("<QII", 0x180000000, _SECTION, _FILE_BLOCK)
    optional += struct.pack("<HHHHHHI", 6, 0, 0, 0, 6, 0, 0)
    optional += struct.pack("<III", _SECTION + _aligned(size, _SECTION), _FILE_BLOCK, 0)
    optional += struct.pack("<HH", 3, 0x160)
    optional += struct.pack("<QQQQII", 1 << 20, 1 << 12, 1 << 20, 1 << 12, 0, _DIRECTORIES)
    optional += struct.pack("<II", _SECTION, size) + bytes(8 * (_DIRECTORIES - 1))
    read_only_data = 0x40000040
    section = struct.pack(
        "<8sIIIIIIHHI", b".rdata", size, _SECTION, on_disk, _FILE_BLOCK, 0, 0, 0, 0, read_only_data
    )
    return dos + b"PE\0\0" + coff + optional + section


def _aligned(size: int, block: int) -> int:
    return -(-size // block) * block
