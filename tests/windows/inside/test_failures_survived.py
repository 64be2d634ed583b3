"""The four failures again, with our file layer: nothing is lost, hidden or left behind."""

from __future__ import annotations

import json
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.errors import FileAccessError
from services.files import archive, operations
from services.files.disk import Room
from services.files.janitor import LONGEST_PAUSE, Janitor
from services.files.scratch import scratch_dir
from services.files.temp import SCRATCH, use_temp_root
from services.files.workspace import Workspace, is_workspace
from services.jobs.lane import Lane
from services.jobs.models import Kind, State
from services.jobs.results import Results
from services.jobs.store import JobStore
from tests.windows.inside.batches import TRANSCRIPT, Reader, save, submit
from tests.windows.inside.conftest import DAY, parts_left, until
from tests.windows.inside.holder import Holder
from tests.windows.inside.test_failures_reproduced import read_lazily

pytestmark = pytest.mark.usefixtures("quick_retries")


# --- 1: the page ----------------------------------------------------------------------


def test_1_the_session_ends_while_a_lane_reads(
    tmp_path: Path, workspace: Workspace, store: JobStore, janitor: Janitor
) -> None:
    reading, go_on = threading.Event(), threading.Event()

    def meanwhile(_: object) -> None:
        reading.set()
        go_on.wait(30)

    batch = submit(store, workspace, ["talk.wav"])
    lane = Lane("audio", Reader(meanwhile), store, Results(tmp_path / "results"))
    lane.start()
    try:
        assert reading.wait(30)
        workspace.release(time.time() - DAY)  # the tab was closed long ago
        assert janitor.sweep(time.time() + 2 * DAY) == []
        assert not janitor.waiting
        go_on.set()
        until(lambda: store.jobs(batch.id)[0].state is State.DONE)
    finally:
        go_on.set()
        lane.stop()
    assert janitor.sweep(time.time()) == [workspace.path]
    assert not workspace.path.exists()


def test_1_a_workspace_that_somebody_holds_waits_with_its_reason(
    workspace: Workspace, store: JobStore, janitor: Janitor
) -> None:
    batch = submit(store, workspace, ["a.wav", "b.wav"])
    finish(store, batch.id)
    now = time.time()
    with Holder(store.jobs(batch.id)[0].path):
        assert janitor.sweep(now) == []
        assert "File access error" in janitor.waiting[workspace.path].reason
        assert is_workspace(workspace.path)
        assert janitor.sweep(now + LONGEST_PAUSE) == []
    assert janitor.sweep(now + 4 * LONGEST_PAUSE) == [workspace.path]
    assert not janitor.waiting
    assert not workspace.path.exists()


@pytest.mark.parametrize("mode", ["open", "alone", "sharing"])
def test_1_a_marker_that_somebody_holds_keeps_the_workspace_ours(
    mode: str, workspace: Workspace, store: JobStore, janitor: Janitor
) -> None:
    finish(store, submit(store, workspace, ["a.wav"]).id)
    (marker,) = workspace.path.glob(".scriptorium-workspace*")
    with Holder(marker, mode):
        janitor.sweep(time.time())
    janitor.sweep(time.time() + 4 * LONGEST_PAUSE)
    assert not workspace.path.exists()


def test_1_a_workspace_that_an_explorer_window_shows_goes_when_it_is_closed(
    workspace: Workspace, store: JobStore, janitor: Janitor
) -> None:
    finish(store, submit(store, workspace, ["a.wav"]).id)
    with Holder(workspace.path, "cwd"):
        assert janitor.sweep(time.time()) == []
        assert workspace.path in janitor.waiting
    janitor.sweep(time.time() + 4 * LONGEST_PAUSE)
    assert not workspace.path.exists()
    assert not janitor.waiting


def test_1_one_locked_workspace_does_not_keep_the_others(
    temp_root: Path, store: JobStore, janitor: Janitor
) -> None:
    held, free = Workspace.create(Room(temp_root)), Workspace.create(Room(temp_root))
    for workspace in (held, free):
        finish(store, submit(store, workspace, ["a.wav"]).id)
    with Holder(next(held.path.glob("*a.wav"))):
        assert janitor.sweep(time.time()) == [free.path]


def finish(store: JobStore, batch_id: str) -> None:
    """Mark every job of a batch done."""
    for _ in store.jobs(batch_id):
        job = store.claim(Kind.AUDIO)
        assert job is not None
        assert store.finish(job, length=1.0, engine="fake", model="none", note=None)


# --- 2: the manifest ------------------------------------------------------------------


def test_2_a_lazy_reader_of_our_manifest_neither_fails_nor_hides_the_error(
    temp_root: Path, store: JobStore, janitor: Janitor
) -> None:
    assert use_temp_root(temp_root) is None
    entries: list[Iterator[dict[str, str]]] = []
    with pytest.raises(ValueError, match="the second recording"), scratch_dir("nemo-") as scratch:
        manifest = scratch / "manifest.json"
        operations.write_atomic(manifest, '{"audio": "a.wav"}\n{"audio": "b.wav"}\n')
        entries.append(read_lazily(manifest))
        next(entries[0])
        raise ValueError("the second recording is damaged")
    assert manifest.exists()
    assert scratch.is_relative_to(temp_root / SCRATCH)
    entries[0].close()
    janitor.start()  # the next start of the server
    janitor.stop()
    assert not scratch.exists()


def test_2_a_held_manifest_does_not_hide_the_result(temp_root: Path) -> None:
    use_temp_root(temp_root)

    def transcribe() -> str:
        with scratch_dir("nemo-") as scratch:
            manifest = scratch / "manifest.json"
            operations.write_atomic(manifest, "{}")
            scanners.append(Holder(manifest))
            return "text"

    scanners: list[Holder] = []
    assert transcribe() == "text"
    scanners[0].close()


def test_2_the_start_goes_on_while_old_scratch_is_still_held(
    temp_root: Path, janitor: Janitor
) -> None:
    use_temp_root(temp_root)
    old = temp_root / SCRATCH / "nemo-old"
    operations.write_atomic(old / "manifest.json", "{}")
    operations.write_atomic(temp_root / SCRATCH / "other" / "file", "x")
    with Holder(old / "manifest.json"):
        janitor.start()
        janitor.stop()
        assert not (temp_root / SCRATCH / "other").exists()
    assert old.exists()


# --- 3: the model archive -------------------------------------------------------------


def test_3_a_checkpoint_is_unpacked_once_and_scanned_there(
    checkpoint: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    unpacked = archive.unpack_once(checkpoint, models)
    with Holder(unpacked / "model_weights.ckpt"):
        assert archive.unpack_once(checkpoint, models) == unpacked
    assert not parts_left(models)


def test_3_a_newer_checkpoint_comes_while_the_older_is_loaded(
    checkpoint: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    older = archive.unpack_once(checkpoint, models)
    with Holder(older / "model_weights.ckpt"):
        with tarfile.open(checkpoint, "a") as content:
            content.add(__file__, "config.yaml")
        newer = archive.unpack_once(checkpoint, models)
    assert newer != older
    assert (newer / "config.yaml").is_file()


def test_3_a_part_of_a_killed_server_that_is_still_scanned_is_in_nobodys_way(
    checkpoint: Path, tmp_path: Path
) -> None:
    models = tmp_path / "models"
    stale = models / f"{operations.PART}1234" / "model_weights.ckpt"
    operations.write_atomic(stale, "half")
    with Holder(stale):
        unpacked = archive.unpack_once(checkpoint, models)
    assert (unpacked / "model_weights.ckpt").read_bytes() == b"weights" * 1000


def test_3_an_archive_that_leads_outside_is_refused_whole(tmp_path: Path) -> None:
    hostile = tmp_path / "model.nemo"
    (tmp_path / "file").write_text("x")
    with tarfile.open(hostile, "w") as content:
        content.add(tmp_path / "file", "..\\..\\evil.txt")
    with pytest.raises(tarfile.TarError):
        archive.unpack_once(hostile, tmp_path / "models")
    assert list((tmp_path / "models").iterdir()) == []


# --- 4: two tasks, one database -------------------------------------------------------


def test_4_a_result_that_is_read_stays_whole_and_the_job_can_try_again(
    tmp_path: Path, workspace: Workspace, store: JobStore
) -> None:
    results = Results(tmp_path / "results")
    job = store.jobs(submit(store, workspace, ["a.wav"]).id)[0]
    save(results, job)
    saved = tmp_path / "results" / job.id / "result.json"
    with Holder(saved):
        with pytest.raises(FileAccessError, match="^File access error"):
            save(results, job)
        assert results.load(job.id) == TRANSCRIPT
    assert json.loads(saved.read_text(encoding="utf-8"))["text"] == TRANSCRIPT.text
    save(results, job)
    assert not parts_left(saved.parent)


def test_4_a_result_is_saved_while_somebody_looks_at_the_upload(
    tmp_path: Path, workspace: Workspace, store: JobStore
) -> None:
    results = Results(tmp_path / "results")
    job = store.jobs(submit(store, workspace, ["a.wav"]).id)[0]
    with Holder(job.path):
        save(results, job)
    original = results.original(job)
    assert original is not None
    assert original.parent.parent == results.root
    assert original.read_bytes() == b"a.wav"


def test_4_a_part_of_a_killed_server_that_is_still_scanned_does_not_fail_the_job(
    tmp_path: Path, workspace: Workspace, store: JobStore
) -> None:
    results = Results(tmp_path / "results")
    job = store.jobs(submit(store, workspace, ["a.wav"]).id)[0]
    stale = results.root / job.id / ".part-dead.tmp"
    operations.write_atomic(stale, "half")
    with Holder(stale):
        save(results, job)
    assert results.load(job.id) == TRANSCRIPT


def test_4_a_locked_result_fails_one_job_and_the_batch_goes_on(
    tmp_path: Path, workspace: Workspace, store: JobStore
) -> None:
    results = Results(tmp_path / "results")
    batch = submit(store, workspace, ["a.wav", "b.wav"])
    first, second = store.jobs(batch.id)
    saved = results.root / first.id / "result.json"
    operations.write_atomic(saved, "{}")
    lane = Lane("audio", Reader(), store, results)
    with Holder(saved):
        lane.start()
        until(lambda: all(job.state.over for job in store.jobs(batch.id)))
    failed, done = store.jobs(batch.id)
    assert (failed.state, failed.error_kind) == (State.FAILED, "transient")
    assert failed.error is not None
    assert failed.error.startswith("File access error: “result.json”")
    assert done.state is State.DONE
    store.requeue([first.id])
    lane.wake()
    until(lambda: store.jobs(batch.id)[0].state is State.DONE)
    lane.stop()
    assert results.load(first.id) == TRANSCRIPT
    assert results.load(second.id) == TRANSCRIPT
