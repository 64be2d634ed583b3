import io
import json
from pathlib import Path

import pytest

from services.errors import FileAccessError
from services.files import operations
from services.files.disk import Room
from services.files.janitor import GRACE, Janitor, Waiting
from services.files.temp import SCRATCH
from services.files.workspace import MARKER, Workspace
from tests.systems import make_link

NOW = 1_000_000.0
DAY = 86_400.0

pytestmark = pytest.mark.usefixtures("quick_retries")


class Yard:
    """A temp root with a janitor, and what the store would tell him."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.leased: set[Path] = set()
        self.submitted: set[Path] = set()
        self.deleted: set[Path] = set()
        self.results = root.parent / "results"
        self.janitor = Janitor(
            root,
            lambda: self.leased,
            lambda: self.submitted,
            max_age=DAY,
            unwanted=lambda: set(self.deleted),
            removed=lambda path: self.deleted.discard(path),
            results=self.results,
        )

    def workspace(self, age: float) -> Path:
        made = Workspace.create(Room(self.root))
        made.add("a.wav", io.BytesIO(b"x"))
        (made.path / MARKER).write_text(json.dumps({"created": NOW - age}))
        return made.path


@pytest.fixture
def yard(tmp_path):
    return Yard(tmp_path / "temp")


def test_a_leased_workspace_stays_however_old(yard):
    path = yard.workspace(age=100 * DAY)
    yard.leased = yard.submitted = {path}
    assert yard.janitor.sweep(NOW) == [] and path.is_dir()


def test_a_submitted_one_goes_as_soon_as_nobody_leases_it(yard):
    path = yard.workspace(age=1.0)
    yard.submitted = {path}
    assert yard.janitor.sweep(NOW) == [path] and not path.exists()


def test_an_unsubmitted_one_goes_only_by_age(yard):
    young, old = yard.workspace(age=DAY - 1), yard.workspace(age=DAY + 1)
    assert yard.janitor.sweep(NOW) == [old]
    assert young.is_dir() and not old.exists()


def test_one_whose_marker_cannot_be_read_stays(yard):
    path = yard.workspace(age=100 * DAY)
    for broken in ("", "{}", '{"created": "yesterday"}', "[]", '{"created": null}'):
        (path / MARKER).write_text(broken)
        assert yard.janitor.sweep(NOW) == [] and path.is_dir()


def test_what_is_not_ours_is_never_touched(yard, tmp_path):
    elsewhere = Yard(tmp_path / "elsewhere").workspace(age=100 * DAY)
    yard.root.mkdir()
    (yard.root / "ws-foreign").mkdir()
    (yard.root / "ws-file").write_text("x")
    (yard.root / "photos").mkdir()
    make_link(yard.root / "ws-link", elsewhere)
    assert yard.janitor.sweep(NOW) == []
    assert len(list(yard.root.iterdir())) == 4 and elsewhere.is_dir()


def test_a_locked_one_is_remembered_and_goes_the_next_time(yard, monkeypatch):
    locked, free = yard.workspace(age=2 * DAY), yard.workspace(age=2 * DAY)
    real = operations.remove_tree

    def remove(path: Path) -> None:
        if path == locked:
            raise FileAccessError("held by another program")
        real(path)

    monkeypatch.setattr(operations, "remove_tree", remove)
    assert yard.janitor.sweep(NOW) == [free]
    assert yard.janitor.waiting == {locked: Waiting("held by another program", 1, NOW + 30)}
    # The pauses grow, and before one is over nothing is tried.
    assert yard.janitor.sweep(NOW + 29) == [] and yard.janitor.waiting[locked].tries == 1
    assert yard.janitor.sweep(NOW + 30) == []
    assert yard.janitor.waiting[locked] == Waiting("held by another program", 2, NOW + 90)
    monkeypatch.undo()
    assert yard.janitor.sweep(NOW + 90) == [locked] and yard.janitor.waiting == {}


def test_one_whose_session_ended_goes_after_a_while_unless_it_came_back(yard):
    ended, back = yard.workspace(age=1), yard.workspace(age=1)
    for path in (ended, back):
        Workspace(path, Room(yard.root)).release(NOW)
    Workspace(back, Room(yard.root)).keep()
    assert yard.janitor.sweep(NOW + GRACE - 1) == []
    assert yard.janitor.sweep(NOW + GRACE + 1) == [ended] and back.is_dir()


def test_a_lease_holds_when_the_root_is_reached_by_another_path(yard, tmp_path):
    path = yard.workspace(age=100 * DAY)
    alias = tmp_path / "alias"
    make_link(alias, yard.root)
    again = Janitor(alias, lambda: {path}, lambda: {path}, max_age=DAY)
    assert again.sweep(NOW) == [] and path.is_dir()


def test_a_root_that_does_not_exist_is_clean(yard):
    assert yard.janitor.sweep(NOW) == []


def test_a_start_empties_the_scratch_of_the_last_run_but_follows_no_link(yard, tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    scratch = yard.root / SCRATCH
    (scratch / "manifest-x").mkdir(parents=True)
    (scratch / "manifest-x" / "a.wav").write_text("x")
    (scratch / "left.zip").write_text("x")
    make_link(scratch / "link", outside)
    yard.janitor.start()
    yard.janitor.stop()
    assert list(scratch.iterdir()) == [] and outside.is_dir()


def test_a_round_that_fails_does_not_end_the_janitor(yard):
    import threading

    rounds = threading.Semaphore(0)
    failures = [RuntimeError("the database is locked")]

    def leased() -> set[Path]:
        rounds.release()
        if failures:
            raise failures.pop()
        return set()

    janitor = Janitor(yard.root, leased, lambda: set(), interval=0.01)
    janitor.start()
    try:
        assert rounds.acquire(timeout=10) and rounds.acquire(timeout=10)
    finally:
        janitor.stop()


def test_what_a_person_deleted_goes_at_once_and_is_then_forgotten(yard):
    workspace = yard.workspace(age=1.0)
    result = yard.results / "a1"
    (result / "pages").mkdir(parents=True)
    (result / "pages" / "1.png").write_bytes(b"x")
    other = yard.results / "b2"
    other.mkdir()
    yard.deleted = {workspace, result, yard.results / "never made"}
    assert set(yard.janitor.sweep(NOW)) == {workspace, result}
    assert not workspace.exists() and not result.exists() and other.is_dir()
    assert yard.deleted == set()


def test_what_is_deleted_but_not_ours_is_left_alone(yard, tmp_path):
    stranger = tmp_path / "temp" / "somebody's"
    elsewhere = tmp_path / "elsewhere"
    for path in (stranger, elsewhere):
        path.mkdir(parents=True)
        (path / "file").write_bytes(b"x")
    yard.deleted = {stranger, elsewhere}
    assert yard.janitor.sweep(NOW) == []
    assert (stranger / "file").is_file() and (elsewhere / "file").is_file()
    assert yard.deleted == set(), "nor is it asked for again and again"


def test_a_deleted_result_that_is_locked_is_tried_again_later(yard, monkeypatch):
    result = yard.results / "a1"
    result.mkdir(parents=True)
    yard.deleted = {result}
    with monkeypatch.context() as patch:
        patch.setattr(operations, "remove_tree", refuse)
        assert yard.janitor.sweep(NOW) == []
    assert yard.deleted == {result} and "held" in yard.janitor.waiting[result].reason
    assert yard.janitor.sweep(NOW + 1) == [], "not before its pause is over"
    assert yard.janitor.sweep(NOW + DAY) == [result]
    assert yard.deleted == set() and yard.janitor.waiting == {}


def refuse(path: Path) -> None:
    raise FileAccessError("held")
