"""What the machine is and has left, for the system page."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import time
from dataclasses import dataclass
from functools import lru_cache
from importlib import metadata
from pathlib import Path

import psutil

from services.files.disk import used

_LIBRARIES = (
    "nemo_toolkit",
    "torch",
    "faster-whisper",
    "av",
    "pypdf",
    "pypdfium2",
    "streamlit",
    "SQLAlchemy",
)


@dataclass(frozen=True)
class Machine:
    """Memory and disk in bytes; `gpu` names the card and its memory in use, None without one."""

    memory_used: int
    memory_total: int
    server_memory: int
    disk_free: int
    disk_total: int
    data_used: int
    temp_used: int
    gpu: str | None
    cpus: int


def machine(data_dir: Path, temp_root: Path) -> Machine:
    """Measure the machine now."""
    minute = int(time.time() // 60)  # files are counted once a minute: there may be very many
    memory = psutil.virtual_memory()
    disk = shutil.disk_usage(data_dir)
    return Machine(
        memory_used=memory.total - memory.available,
        memory_total=memory.total,
        server_memory=psutil.Process().memory_info().rss,
        disk_free=disk.free,
        disk_total=disk.total,
        data_used=data_used(data_dir, temp_root),
        temp_used=_used(temp_root, minute),
        gpu=gpu(int(time.time() // 5)),
        cpus=os.cpu_count() or 1,
    )


def data_used(data_dir: Path, temp_root: Path) -> int:
    """Return the bytes of all data but temporary files, as they were within the last minute."""
    minute = int(time.time() // 60)
    temp = _used(temp_root, minute) if temp_root.is_relative_to(data_dir) else 0
    return _used(data_dir, minute) - temp


@lru_cache(maxsize=1)
def gpu(moment: int) -> str | None:
    """Return the first NVIDIA card and its memory in use, after its driver; None without one.

    Args:
        moment: The driver is asked again when this has changed.
    """
    card = _card()
    return f"{card[0]}, {card[1]:,} of {card[2]:,} MiB in use" if card else None


@lru_cache(maxsize=1)
def gpu_memory(moment: int) -> tuple[int, int] | None:
    """Return the used and the total memory of the first NVIDIA card in bytes; None without one.

    Args:
        moment: The driver is asked again when this has changed.
    """
    card = _card()
    return (card[1] << 20, card[2] << 20) if card else None


def _card() -> tuple[str, int, int] | None:
    """Ask the driver for the name of the first card, and its memory in use and in all, in MiB."""
    program = shutil.which("nvidia-smi")
    if program is None:
        return None
    query = [program, "--query-gpu=name,memory.used,memory.total", "--format=csv,noheader,nounits"]
    try:
        done = subprocess.run(query, capture_output=True, text=True, timeout=5, check=True)
        name, used_mib, total_mib = done.stdout.strip().splitlines()[0].rsplit(",", 2)
        return name, int(used_mib), int(total_mib)
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def unused_gpu(gpu: str | None, engine: str, device: str, wanted: str) -> str | None:
    """Return the sentence that says that there is a GPU and models do not use it, and what to do.

    Args:
        gpu: The card, None without one.
        engine: The engine of the loaded model, as it names itself.
        device: What the loaded model runs on; empty while none is loaded.
        wanted: The setting `device`.
    """
    if gpu is None or device != "cpu" or wanted == "cpu":
        return None
    cause = "the installed build of PyTorch, or the card's driver, cannot use it"
    if "whisper" in engine:
        cause = "CUDA 12, which Whisper needs, is not installed"
    return (
        f"This machine has a GPU ({gpu.partition(',')[0]}), but the speech model runs on the CPU, "
        f"many times slower: {cause}. The README says under “A GPU” what to install; then start "
        "the server again."
    )


def versions() -> dict[str, str]:
    """Return the versions of Python, the platform and the libraries that do the work."""
    found = {"Python": platform.python_version(), "Platform": platform.platform()}
    for name in _LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "not installed"
    return found


def forget_used() -> None:
    """Count the files anew at the next look: some were removed."""
    _used.cache_clear()


@lru_cache(maxsize=4)
def _used(root: Path, minute: int) -> int:
    return used(root)
