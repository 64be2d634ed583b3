import os
import tempfile

import pytest

from services.files import operations
from services.files.scratch import scratch_dir


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def test_it_lies_in_the_temp_root_and_is_gone_at_the_end(root):
    with scratch_dir("manifest-") as path:
        assert path.parent == root and path.name.startswith("manifest-")
        (path / "a.wav").write_text("x")
    assert os.listdir(root) == []


def test_it_is_gone_after_an_error_too(root):
    with pytest.raises(ValueError), scratch_dir("x-"):
        raise ValueError
    assert os.listdir(root) == []


def test_a_lock_at_the_end_hides_neither_result_nor_error(root, monkeypatch, caplog):
    def locked(path):
        raise PermissionError("locked")

    monkeypatch.setattr(operations, "remove_tree", locked)
    with pytest.raises(ValueError, match="the first error"), scratch_dir("x-"):
        raise ValueError("the first error")
    assert "stays until the next start" in caplog.text
