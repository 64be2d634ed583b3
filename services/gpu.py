"""Whether a GPU can be used, and what goes wrong on it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from services.errors import DeviceLost, ModelUnavailable, OutOfMemory

log = logging.getLogger(__name__)

T = TypeVar("T")

_NO_ROOM = (
    "not enough memory",  # PyTorch's allocator on a CPU
    "can't allocate memory",
    "out of memory",  # CUDA, where PyTorch does not say it by a class of its own, and CTranslate2
    "STATUS_ALLOC_FAILED",  # cuBLAS and cuDNN, for what they need beside the model
)

_answered = False
"""Whether the GPU has computed something for this process."""


def choose(wanted: str) -> str:
    """Return the device that PyTorch's models run on: `cuda` or `cpu`.

    A driver may have a GPU that this build of PyTorch cannot use: one that is too old for it, or a
    driver that is. Each recording would fail there; with `auto` the CPU takes them.

    Args:
        wanted: `cuda`, `cpu` or `auto`.

    Raises:
        ModelUnavailable: `cuda` was asked for and cannot be used.
        DeviceLost: it computed for this process before, and does not answer any more.
    """
    global _answered
    import torch

    if wanted == "cpu" or (wanted == "auto" and not torch.cuda.is_available()):
        return "cpu"
    try:
        with memory_errors(""):
            _compute()
    except OutOfMemory:
        return "cuda"  # others fill it now
    except (RuntimeError, AssertionError) as error:  # the latter from a build without CUDA
        if _answered:
            raise _lost(error) from error
        if wanted == "cuda":
            raise ModelUnavailable(
                f"The GPU cannot be used ({_first_line(error)}). Install a build of PyTorch for it "
                "and its driver, as the README shows, or set device to auto."
            ) from error
        log.warning("the GPU cannot be used, and the CPU is: %s", error)
        return "cpu"
    _answered = True
    return "cuda"


def require_answer(device: str, compute: Callable[[], object] | None = None) -> None:
    """Find out, after an error on a device, whether it computes for this process at all.

    After some errors CUDA refuses every further call until the process ends: an assertion that
    failed or an address that was wrong on the GPU, a driver that was started anew, also by sleep.
    https://docs.nvidia.com/cuda/cuda-runtime-api (cudaErrorAssert, cudaErrorIllegalAddress)

    Args:
        device: `cuda` or `cpu`, which always answers.
        compute: Has another library than PyTorch use the GPU.

    Raises:
        DeviceLost: it does not.
    """
    if device != "cuda":
        return
    try:
        with memory_errors(""):
            (compute or _compute)()
    except OutOfMemory:
        return
    except RuntimeError as error:
        raise _lost(error) from error


@contextlib.contextmanager
def memory_errors(message: str) -> Iterator[None]:
    """Tell a lack of memory from other errors, whichever library it comes from.

    Raises:
        OutOfMemory: with `message`.
    """
    try:
        yield
    except MemoryError as error:
        raise OutOfMemory(message) from error
    except RuntimeError as error:  # torch.OutOfMemoryError is one
        if any(text in str(error) for text in _NO_ROOM):
            raise OutOfMemory(message) from error
        raise


def bring(model: Any, device: str) -> None:
    """Bring a small model from the CPU to a device, if there is room for it."""
    import torch

    try:
        model.to(device)
    except torch.OutOfMemoryError as error:
        _stay(model, error)


def computed(model: Any, compute: Callable[[], T]) -> T:
    """Return what a small model computes; where the GPU has no room, on the CPU from then on."""
    import torch

    try:
        return compute()
    except torch.OutOfMemoryError as error:
        _stay(model, error)
    return compute()


def _stay(model: Any, error: Exception) -> None:
    log.warning("the GPU has no room for a small model, which works on the CPU: %s", error)
    model.to("cpu")


def _compute() -> None:
    """Have the GPU compute something, with cuBLAS too, and wait for it."""
    import torch

    ones = torch.ones((8, 8), device="cuda")
    (ones @ ones).sum().item()


def _lost(error: Exception) -> DeviceLost:
    return DeviceLost(
        f"The GPU does not answer Scriptorium any more ({_first_line(error)}). Start Scriptorium "
        "again: what waits goes on then. If it happens again, restart the machine, and look at "
        "the GPU's driver."
    )


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
