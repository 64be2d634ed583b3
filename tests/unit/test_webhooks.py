"""Webhooks: signed, repeated until they are taken, and never sent where they may not go."""

from __future__ import annotations

import contextlib
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from services.config import Settings, load_settings
from services.errors import SettingsError
from services.jobs.models import Batch, Kind, NewJob, Options, State
from services.jobs.store import JobStore, new_id
from services.webhooks import notifier
from services.webhooks.notifier import WAITS, Notifier
from services.webhooks.post import NotDelivered, NotReached, post, sign
from tests.waiting import until

GUIDE = (Path(__file__).parents[2] / "docs" / "webhooks.md").read_text(encoding="utf-8")
SECRET = "whsec_c2NyaXB0b3JpdW0tc2NyaXB0b3JpdW0="


class Receiver:
    """A web server that keeps what it was sent, and answers with the next of `answers`."""

    def __init__(self) -> None:
        self.answers: list[int] = []
        self.got: list[tuple[dict[str, str], bytes]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {k.lower(): v for k, v in self.headers.items()} | {"path": self.path}
                receiver.got.append((headers, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 204)
                self.send_header("Location", "/elsewhere")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook?team=a"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


class House:
    """A store, a clock that stands, and a notifier that is called by hand."""

    def __init__(self, root: Path, *urls: str, local: bool = True) -> None:
        self.now = float(int(time.time()))
        self.settings = Settings(
            data_dir=root, webhook_urls=urls, webhook_secret=SECRET, webhook_local=local
        )
        self.store = JobStore(self.settings.store_url, clock=lambda: self.now)
        self.start_again()

    def start_again(self) -> None:
        self.notifier = Notifier(self.settings, self.store, clock=lambda: self.now)

    def batch(self, *names: str) -> Batch:
        jobs = [NewJob(name, Kind.DOCUMENT, Path(name), "0", 1) for name in names]
        return self.store.add_batch("ana", Path(new_id()), Options(), jobs)

    def work(self, fails: bool = False) -> None:
        while job := self.store.claim(Kind.DOCUMENT):
            if fails:
                self.store.fail(job, "It is damaged.", transient=False)
            else:
                self.store.finish(job, length=1, engine="pypdf", model="", note=None)

    def after(self, seconds: float) -> None:
        self.now += seconds
        self.notifier.round()


@pytest.fixture
def verify():
    """The function that the guide shows to receivers."""
    [code] = re.findall(r"```python\n(import base64.*?)```", GUIDE, re.S)
    names: dict[str, object] = {}
    exec(code, names)
    return names["is_genuine"]


def test_a_batch_that_ends_is_told_and_the_readme_can_verify_it(tmp_path, receiver, verify):
    house = House(tmp_path, receiver.url)
    batch = house.batch("a.pdf", "bad.pdf")
    house.after(1)
    assert receiver.got == [], "it has not ended"
    house.work()
    house.after(1)
    [(headers, body)] = receiver.got
    told = json.loads(body)
    assert told["version"] == 1 and told["type"] == "batch.ended"
    assert (told["batch"], told["owner"]) == (batch.id, "ana")
    assert told["counts"] == {"queued": 0, "running": 0, "done": 2, "failed": 0, "cancelled": 0}
    assert [job["name"] for job in told["jobs"]] == ["a.pdf", "bad.pdf"]
    assert told["id"] == headers["webhook-id"]
    assert headers["content-type"] == "application/json"
    assert verify(SECRET, headers, body)
    assert not verify(SECRET, headers, body + b" ")
    assert not verify("another secret of ours", headers, body)
    assert not verify(SECRET, {**headers, "webhook-timestamp": "1"}, body)
    house.after(3600)
    assert len(receiver.got) == 1 and house.notifier.delivered == 1


def test_a_secret_without_prefix_is_the_key_itself(verify):
    headers = sign("sixteen letters!", "id", int(time.time()), b"{}")
    assert verify("sixteen letters!", headers, b"{}")


def test_the_signature_is_the_one_of_standard_webhooks():
    """Their published example: github.com/standard-webhooks/standard-webhooks."""
    headers = sign(
        "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_refusal_is_tried_again_with_growing_pauses_and_the_same_words(tmp_path, receiver):
    receiver.answers = [500, 302, 404]
    house = House(tmp_path, receiver.url)
    batch = house.batch("a.pdf")
    house.work(fails=True)
    house.after(1)
    assert house.notifier.trouble.error == "127.0.0.1 answered 500 Internal Server Error."
    assert house.notifier.trouble.again_at == house.now + WAITS[0]
    house.after(WAITS[0] - 1)
    assert len(receiver.got) == 1
    house.store.requeue([house.store.jobs(batch.id)[0].id])  # what is told stays what it was
    house.after(1)
    house.start_again()  # the store knows how far it was
    house.after(WAITS[1] - 1)
    assert len(receiver.got) == 2
    house.after(1)
    house.after(WAITS[2])
    assert len(receiver.got) == 4 and house.notifier.trouble is None
    assert len({body for _, body in receiver.got}) == 1
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert json.loads(receiver.got[0][1])["jobs"][0]["error"] == "It is damaged."
    # It ends again after the retry, and that is news.
    house.work()
    house.after(1)
    assert json.loads(receiver.got[4][1])["counts"]["done"] == 1
    assert receiver.got[4][0]["webhook-id"] != receiver.got[0][0]["webhook-id"]


def test_what_was_deleted_is_not_told_of_any_more(tmp_path, receiver):
    receiver.answers = [500]
    house = House(tmp_path, receiver.url)
    batch = house.batch("a.pdf")
    house.work()
    house.after(1)
    assert len(receiver.got) == 1 and house.store.due_endings(house.now + 1e9)
    house.store.delete({house.store.jobs(batch.id)[0].id: tmp_path / "result"})
    assert house.store.due_endings(house.now + 1e9) == []
    house.after(WAITS[0])
    assert len(receiver.got) == 1


def test_at_last_it_is_given_up(tmp_path):
    def refuse(*_: object, **__: object) -> None:
        raise NotDelivered("no.")

    house = House(tmp_path, "http://example.org/")
    house.notifier = Notifier(house.settings, house.store, lambda: house.now, refuse)
    house.batch("a.pdf")
    house.work()
    for wait in (1, *WAITS):
        house.after(wait)
    assert house.notifier.trouble.tries == len(WAITS) + 1
    assert house.notifier.trouble.again_at is None
    assert house.store.due_endings(house.now + 1e9) == []


def test_one_receiver_that_fails_does_not_repeat_the_other(tmp_path, receiver):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        dead = f"http://127.0.0.1:{closed.getsockname()[1]}/"
    house = House(tmp_path, dead, receiver.url)
    house.batch("a.pdf")
    house.work()
    house.after(1)
    house.after(WAITS[0])
    assert len(receiver.got) == 1
    assert house.notifier.trouble.url == dead and house.notifier.trouble.tries == 2


def test_a_receiver_that_does_not_answer_keeps_nobody_waiting(tmp_path):
    dead, alive = "http://dead.example/", "http://alive.example/"
    asked: list[str] = []

    def send(url: str, *_: object, **__: object) -> None:
        asked.append(url)
        if url == dead:
            house.now += 20
            raise NotReached("dead.example cannot be reached: timed out.")

    house = House(tmp_path, dead, alive)
    house.notifier = Notifier(house.settings, house.store, lambda: house.now, send)
    for number in range(60):
        house.batch(f"{number}.pdf")
    house.work()
    ended = house.now
    while asked.count(alive) < 60:
        house.after(1)
    assert house.now - ended < 30
    assert asked.count(dead) == 1
    while house.store.due_endings(house.now + 1e9):
        house.after(WAITS[-1])
    assert asked.count(alive) == 60
    told = [ending.told[dead] for ending in house.store.endings("ana", 0.0, 100)]
    assert [one["tries"] for one in told] == [len(WAITS) + 1] * 60
    assert asked.count(dead) < 60


@pytest.mark.parametrize("host", ["a..b", "a" * 64 + ".org", "xn--0.org", "[::ffff:127.0.0.1]:1"])
def test_what_no_host_is_reached_by_keeps_nobody_else_waiting(tmp_path, receiver, host):
    house = House(tmp_path, f"https://{host}/hook", receiver.url)
    for name in ("a.pdf", "b.pdf"):
        house.batch(name)
        house.work()
    house.after(1)
    assert len(receiver.got) == 2
    assert house.notifier.trouble.again_at == house.now + WAITS[0]


def test_an_address_in_any_script_is_sent_as_the_web_has_it(receiver):
    base = receiver.url.partition("/hook")[0]
    post(f"{base}/Büro/日本?an=ä b", b"{}", {}, local=True)
    paths = [headers["path"] for headers, _ in receiver.got]
    assert paths == ["/B%C3%BCro/%E6%97%A5%E6%9C%AC?an=%C3%A4%20b"]


def test_a_kill_before_the_answer_was_stored_repeats_it_with_the_same_id(tmp_path, receiver):
    house = House(tmp_path, receiver.url)

    def killed(*arguments: object, **more: object) -> None:
        post(*arguments, **more)
        raise KeyboardInterrupt

    house.notifier = Notifier(house.settings, house.store, lambda: house.now, killed)
    house.batch("a.pdf")
    house.work()
    with pytest.raises(KeyboardInterrupt):
        house.after(1)
    house.start_again()
    house.after(1)
    assert len(receiver.got) == 2
    assert receiver.got[0][1] == receiver.got[1][1]
    assert receiver.got[0][0]["webhook-id"] == receiver.got[1][0]["webhook-id"]


def test_its_thread_tells_and_ends(tmp_path, receiver):
    house = House(tmp_path, receiver.url)
    house.notifier.start()
    house.batch("a.pdf")
    house.work()
    deadline = time.monotonic() + 30
    while not house.notifier.delivered:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    house.batch("last.pdf")
    house.work()
    house.notifier.stop()
    assert [json.loads(body)["jobs"][0]["name"] for _, body in receiver.got] == [
        "a.pdf",
        "last.pdf",
    ]
    assert "webhooks" not in {thread.name for thread in threading.enumerate()}


def test_a_stop_does_not_wait_for_an_answer_and_the_next_start_tells_it_again(
    tmp_path, receiver, monkeypatch
):
    monkeypatch.setattr(notifier, "LAST_SECONDS", 0.2, raising=False)
    house = House(tmp_path, receiver.url)
    asked, answers = threading.Event(), threading.Event()

    def send(*arguments: object, **more: object) -> None:
        post(*arguments, **more)
        asked.set()
        answers.wait(60)

    house.notifier = Notifier(house.settings, house.store, lambda: house.now, send)
    house.notifier.start()
    house.batch("a.pdf")
    house.work()
    assert asked.wait(30)
    began = time.monotonic()
    house.notifier.stop()
    assert time.monotonic() - began < 5
    answers.set()  # too late: the store may be another server's by now
    until(lambda: "webhooks" not in {thread.name for thread in threading.enumerate()})
    [ending] = house.store.due_endings(house.now)
    assert ending.told == {} and len(receiver.got) == 1
    house.start_again()
    house.after(1)
    assert house.store.due_endings(house.now + 1e9) == []
    assert len({(headers["webhook-id"], body) for headers, body in receiver.got}) == 1
    assert len(receiver.got) == 2


@pytest.mark.parametrize("way", ["cancelled", "refused", "empty settings", "removed address"])
def test_every_way_to_end_is_noticed_once(tmp_path, receiver, way):
    house = House(tmp_path, *([] if way == "empty settings" else [receiver.url]))
    batch = house.batch("a.pdf", "b.pdf")
    if way == "refused":
        bad = [
            NewJob(name, Kind.UNKNOWN, Path(name), "", 1, error=f"{name} is no file of ours.")
            for name in ("x", "y")
        ]
        batch = house.store.add_batch("ana", Path(new_id()), Options(), bad)
        expected = [State.FAILED] * 2
    else:
        house.store.claim(Kind.DOCUMENT)
        ids = [job.id for job in house.store.jobs(batch.id)]
        house.store.cancel(ids)
        house.store.cancel(ids)
        expected = [State.CANCELLED] * 2
    if way == "removed address":
        receiver.answers = [500]
        house.after(1)
        house.settings = house.settings.model_copy(update={"webhook_urls": ()})
        house.start_again()
        house.after(WAITS[0])
    house.after(1)
    assert [job.state for job in house.store.jobs(batch.id)] == expected
    assert len(receiver.got) == (0 if way == "empty settings" else 1)
    assert house.store.due_endings(house.now + 1e9) == []
    assert len(house.store.endings("ana", 0.0)) == 1


def test_this_machine_is_told_only_where_the_settings_say_so(tmp_path, receiver):
    house = House(tmp_path, receiver.url, local=False)
    house.batch("a.pdf")
    house.work()
    house.after(1)
    assert receiver.got == []
    assert "webhook_local" in house.notifier.trouble.error


@pytest.mark.parametrize("line", [b"HTTP/1.1 500 %b", b"%b"])
def test_of_what_a_receiver_says_little_is_kept_and_none_of_it_hidden(line):
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            taken, _ = server.accept()
            with taken:
                taken.recv(65536)
                taken.sendall(line % (b"no\x1b[31m\x07 " * 5000) + b"\r\n\r\n")

        threading.Thread(target=answer, daemon=True).start()
        with pytest.raises(NotDelivered, match=r"no\[31m no") as refused:
            post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, local=True)
    assert str(refused.value).isprintable() and len(str(refused.value)) < 300


def test_a_receiver_that_answers_byte_by_byte_is_given_up(monkeypatch):
    monkeypatch.setattr("services.webhooks.post.WHOLE", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            taken, _ = server.accept()
            with taken, contextlib.suppress(OSError):
                while True:
                    taken.sendall(b"H")
                    time.sleep(0.02)

        threading.Thread(target=drip, daemon=True).start()
        began = time.monotonic()
        with pytest.raises(NotDelivered, match="timed out"):
            post(f"http://127.0.0.1:{server.getsockname()[1]}/", b"{}", {}, local=True)
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "values",
    [
        {"webhook_urls": ["https://x.org"]},
        {"webhook_urls": ["https://x.org"], "webhook_secret": "topsecret"},
        {"webhook_urls": ["ftp://x.org"], "webhook_secret": "topsecret-topsecret"},
        {"webhook_urls": ["https://me:topsecret@x.org"], "webhook_secret": "a" * 16},
        {"webhook_urls": ["https://x.org:99999/"], "webhook_secret": "a" * 16},
        {"webhook_secret": "whsec_topsecret-topsecret"},
    ],
)
def test_wrong_settings_are_refused_without_showing_the_secret(values):
    with pytest.raises(SettingsError) as raised:
        load_settings(**values)
    assert "webhook" in str(raised.value)
    secret = str(values.get("webhook_secret", "-"))
    assert secret not in str(raised.value) or secret == "-"
