from services.people import lately
from services.people.lately import Lately


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_an_answer_stands_for_a_second():
    clock, asked = Clock(), []
    memory = Lately(clock)
    for moment, count in ((0.0, 1), (0.9, 1), (1.0, 2), (1.5, 2)):
        clock.now = 1000.0 + moment
        assert memory.ask("who", lambda: asked.append("who") or "bo") == "bo"
        assert len(asked) == count
    clock.now = 900.0  # the clock was set back
    memory.ask("who", lambda: asked.append("who") or "bo")
    assert len(asked) == 3


def test_what_changes_while_it_is_being_found_is_not_remembered():
    memory = Lately(Clock())

    def found_while_somebody_writes() -> str:
        memory.forget()
        return "before the change"

    memory.ask("what", found_while_somebody_writes)
    assert memory.ask("what", lambda: "after it") == "after it"


def test_nobody_is_not_remembered_and_neither_are_too_many(monkeypatch):
    memory = Lately(Clock())
    assert memory.ask("guess", lambda: None) is None
    assert memory.ask("guess", lambda: "now there") == "now there"
    monkeypatch.setattr(lately, "_MOST", 3)
    for number in range(10):
        memory.ask(number, lambda: "somebody")
    assert len(memory._answers) <= 3
