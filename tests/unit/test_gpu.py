"""What goes wrong on a GPU; PyTorch's errors are the real ones, the GPU is played."""

import logging

import pytest
import torch

from services import gpu
from services.errors import DeviceLost, ModelUnavailable, OutOfMemory

OLD = torch.AcceleratorError("CUDA error: no kernel image is available\nCompile with …")
FULL = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 MiB.")


@pytest.fixture
def card(monkeypatch):
    """A machine with a GPU; what it raises stands in the list, for one call each."""
    raised = []

    def compute() -> None:
        if raised:
            raise raised.pop(0)

    monkeypatch.setattr(gpu, "_compute", compute)
    monkeypatch.setattr(gpu, "_answered", False)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    return raised


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_without_a_gpu_it_is_the_cpu_and_whoever_insists_is_told():
    assert gpu.choose("auto") == gpu.choose("cpu") == "cpu"
    with pytest.raises(ModelUnavailable, match=r"The GPU cannot be used \(.*\)\. Install"):
        gpu.choose("cuda")


def test_a_gpu_that_works_is_taken_unless_the_cpu_is_asked_for(card):
    assert gpu.choose("auto") == gpu.choose("cuda") == "cuda"
    card.append(OLD)
    assert gpu.choose("cpu") == "cpu" and card, "nobody asked it"


def test_a_gpu_too_old_for_this_build_is_left_aside_or_said(card, caplog):
    card[:] = [OLD, OLD]
    with caplog.at_level(logging.WARNING):
        assert gpu.choose("auto") == "cpu"
    assert "no kernel image" in caplog.text
    with pytest.raises(ModelUnavailable, match=r"\(CUDA error: no kernel image is available\)"):
        gpu.choose("cuda")


def test_a_full_gpu_is_still_one(card):
    card.append(FULL)
    assert gpu.choose("auto") == "cuda"
    card.append(FULL)
    gpu.require_answer("cuda")


def test_one_that_worked_and_does_not_any_more_is_lost(card):
    assert gpu.choose("auto") == "cuda"
    for lost in (lambda: gpu.choose("auto"), lambda: gpu.require_answer("cuda")):
        card.append(torch.AcceleratorError("CUDA error: unspecified launch failure\nmore"))
        with pytest.raises(DeviceLost, match=r"\(CUDA error: unspecified launch failure\)"):
            lost()
    gpu.require_answer("cuda")
    card.append(OLD)
    gpu.require_answer("cpu")
    assert card, "a CPU needs not be asked"


@pytest.mark.parametrize(
    "error",
    [
        FULL,
        MemoryError(),
        RuntimeError("CUDA failed with error out of memory"),
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:124] not enough memory: you tried to"),
    ],
)
def test_a_lack_of_memory_is_known_whoever_says_it(error):
    with pytest.raises(OutOfMemory, match="^less$"), gpu.memory_errors("less"):
        raise error


def test_other_errors_stay_what_they_are():
    with pytest.raises(torch.AcceleratorError), gpu.memory_errors("less"):
        raise OLD


class Small(torch.nn.Module):
    """A model that fits on no GPU, and knows where it was brought."""

    def __init__(self) -> None:
        super().__init__()
        self.places: list[str] = []

    def to(self, device: str):
        self.places.append(device)
        if device == "cuda":
            raise FULL
        return self

    def forward(self) -> str:
        if self.places[-1:] != ["cpu"]:
            raise FULL
        return "done"


def test_a_small_model_without_room_works_on_the_cpu():
    model = Small()
    gpu.bring(model, "cuda")
    assert model.places == ["cuda", "cpu"]
    model = Small()
    assert gpu.computed(model, model) == gpu.computed(model, model) == "done"
    assert model.places == ["cpu"], "once"
