import os
import socket
import subprocess
import sys
from pathlib import Path

import huggingface_hub.constants
import pytest

from services.audio import checkpoints
from services.audio.checkpoints import DIGITS, download, find, hub_lacks, looks_like_path, unpacked
from services.errors import ModelUnavailable

ROOT = Path(__file__).parents[2]
PARAKEET = "nvidia/parakeet-tdt-0.6b-v3"
REVISION = "6d590f77001d318fb17a0b5bf7ee329a91b52598"


@pytest.fixture
def hub_cache(tmp_path, monkeypatch) -> Path:
    """An empty cache of the model hub."""
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def put_in_cache(cache: Path, content: bytes = b"weights") -> Path:
    """Lay Parakeet into the cache as the hub's own client does."""
    repository = cache / "models--nvidia--parakeet-tdt-0.6b-v3"
    snapshot = repository / "snapshots" / REVISION
    for directory in (repository / "refs", repository / "blobs", snapshot):
        directory.mkdir(parents=True)
    (repository / "refs" / "main").write_text(REVISION)
    (repository / "blobs" / "abc").write_bytes(content)
    file = snapshot / "parakeet-tdt-0.6b-v3.nemo"
    if os.name == "nt":  # there, without the right to make links, it lays the file itself
        (repository / "blobs" / "abc").replace(file)
    else:
        file.symlink_to(Path("../../blobs/abc"))
    return file


def test_a_model_in_the_hubs_cache_is_found(hub_cache):
    assert find(PARAKEET) is None
    file = put_in_cache(hub_cache)
    assert find(PARAKEET) == file
    assert find("nvidia/canary-1b-v2") is None


def test_the_spoken_digits_are_part_of_the_project():
    found = find(DIGITS)
    assert found is not None and found.is_file() and found.stat().st_size <= 8_000_000


def test_a_file_or_a_directory_is_found_by_its_path(tmp_path):
    directory = tmp_path / "model"
    directory.mkdir()
    assert find(str(directory)) is None
    (directory / "a.nemo").write_text("x")
    assert find(str(directory)) == directory / "a.nemo"
    (directory / "b.nemo").write_text("x")
    assert find(str(directory)) is None, "which of the two?"
    (directory / "model_config.yaml").write_text("x")
    assert find(str(directory)) == directory
    assert find(str(directory / "a.nemo")) == directory / "a.nemo"
    assert find(str(directory / "gone.nemo")) is None


def test_a_relative_path_is_made_absolute_because_nemo_changes_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.nemo").write_text("x")
    assert find("a.nemo") == tmp_path / "a.nemo"


@pytest.mark.parametrize(
    ("model", "path"),
    [
        (PARAKEET, False),
        ("model.nemo", True),
        ("/models/parakeet", True),
        ("models/dir/parakeet", True),
        ("parakeet", True),
    ],
)
def test_names_on_the_hub_and_paths_are_told_apart(model, path):
    assert looks_like_path(model) is path


ASK = """
import sys, time
from services.audio.checkpoints import hub_lacks
from huggingface_hub import HfApi  # which takes seconds on a slow machine
begun = time.monotonic()
answer = hub_lacks("nvidia/parakeet-tdt-0.6b-v3", timeout=1)
print(time.monotonic() - begun, answer)
"""


@pytest.mark.parametrize(
    ("listens", "why"), [(False, b"cannot be reached"), (True, b"did not answer in time")]
)
def test_a_hub_that_does_not_answer_is_a_quick_no(listens, why):
    # In a process of its own: the client reads the hub's address when it is imported.
    with socket.socket() as hub:
        hub.bind(("127.0.0.1", 0))
        if listens:  # takes the connection and never says a word
            hub.listen()
        environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{hub.getsockname()[1]}"}
        environment.pop("HF_HUB_OFFLINE")
        done = subprocess.run(
            [sys.executable, "-c", ASK], env=environment, cwd=ROOT, capture_output=True, check=True
        )
    seconds, _, answer = done.stdout.partition(b" ")
    assert why in answer and b"HTTPS_PROXY" in answer and float(seconds) < 5


def test_the_hub_is_not_asked_for_a_path():
    assert "/models/a.nemo, where no checkpoint is" in hub_lacks("/models/a.nemo", timeout=2)


def test_a_download_without_a_network_says_what_to_do(hub_cache):
    with pytest.raises(ModelUnavailable) as caught:
        download(PARAKEET, lambda share: None)
    message = str(caught.value)
    assert message.startswith(f"The model {PARAKEET} is not on this machine")
    assert "download the .nemo file elsewhere" in message and "nemo_model" in message


def test_a_path_where_nothing_is_names_it(tmp_path):
    with pytest.raises(ModelUnavailable, match=r"no NeMo checkpoint at .*gone\.nemo"):
        download(str(tmp_path / "gone.nemo"), lambda share: None)


def test_a_checkpoint_is_unpacked_once_into_a_directory_of_ours(tmp_path):
    digits = find(DIGITS)
    directory = unpacked(digits, tmp_path / "models")
    assert (directory / checkpoints.CONFIG_FILE).is_file()
    assert unpacked(digits, tmp_path / "models") == directory
    assert unpacked(directory, tmp_path / "models") == directory
    assert len(list((tmp_path / "models").iterdir())) == 1


@pytest.mark.parametrize("share", [0.0, 0.5])
def test_a_broken_archive_is_no_checkpoint(tmp_path, share):
    data = find(DIGITS).read_bytes()
    broken = tmp_path / "broken.nemo"
    broken.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(ModelUnavailable, match=r"broken\.nemo is not a NeMo checkpoint"):
        unpacked(broken, tmp_path / "models")
