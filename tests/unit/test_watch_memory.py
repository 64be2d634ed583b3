"""The memory's questions stay quick however much was seen: each goes by an index."""

import pytest
from sqlalchemy import event

from tests.watching import Desk, taken


@pytest.mark.parametrize(
    ("ask", "begins_with"),
    [
        (lambda m: m.reopen("/in"), "SEARCH watched USING INDEX ix_watched_job_id"),
        (lambda m: m.due("/in", 5.0), "SEARCH watched USING INDEX ix_watched_root_settled_at"),
        (lambda m: m.unsettled("/in"), "SEARCH watched USING INDEX ix_watched_root_settled_at"),
        (lambda m: m.may_know("/in", "s", 7), "SEARCH watched USING INDEX ix_watched_size"),
        (lambda m: m.knows("/in", "s", "a"), "SEARCH watched USING INDEX ix_watched_sha256"),
    ],
)
def test_each_question_goes_by_an_index(tmp_path, ask, begins_with):
    desk = Desk(tmp_path / "data")
    memory = desk.root(tmp_path / "in")._memory
    asked = []
    reader = memory._engines[0]
    event.listen(
        reader,
        "before_cursor_execute",
        lambda c, cursor, text, values, *_: asked.append((text, values)),
    )
    ask(memory)
    with reader.connect() as connection:
        for text, values in [one for one in asked if one[0].startswith("SELECT")]:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", values)
            steps = [row[3] for row in plan]
            assert steps[0].startswith(begins_with)
            assert not [step for step in steps if step.startswith("SCAN")]
    desk.close()


def test_a_job_of_a_folder_that_is_not_watched_any_more_blocks_nothing(tmp_path, monkeypatch):
    """The server died between claiming a file and submitting it, and its folder was taken out."""
    desk = Desk(tmp_path / "data")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.wav").write_bytes(b"same")
    with monkeypatch.context() as patch:
        patch.setattr(desk, "submit", lambda *_: 1 / 0)
        patch.setattr("services.watch.memory.Memory.find_jobs", lambda *_: None)
        with pytest.raises(ZeroDivisionError):
            taken(desk.root(tmp_path / "one"))
    taken(desk.root(tmp_path / "two"))
    assert desk.names() == ["a.wav"]
    desk.close()
