import sys
from pathlib import Path

import pytest

from services import system


def driver(folder: Path, says: str, monkeypatch) -> None:
    """Put a program in the place of NVIDIA's that says this."""
    program = folder / "nvidia-smi"
    program.write_text(f"#!{sys.executable}\nprint({says!r})\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    system.gpu.cache_clear()


@pytest.mark.skipif(sys.platform == "win32", reason="a script is no program there")
@pytest.mark.parametrize(
    ("says", "shown"),
    [
        ("NVIDIA RTX 4000, 1234, 8192", "NVIDIA RTX 4000, 1,234 of 8,192 MiB in use"),
        ("NVIDIA A, 1, 2\nNVIDIA B, 3, 4", "NVIDIA A, 1 of 2 MiB in use"),
        ("No devices were found", None),
        ("Card, [N/A], [N/A]", None),
        ("", None),
    ],
)
def test_the_card_and_its_memory_as_the_driver_says(tmp_path, monkeypatch, says, shown):
    driver(tmp_path, says, monkeypatch)
    assert system.gpu(1) == shown
    system.gpu.cache_clear()


def test_no_driver_is_no_card(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    system.gpu.cache_clear()
    assert system.gpu(1) is None
    system.gpu.cache_clear()
