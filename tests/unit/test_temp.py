import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from services.files.temp import SCRATCH, use_temp_root

VARIABLES = ("TMPDIR", "TEMP", "TMP")


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    for name in VARIABLES:
        monkeypatch.setenv(name, os.environ.get(name, tempfile.gettempdir()))
    monkeypatch.setattr(tempfile, "tempdir", tempfile.tempdir)


def test_every_temporary_file_goes_to_the_root(tmp_path):
    assert use_temp_root(tmp_path / "temp") is None
    scratch = tmp_path / "temp" / SCRATCH
    with tempfile.NamedTemporaryFile() as handle, tempfile.TemporaryDirectory() as directory:
        assert Path(handle.name).parent == Path(directory).parent == scratch
    assert [os.environ[name] for name in VARIABLES] == [str(scratch)] * 3


def test_child_processes_follow(tmp_path):
    use_temp_root(tmp_path / "temp")
    code = "import json, tempfile; print(json.dumps(tempfile.gettempdir()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert Path(json.loads(done.stdout)) == tmp_path / "temp" / SCRATCH


def test_a_python_that_uses_another_directory_is_told(tmp_path, monkeypatch):
    elsewhere = str(tmp_path / "elsewhere")
    monkeypatch.setattr(tempfile, "gettempdir", lambda: elsewhere)
    assert f"go to {elsewhere} instead of" in (use_temp_root(tmp_path) or "")
