"""The four failures that this product exists to prevent, with the code that everybody writes.

They show that Windows really refuses here. A test that does not fail under the naive code
would prove nothing about ours.
"""

from __future__ import annotations

import json
import shutil
import tarfile
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.windows.inside.holder import Holder

SHARING_VIOLATION = 32
ACCESS_DENIED = 5
"""What Windows answers to a rename over an open file."""


def test_1_a_page_leaves_its_temporary_directory_while_a_thread_reads() -> None:
    reading, done = threading.Event(), threading.Event()

    def read(path: Path) -> None:
        with path.open("rb"):
            reading.set()
            done.wait(30)

    try:
        with pytest.raises(PermissionError) as refused, tempfile.TemporaryDirectory() as page:
            upload = Path(page) / "talk.wav"
            upload.write_bytes(b"sound")
            threading.Thread(target=read, args=(upload,)).start()
            assert reading.wait(30)
            # st.rerun() ends the script here, and with it the block.
    finally:
        done.set()
    assert refused.value.winerror == SHARING_VIOLATION


def read_lazily(manifest: Path) -> Iterator[dict[str, str]]:
    """Read a manifest as lhotse does for NeMo: open until its last line was asked for."""
    with manifest.open(encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def test_2_a_manifest_is_read_lazily_while_its_directory_is_removed() -> None:
    def transcribe() -> None:
        with tempfile.TemporaryDirectory() as directory:
            manifest = Path(directory) / "manifest.json"
            manifest.write_text('{"audio": "a.wav"}\n{"audio": "b.wav"}\n', encoding="utf-8")
            entries.append(read_lazily(manifest))
            next(entries[0])
            raise ValueError("the second recording is damaged")

    entries: list[Iterator[dict[str, str]]] = []
    with pytest.raises(PermissionError) as refused:
        transcribe()
    assert refused.value.winerror == SHARING_VIOLATION
    # The error that a person needs is hidden behind it.
    assert isinstance(refused.value.__context__, (ValueError, PermissionError))


def test_3_a_checkpoint_is_unpacked_to_temp_and_scanned_there(checkpoint: Path) -> None:
    with pytest.raises(PermissionError) as refused, tempfile.TemporaryDirectory() as directory:
        with tarfile.open(checkpoint) as content:
            content.extractall(directory, filter="data")
        scanner = Holder(Path(directory) / "model_weights.ckpt")
    scanner.close()
    assert refused.value.winerror == SHARING_VIOLATION


def test_3_a_checkpoint_is_replaced_while_another_loads_it(checkpoint: Path) -> None:
    newer = checkpoint.with_name("newer.nemo")
    shutil.copyfile(checkpoint, newer)
    with Holder(checkpoint):
        with pytest.raises(PermissionError) as refused:
            newer.replace(checkpoint)
        assert refused.value.winerror in (ACCESS_DENIED, SHARING_VIOLATION)
        with pytest.raises(PermissionError) as refused:
            checkpoint.replace(newer)
        assert refused.value.winerror == SHARING_VIOLATION


def test_4_a_second_task_replaces_the_database_that_a_first_one_reads(tmp_path: Path) -> None:
    table = tmp_path / "library" / "chunks.lance"
    table.mkdir(parents=True)
    (table / "1.manifest").write_text("version 1")
    newer = table / "2.tmp"
    newer.write_text("version 2")
    with Holder(table / "1.manifest"):
        with pytest.raises(PermissionError) as refused:
            newer.replace(table / "1.manifest")
        assert refused.value.winerror in (ACCESS_DENIED, SHARING_VIOLATION)
        with pytest.raises(PermissionError) as refused:
            shutil.rmtree(table)
        assert refused.value.winerror == SHARING_VIOLATION
