"""Who has the GPU when speech and a language model share it."""

from __future__ import annotations

import threading

import pytest

from services.jobs.turns import Turns, User
from tests.waiting import until

PATIENCE = 20.0


class Users:
    """Threads that take turns, each until it is told to end; `order` says who began when."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.began = threading.Condition()
        self.ends: dict[str, threading.Event] = {}
        self.threads: list[threading.Thread] = []

    def start(self, name: str, user: User) -> None:
        self.ends[name] = threading.Event()

        def run() -> None:
            with self.turns.take(user):
                with self.began:
                    self.order.append(name)
                    self.began.notify_all()
                assert self.ends[name].wait(PATIENCE)

        waiting = self.turns._waiting[user], self.turns._holding[user]
        self.threads.append(threading.Thread(target=run, daemon=True))
        self.threads[-1].start()
        until(lambda: (self.turns._waiting[user], self.turns._holding[user]) != waiting)

    def begun(self, *names: str) -> None:
        with self.began:
            assert self.began.wait_for(lambda: len(self.order) >= len(names), PATIENCE)
        assert self.order == list(names)

    def end(self, *names: str) -> None:
        for name in names:
            self.ends[name].set()


@pytest.fixture
def users():
    made = Users(Turns(shared=True))
    yield made
    made.turns.close()
    made.end(*made.ends)
    for thread in made.threads:
        thread.join(PATIENCE)


def test_speech_and_texts_alternate(users):
    users.start("call 1", User.SPEECH)
    users.start("text 1", User.TEXT)
    users.start("text 2", User.TEXT)
    users.start("call 2", User.SPEECH)
    users.begun("call 1")
    users.end("call 1")
    until(lambda: len(users.order) == 2)
    first = users.order[1]
    assert first.startswith("text"), "it had to wait"
    users.end(first)
    users.begun("call 1", first, "call 2")
    users.end("call 2")
    until(lambda: len(users.order) == 4)


def test_a_person_comes_first_and_waits_for_one_call_only(users):
    users.start("call 1", User.SPEECH)
    users.start("text", User.TEXT)
    users.start("question", User.PERSON)
    users.start("call 2", User.SPEECH)
    users.end("call 1")
    until(lambda: "question" in users.order)
    assert "call 2" not in users.order
    users.start("another question", User.PERSON)
    until(lambda: "another question" in users.order)
    users.end("question", "another question", "text")
    until(lambda: "call 2" in users.order)


def test_the_model_is_asked_by_several_while_speech_does_not_wait(users):
    users.start("text 1", User.TEXT)
    users.start("text 2", User.TEXT)
    users.begun("text 1", "text 2")
    users.start("call", User.SPEECH)
    users.start("text 3", User.TEXT)
    users.end("text 1")
    assert (users.turns._waiting[User.SPEECH], users.turns._waiting[User.TEXT]) == (1, 1)
    users.end("text 2")
    users.begun("text 1", "text 2", "call")


def test_nobody_waits_when_the_gpu_is_not_shared_or_the_server_stops(users):
    users.start("call", User.SPEECH)
    users.start("text", User.TEXT)
    users.turns.close()
    users.begun("call", "text")
    free = Turns(shared=False)
    with free.take(User.SPEECH), free.take(User.TEXT), free.take(User.PERSON):
        pass


def test_a_turn_ends_with_an_error_and_with_an_answer_that_nobody_reads_on(users):
    with pytest.raises(ValueError), users.turns.take(User.SPEECH):
        raise ValueError

    def answer():
        with users.turns.take(User.PERSON):
            yield "It"
            yield " is"

    pieces = answer()
    assert next(pieces) == "It"
    pieces.close()
    with users.turns.take(User.SPEECH):
        pass
