import os
import random
from functools import partial
from pathlib import Path

import pytest

from services.audio.speakers import Speakers, Turn
from services.errors import DiskFull
from services.files import operations
from services.jobs.diarization import Diarizations
from services.jobs.models import Options, State
from services.watch import conclusion
from services.watch.root import RootState
from services.watch.watcher import Watcher
from tests.watching import STILL, Desk, taken, tree

pytestmark = pytest.mark.usefixtures("quick_retries")


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path / "data")
    yield made
    made.close()


@pytest.fixture
def inbox(tmp_path) -> Path:
    path = tmp_path / "inbox"
    path.mkdir()
    return path


def write(path: Path, content: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


# --- taking ---------------------------------------------------------------------------


def test_a_still_file_is_taken_once(desk, inbox):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, owner="ana", engine="nemo", model="digits")
    due = root.look(100.0)
    assert due == 100.0 + STILL and desk.jobs() == []
    assert root.look(due) is None
    for tick in (110.0, 120.0, 130.0):
        root.look(tick)
    (job,) = desk.jobs()
    assert (job.name, job.owner) == ("a.wav", "ana")
    assert (job.options.engine, job.options.model) == ("nemo", "digits")
    assert root.status(False, None).taken == 1


def test_a_slow_writer_is_waited_for(desk, inbox):
    root = desk.root(inbox)
    path = inbox / "a.wav"
    for step in range(5):  # longer than it has to be still for, but never still
        path.write_bytes(b"x" * (step + 1))
        root.look(step * STILL * 0.9)
        assert desk.jobs() == [] and root.status(False, None).waiting == 1
    last = 4 * STILL * 0.9
    root.look(last + STILL - 0.1)
    assert desk.jobs() == []
    root.look(last + STILL)
    assert [job.size for job in desk.jobs()] == [5]


def test_a_writer_that_pauses_is_waited_for_as_long_as_it_has_the_file_open(desk, inbox):
    root = desk.root(inbox)
    with (inbox / "a.wav").open("wb") as writer:
        writer.write(b"first")
        writer.flush()
        for round in range(4):
            root.look(round * STILL)
        assert desk.jobs() == []
        writer.write(b" second")
    taken(root, 100.0)
    assert [job.size for job in desk.jobs()] == [len(b"first second")]


def test_a_file_that_changes_while_it_is_copied_is_not_taken(desk, inbox, monkeypatch):
    path = write(inbox / "a.wav", "short")
    root = desk.root(inbox)
    workspace = desk.new_workspace()
    monkeypatch.setattr(desk, "new_workspace", lambda: workspace)
    add = type(workspace).add_path

    def add_while_it_grows(self, source):
        stored = add(self, source)
        path.write_bytes(b"longer than before")
        return stored

    with monkeypatch.context() as patch:
        patch.setattr(type(workspace), "add_path", add_while_it_grows)
        taken(root)
    assert desk.jobs() == []
    taken(root, 100.0)
    (job,) = desk.jobs()
    assert job.path.read_bytes() == b"longer than before"


def test_an_empty_file_waits_for_its_content(desk, inbox):
    root = desk.root(inbox)
    path = write(inbox / "a.wav", "")
    taken(root)
    taken(root, 50.0)
    assert desk.jobs() == []
    path.write_bytes(b"x")
    taken(root, 100.0)
    assert desk.names() == ["a.wav"]


def test_a_file_that_cannot_be_read_is_a_sentence_and_no_end(desk, inbox, monkeypatch):
    write(inbox / "bad.wav", "bad")
    write(inbox / "good.wav", "good")
    root = desk.root(inbox)

    def refuse(path: Path) -> bool:
        if path.name == "bad.wav":
            raise PermissionError(13, "Permission denied")
        return False

    with monkeypatch.context() as patch:
        patch.setattr("services.watch.intake.in_use", refuse)
        taken(root)
    assert desk.names() == ["good.wav"]
    assert root.status(False, None).problems == ("“bad.wav” cannot be read: Permission denied.",)
    root.look(STILL + 61.0 + STILL)
    assert desk.names() == ["good.wav", "bad.wav"]
    assert root.status(False, None).problems == ()


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
def test_a_name_that_is_no_unicode_is_a_sentence(desk, inbox):
    (Path(os.fsdecode(os.fsencode(inbox) + b"/\xff.wav"))).write_bytes(b"x")
    write(inbox / "good.wav", "good")
    root = desk.root(inbox)
    taken(root)
    assert desk.names() == ["good.wav"]
    assert "the name is not Unicode; rename the file" in root.status(False, None).problems[0]


def test_when_the_disk_is_full_the_rest_waits(desk, inbox, monkeypatch):
    for number in range(4):
        write(inbox / f"{number}.wav", str(number))
    root = desk.root(inbox)
    with monkeypatch.context() as patch:
        room = iter([None, None, DiskFull("Disk full: no room.")])

        def require(size: int) -> None:
            if error := next(room):
                raise error

        patch.setattr(desk.room, "require", require)
        patch.setattr(os, "link", refuse_link)  # so that they are copied
        taken(root)
    assert len(desk.jobs()) == 2
    assert root.status(False, None).problems == ("Disk full: no room.",)
    root.look(STILL + 60.0)
    assert len(desk.jobs()) == 4


def refuse_link(*_, **__) -> None:
    raise OSError("no links here")


def test_a_burst_of_five_hundred_is_one_batch(desk, inbox):
    for number in range(500):
        write(inbox / f"{number % 7}" / f"{number}.wav", f"content {number}")
    root = desk.root(inbox)
    taken(root)
    (batch,) = desk.store.batches()
    assert batch.total == 500
    assert root.look(100.0) is None and len(desk.jobs()) == 500


def test_more_than_a_batch_goes_on_at_once(desk, inbox, monkeypatch):
    monkeypatch.setattr("services.watch.intake.MOST_FILES", 3)
    monkeypatch.setattr("services.watch.root.MOST_FILES", 3)
    for number in range(7):
        write(inbox / f"{number}.wav", str(number))
    root = desk.root(inbox)
    tick = root.look(0.0)
    looks = 0
    while tick is not None:
        tick = root.look(tick)
        looks += 1
    assert sorted(b.total for b in desk.store.batches()) == [1, 3, 3] and looks == 3


# --- never twice ----------------------------------------------------------------------


def test_renamed_within_the_root_it_is_not_tried_again(desk, inbox):
    path = write(inbox / "a.wav", "a")
    root = desk.root(inbox)
    taken(root)
    path.rename(inbox / "b.wav")
    taken(root, 50.0)
    desk.finish()
    (inbox / "sub").mkdir()
    (inbox / "b.wav").rename(inbox / "sub" / "c.wav")
    taken(root, 100.0)
    assert desk.names() == ["a.wav"]


def test_renamed_into_and_out_of_the_root(desk, inbox, tmp_path):
    root = desk.root(inbox)
    outside = write(tmp_path / "elsewhere" / "a.wav", "a")
    outside.rename(inbox / "a.wav")
    root.look(0.0)
    (inbox / "a.wav").rename(outside)  # out again before it was taken
    root.look(STILL)
    assert desk.jobs() == [] and root.status(False, None).waiting == 0
    outside.rename(inbox / "a.wav")
    taken(root, 50.0)
    (inbox / "a.wav").rename(outside)
    root.look(100.0)
    outside.rename(inbox / "a.wav")
    taken(root, 150.0)
    assert desk.names() == ["a.wav"]


def test_after_a_restart_nothing_is_taken_again(desk, inbox):
    for name in ("a.wav", "b.wav"):
        write(inbox / name, name)
    taken(desk.root(inbox))
    desk.finish("b.wav")
    again = desk.root(inbox)
    taken(again)
    os.utime(inbox / "b.wav", (1, 1))  # touched, but the content is known
    taken(again, 50.0)
    (inbox / "b.wav").rename(inbox / "c.wav")
    taken(desk.root(inbox), 100.0)
    assert desk.names() == ["a.wav", "b.wav"]
    assert [job.attempts for job in desk.jobs()] == [1, 1]


@pytest.mark.parametrize("submitted", [False, True])
def test_a_server_that_dies_around_the_submission_takes_each_file_once(
    desk, inbox, monkeypatch, submitted
):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox)
    submit = desk.submit

    def die(*args):
        if submitted:
            submit(*args)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(desk, "submit", die)
        patch.setattr("services.watch.memory.Memory.find_jobs", lambda *_: None)  # it is dead
        with pytest.raises(KeyboardInterrupt):
            taken(root)
    assert len(desk.jobs()) == submitted
    taken(desk.root(inbox, after="move"))
    assert desk.names() == ["a.wav"]
    desk.finish()
    root = desk.root(inbox, after="move")
    root.look(0.0)
    root.conclude()
    assert tree(inbox) == {"done/a.wav": b"a"}


def test_a_submission_that_fails_leaves_the_files_to_the_next_round(desk, inbox, monkeypatch):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox)
    with monkeypatch.context() as patch:
        patch.setattr(desk, "submit", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            taken(root)
    root.look(100.0)
    assert desk.names() == ["a.wav"]


def test_new_content_at_an_old_path_is_new_work(desk, inbox, tmp_path):
    path = write(inbox / "a.wav", "first")
    root = desk.root(inbox, output=tmp_path / "out")
    taken(root)
    replaced = write(tmp_path / "newer", "second")
    replaced.replace(path)
    taken(root, 50.0)
    desk.finish()
    root.conclude()
    assert [job.state for job in desk.jobs()] == [State.DONE, State.DONE]
    assert tree(tmp_path / "out") == {"a.txt": b"one two: second\n"}
    write(path, "third")
    taken(root, 100.0)
    desk.finish()
    root.conclude()
    assert tree(tmp_path / "out") == {"a.txt": b"one two: third\n"}


def test_a_file_that_is_written_into_after_it_was_taken_fails_and_is_taken_anew(desk, inbox):
    path = write(inbox / "a.wav", "first")
    root = desk.root(inbox, after="move")
    taken(root)
    with path.open("ab") as writer:
        writer.write(b" and more")
    desk.finish()
    root.conclude()
    taken(root, 50.0)
    desk.finish()
    root.conclude()
    assert tree(inbox) == {"done/a.wav": b"first and more"}


def test_a_failed_content_is_not_tried_for_ever(desk, inbox):
    bad = write(inbox / "bad.wav", "bad")
    root = desk.root(inbox)
    taken(root)
    desk.finish("bad.wav")
    for round in range(20):
        root.look(100.0 + round * STILL)
        root.conclude(thorough=True)
    bad.unlink()
    taken(root, 300.0)
    write(bad, "bad")  # dropped again
    taken(root, 400.0)
    (job,) = desk.jobs()
    assert (job.state, job.attempts) == (State.FAILED, 1)


def test_a_deleted_job_is_new_work_only_for_a_new_arrival(desk, inbox):
    path = write(inbox / "a.wav", "a")
    root = desk.root(inbox)
    taken(root)
    desk.finish()
    root.conclude()
    desk.store.delete({job.id: desk.results.directory(job.id) for job in desk.jobs()})
    root = desk.root(inbox)
    taken(root)
    root.conclude(thorough=True)
    assert desk.jobs() == []
    path.rename(inbox / "b.wav")
    taken(root, 50.0)
    assert desk.names() == ["b.wav"]


def test_the_same_content_twice_in_one_round_is_one_job(desk, inbox, tmp_path):
    for name in ("a.wav", "sub/a.wav", "copy.wav"):
        write(inbox / name, "same")
    root = desk.root(inbox, after="move", output=tmp_path / "out")
    for tick in (0.0, 5.0, 10.0, 15.0):
        root.look(tick)
    assert len(desk.jobs()) == 1
    desk.finish()
    root.conclude()
    assert sorted(tree(inbox)) == ["done/a.wav", "done/copy.wav", "done/sub/a.wav"]
    assert sorted(tree(tmp_path / "out")) == ["a.txt", "copy.txt", "sub/a.txt"]


@pytest.mark.parametrize(
    ("other", "jobs"), [({"owner": "ana"}, 1), ({"owner": "bob"}, 2), ({"engine": "nemo"}, 2)]
)
def test_the_same_content_in_two_roots_is_shared_by_owner_and_settings(desk, tmp_path, other, jobs):
    roots = []
    for name, settings in (("one", {}), ("two", other)):
        write(tmp_path / name / "a.wav", "same")
        settings = {"owner": "ana", "output": tmp_path / f"{name}-out", **settings}
        roots.append(desk.root(tmp_path / name, after="move", **settings))
    for root in roots:
        taken(root)
    assert len(desk.jobs()) == jobs
    desk.finish()
    for root in roots:
        root.conclude()
        assert list(tree(root.folder.path)) == ["done/a.wav"]
        assert list(tree(root.folder.output)) == ["a.txt"]


# --- afterwards -----------------------------------------------------------------------


def test_done_and_failed_files_are_moved_and_not_taken_again(desk, inbox):
    for name in ("good.wav", "sub/good.wav", "bad.wav"):
        write(inbox / name, name)
    root = desk.root(inbox, after="move")
    taken(root)
    root.conclude()
    assert sorted(tree(inbox)) == ["bad.wav", "good.wav", "sub/good.wav"], "nothing has ended yet"
    desk.finish("bad.wav")
    root.conclude()
    after = ["done/good.wav", "done/sub/good.wav", "failed/bad.wav"]
    assert sorted(tree(inbox)) == after
    taken(root, 50.0)
    taken(desk.root(inbox, after="move"), 100.0)
    root.conclude(thorough=True)
    assert sorted(tree(inbox)) == after and len(desk.jobs()) == 3


def test_a_move_never_overwrites(desk, inbox):
    root = desk.root(inbox, after="move")
    write(inbox / "done" / "a.wav", "somebody's")
    for round, content in enumerate(("first", "second", "third")):
        write(inbox / "a.wav", content)
        taken(root, round * 50.0)
        desk.finish()
        root.conclude()
    assert tree(inbox) == {
        "done/a.wav": b"somebody's",
        "done/a (2).wav": b"first",
        "done/a (3).wav": b"second",
        "done/a (4).wav": b"third",
    }


def test_what_was_moved_and_comes_back_is_moved_again_without_a_new_job(desk, inbox):
    root = desk.root(inbox, after="move")
    for round in range(3):
        write(inbox / "a.wav", "same")
        os.utime(inbox / "a.wav", (5, 5))
        taken(root, round * 50.0)
        desk.finish()
        root.conclude()
    assert len(desk.jobs()) == 1
    assert sorted(tree(inbox)) == ["done/a (2).wav", "done/a (3).wav", "done/a.wav"]


@pytest.mark.parametrize(
    "step",
    [
        "before",
        pytest.param("linked", marks=pytest.mark.skipif(os.name == "nt", reason="one step there")),
        "after",
    ],
)
def test_a_server_that_dies_around_the_move_moves_once(desk, inbox, monkeypatch, step):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, after="move")
    taken(root)
    desk.finish()
    move = operations.move

    def die(source: Path, target: Path) -> None:
        if step == "linked":
            target.parent.mkdir()
            target.hardlink_to(source)
        elif step == "after":
            move(source, target)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(operations, "move", die)
        with pytest.raises(KeyboardInterrupt):
            root.conclude()
    root = desk.root(inbox, after="move")
    root.look(0.0)
    root.conclude()
    assert tree(inbox) == {"done/a.wav": b"a"}
    assert root.status(False, None).in_work == 0
    assert root._memory.known(str(inbox)) == {}


def test_a_locked_file_is_moved_on_a_later_round(desk, inbox, monkeypatch):
    write(inbox / "a.wav", "a")
    now = 1000.0
    root = desk.root(inbox, after="move")
    monkeypatch.setattr(root, "_clock", lambda: now)
    taken(root)
    desk.finish()
    with monkeypatch.context() as patch:
        patch.setattr(conclusion, "in_use", lambda path: True)
        root.conclude()
        (problem,) = root.status(False, None).problems
        assert problem.startswith("File access error: “a.wav” is open in another program.")
    root.conclude()
    assert list(tree(inbox)) == ["a.wav"], "not before its pause is over"
    now += 10.0
    root.conclude()
    assert tree(inbox) == {"done/a.wav": b"a"}
    assert root.status(False, None).problems == ()


def test_a_finished_file_is_deleted_and_a_failed_one_never(desk, inbox):
    for name in ("good.wav", "bad.wav", "stopped.wav"):
        write(inbox / name, name)
    root = desk.root(inbox, after="delete")
    taken(root)
    desk.store.cancel([job.id for job in desk.jobs() if job.name == "stopped.wav"])
    desk.finish("bad.wav")
    root.conclude()
    assert sorted(tree(inbox)) == ["bad.wav", "stopped.wav"]
    assert root.status(False, None).in_work == 0


def test_nothing_is_deleted_whose_result_is_not_whole(desk, inbox):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, after="delete")
    taken(root)
    desk.finish()
    (job,) = desk.jobs()
    saved = desk.results.root / job.id / "result.json"
    whole = saved.read_bytes()
    saved.write_bytes(whole[:-9])
    root.conclude()
    assert list(tree(inbox)) == ["a.wav"]
    assert "could not be" in root.status(False, None).problems[0]


def test_nothing_is_moved_or_deleted_that_changed_meanwhile(desk, tmp_path):
    for after in ("move", "delete"):
        inbox = tmp_path / after
        path = write(inbox / "a.wav", f"first {after}")
        root = desk.root(inbox, after=after)
        taken(root)
        desk.finish()
        write(path, f"second {after}")
        root.conclude()
        assert tree(inbox) == {"a.wav": f"second {after}".encode()}
        taken(root, 50.0)
        desk.finish()
        root.conclude()
        assert "a.wav" not in tree(inbox)
    assert len(desk.jobs()) == 4


def test_nothing_is_deleted_that_only_looks_the_same(desk, inbox):
    path = write(inbox / "a.wav", "first")
    times = path.stat()
    root = desk.root(inbox, after="delete")
    taken(root)
    desk.finish()
    path.unlink()
    write(path, "other")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    root.conclude()
    assert tree(inbox) == {"a.wav": b"other"}
    taken(root, 50.0)
    assert len(desk.jobs()) == 2


def test_a_failed_job_that_is_retried_and_done_moves_its_file_on(desk, inbox, tmp_path):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, after="move", output=tmp_path / "out")
    taken(root)
    desk.finish("a.wav")
    root.conclude()
    assert list(tree(inbox)) == ["failed/a.wav"] and not (tmp_path / "out").exists()
    desk.store.requeue([job.id for job in desk.jobs()])
    root.conclude()
    assert root.status(False, None).in_work == 1
    desk.finish()
    root.conclude()
    assert list(tree(inbox)) == ["done/a.wav"]
    assert list(tree(tmp_path / "out")) == ["a.txt"]


def test_a_rerun_between_two_questions_is_seen_at_the_rescan(desk, inbox, monkeypatch):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, after="move")
    taken(root)
    desk.finish("a.wav")
    root.conclude()
    desk.store.requeue([job.id for job in desk.jobs()])
    desk.finish()
    root.conclude()
    assert list(tree(inbox)) == ["failed/a.wav"]
    root.conclude(thorough=True)
    assert list(tree(inbox)) == ["done/a.wav"]


# --- results --------------------------------------------------------------------------


def test_results_are_written_in_the_formats_and_sub_folders_of_the_root(desk, inbox, tmp_path):
    write(inbox / "2026" / "may" / "talk.wav", "talk")
    output = tmp_path / "out"
    root = desk.root(inbox, output=output, formats=["txt", "json"])
    taken(root)
    desk.finish()
    root.conclude()
    assert sorted(tree(output)) == ["2026/may/talk.json", "2026/may/talk.txt"]
    assert tree(output)["2026/may/talk.txt"] == b"one two: talk\n"


def test_results_never_take_each_others_names(desk, inbox, tmp_path):
    output = tmp_path / "out"
    write(output / "talk.txt", "somebody's")
    for name in ("talk.wav", "talk.mp3", "Talk.flac"):
        write(inbox / name, name)
    root = desk.root(inbox, output=output)
    taken(root)
    desk.finish()
    root.conclude()
    written = tree(output)
    assert written.pop("talk.txt") == b"somebody's"
    assert len({name.casefold() for name in written}) == 3
    assert sorted(written.values()) == [
        f"one two: {name}\n".encode() for name in ("Talk.flac", "talk.mp3", "talk.wav")
    ]


@pytest.mark.parametrize(("after", "where"), [("leave", ""), ("move", "done/")])
def test_results_beside_their_files_are_never_taken(desk, inbox, after, where):
    """Also where the patterns would take them, and where somebody's own text lies there."""
    folder = "minutes " * 12 + "of May"  # a name that is not shortened here
    write(inbox / folder / "talk.wav", "talk")
    write(inbox / where / folder / "talk.txt", "somebody's")
    root = desk.root(
        inbox, output="beside", after=after, include=["talk*"], formats=["txt"], show=["times"]
    )
    taken(root)
    assert len(desk.jobs()) == 1
    desk.finish()
    root.conclude()
    assert tree(inbox) == {
        f"{where}{folder}/talk.wav": b"talk",
        f"{where}{folder}/talk.txt": b"somebody's",
        f"{where}{folder}/talk (2).txt": b"[0:00] one two: talk\n",
    }
    taken(root, 100)
    assert len(desk.jobs()) == 1


def test_two_roots_share_an_output_folder(desk, tmp_path):
    for name in ("one", "two"):
        write(tmp_path / name / "talk.wav", name)
        root = desk.root(tmp_path / name, output=tmp_path / "out")
        taken(root)
        desk.finish()
        root.conclude()
    assert tree(tmp_path / "out") == {
        "talk.txt": b"one two: one\n",
        "talk (2).txt": b"one two: two\n",
    }


def test_results_are_written_again_after_a_rerun(desk, inbox, tmp_path):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, output=tmp_path / "out")
    taken(root)
    desk.finish("a.wav")
    root.conclude()
    desk.store.requeue([job.id for job in desk.jobs()])
    root.conclude()
    desk.finish(text="better")
    root.conclude()
    assert tree(tmp_path / "out") == {"a.txt": b"better: a\n"}


def test_results_wait_for_the_speakers_and_are_written_again_with_others(
    desk, inbox, tmp_path, monkeypatch
):
    monkeypatch.setattr(desk, "default_options", lambda: Options(speakers=True))
    searches, output = Diarizations(desk.url), tmp_path / "out"

    def found(*turns: Turn) -> None:
        job = searches.take()
        speakers = Speakers("fake", turns)
        keep = partial(desk.results.keep_speakers, job.id, speakers)
        assert searches.finish(job.id, "fake", len(turns), keep)

    talk = write(inbox / "talk.wav", "talk")
    root = desk.root(inbox, after="move", output=output)
    taken(root)
    desk.finish()
    root.conclude()
    assert talk.exists() and not tree(output) and root.status(False, None).in_work == 1
    found(Turn(0.0, 2.0, 0))
    root.conclude()
    assert not talk.exists() and "Speaker 1" in tree(output)["talk.txt"].decode()
    (job,) = desk.jobs()
    searches.ask(job.id)
    found(Turn(0.0, 2.0, 2))  # however quickly: nobody looked meanwhile
    root.conclude()
    assert root.status(False, None).in_work == 0
    assert list(tree(output)) == ["talk.txt"] and "Speaker 3" in tree(output)["talk.txt"].decode()
    searches.forget(job.id, desk.results.speakers_file(job.id).unlink)
    root.conclude()
    assert tree(output)["talk.txt"] == b"one two: talk\n"
    searches.close()


@pytest.mark.parametrize("how", ["fails", "is stopped"])
def test_without_speakers_results_are_written_all_the_same(desk, inbox, tmp_path, monkeypatch, how):
    monkeypatch.setattr(desk, "default_options", lambda: Options(speakers=True))
    searches, output = Diarizations(desk.url), tmp_path / "out"
    write(inbox / "talk.wav", "talk")
    root = desk.root(inbox, output=output)
    taken(root)
    desk.finish()
    job = searches.take()
    if how == "fails":
        searches.fail(job.id, "there is no model")
    else:
        searches.cancel([job.id])
    root.conclude()
    assert tree(output)["talk.txt"] == b"one two: talk\n"
    searches.close()


def test_a_done_job_that_is_run_again(desk, inbox, tmp_path):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, after="move", output=tmp_path / "out")
    taken(root)
    desk.finish()
    root.conclude()
    jobs = [job.id for job in desk.jobs()]
    desk.store.requeue(jobs, states=State)
    root.conclude()
    desk.finish("a.wav")
    root.conclude()
    assert desk.jobs()[0].state is State.FAILED
    assert tree(inbox) == {"done/a.wav": b"a"}, "its first result is still there"
    assert tree(tmp_path / "out") == {"a.txt": b"one two: a\n"}
    desk.store.requeue(jobs, states=State)
    root.conclude()
    desk.finish(text="better")
    root.conclude()
    assert tree(inbox) == {"done/a.wav": b"a"}
    assert tree(tmp_path / "out") == {"a.txt": b"better: a\n"}


def test_the_file_stays_until_its_results_could_be_written(desk, inbox, tmp_path, monkeypatch):
    write(inbox / "a.wav", "a")
    (tmp_path / "out").write_text("in the way")
    now = 1000.0
    root = desk.root(inbox, after="delete", output=tmp_path / "out")
    monkeypatch.setattr(root, "_clock", lambda: now)
    taken(root)
    desk.finish()
    root.conclude()
    assert list(tree(inbox)) == ["a.wav"]
    assert "“a.wav”: its results could not be written" in root.status(False, None).problems[0]
    (tmp_path / "out").unlink()
    now += 60.0
    root.conclude()
    assert tree(inbox) == {} and list(tree(tmp_path / "out")) == ["a.txt"]


# --- roots that go and come back ------------------------------------------------------


def test_a_root_that_goes_is_reported_and_taken_up_again(desk, inbox, tmp_path):
    write(inbox / "a.wav", "a")
    write(inbox / "b.wav", "b")
    root = desk.root(inbox, after="move")
    taken(root)
    assert root.status(False, None).state is RootState.WATCHING
    write(inbox / "late.wav", "late")
    root.look(50.0)
    inbox.rename(tmp_path / "unplugged")
    assert root.look(100.0) is None
    status = root.status(False, None)
    assert (status.state, status.in_work, status.waiting) == (RootState.MISSING, 2, 1)
    assert f"{inbox} is not there" in status.problems[0]
    desk.finish()
    root.conclude(thorough=True)
    (tmp_path / "unplugged").rename(inbox)
    taken(root, 200.0)
    root.conclude()
    assert sorted(tree(inbox)) == ["done/a.wav", "done/b.wav", "late.wav"]
    assert desk.names() == ["a.wav", "b.wav", "late.wav"]
    assert root.status(False, None).state is RootState.WATCHING
    assert root.status(False, None).problems == ()


def test_what_comes_back_with_its_root_has_to_be_still_anew(desk, inbox, tmp_path):
    write(inbox / "half.wav", "half")
    root = desk.root(inbox)
    root.look(0.0)
    inbox.rename(tmp_path / "unplugged")  # in the middle of a copy
    root.look(3.0)
    (tmp_path / "unplugged").rename(inbox)
    root.look(6.0)
    assert desk.jobs() == []
    root.look(6.0 + STILL)
    assert desk.names() == ["half.wav"]


def test_an_empty_mount_point_moves_nothing_and_forgets_nothing(desk, inbox, tmp_path):
    write(inbox / "a.wav", "a")
    root = desk.root(inbox, after="move")
    taken(root)
    inbox.rename(tmp_path / "share")
    inbox.mkdir()  # what lies under a mount
    desk.finish()
    root.look(50.0)
    root.conclude()
    inbox.rmdir()
    (tmp_path / "share").rename(inbox)
    taken(root, 100.0)
    root.conclude()
    assert tree(inbox) == {"done/a.wav": b"a"} and len(desk.jobs()) == 1


# --- everything at once ---------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_in_any_order_each_content_is_one_job_and_no_file_is_lost(desk, tmp_path, seed):
    """Write, rename, copy, finish, fail, retry, restart: what must hold holds after all."""
    chance = random.Random(seed)
    inbox, tick, written = tmp_path / "inbox", 0.0, set()
    inbox.mkdir()
    root = desk.root(inbox, after="move", output=tmp_path / "out")

    def open_files() -> list[Path]:
        return [p for p in inbox.rglob("*.wav") if p.relative_to(inbox).parts[0] in "abc"]

    for step in range(60):
        action = chance.choice(["write", "write", "rename", "copy", "end", "retry", "restart"])
        path = inbox / chance.choice("abc") / f"{chance.randrange(9)}.wav"
        path.parent.mkdir(exist_ok=True)
        files = open_files()
        if action == "write" and not path.exists():
            content = f"content {seed} {step}".encode()
            path.write_bytes(content)
            written.add(content)
        elif action == "rename" and files and not path.exists():
            chance.choice(files).rename(path)
        elif action == "copy" and files and not path.exists():
            path.write_bytes(chance.choice(files).read_bytes())
        elif action == "end":
            desk.finish(*(f"{n}.wav" for n in range(9) if chance.random() < 0.3))
        elif action == "retry":
            failed = [job.id for job in desk.jobs() if job.state is State.FAILED]
            desk.store.requeue(failed)
        elif action == "restart":
            root = desk.root(inbox, after="move", output=tmp_path / "out")
        tick += chance.choice((1.0, STILL))
        root.look(tick)
        root.conclude()
    desk.store.requeue([job.id for job in desk.jobs() if job.state is State.FAILED])
    for _ in range(3):
        taken(root, tick := tick + 50.0)
        desk.finish()
        root.conclude(thorough=True)

    hashes = [job.sha256 for job in desk.jobs()]
    assert len(hashes) == len(set(hashes)) == len(written)
    assert open_files() == []
    assert tree(inbox / "failed") == {}
    assert set(tree(inbox / "done").values()) == written
    assert root.status(False, None).in_work == 0


def test_a_watcher_without_folders_does_nothing(desk):
    watcher = Watcher((), desk, desk.url)
    watcher.start()
    assert watcher.status() == []
    watcher.stop()
