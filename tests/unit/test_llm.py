"""The language model's protocol, against a small server on this machine that speaks it."""

from __future__ import annotations

import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from services.config import load_settings
from services.errors import LibraryError, SettingsError
from services.library.enrich import Enrichment
from services.library.llm import MOST_LETTERS, LanguageModel
from services.library.models import Hit

OFFLINE = Enrichment("en", summary="From the text.", keywords=("word",))
ABOUT = {"title": "On scribes", "summary": "They  copied.", "keywords": ["book", 3, ""]}


class Server:
    """Answers with `replies` in turn: a text, or a status."""

    def __init__(self) -> None:
        self.replies: list[str | int] = []
        self.requests: list[dict] = []
        self.keys: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                outer.requests.append({"path": self.path, **request})
                outer.keys.append(self.headers.get("Authorization"))
                reply = outer.replies.pop(0)
                if isinstance(reply, int):
                    self.send_response(reply)
                    if 300 <= reply < 400:
                        self.send_header("Location", f"{outer.url}/elsewhere")
                    self.end_headers()
                    return
                self.send_response(200)
                self.end_headers()
                self.wfile.write(outer.body(reply, request.get("stream", False)))

            def log_message(self, *_) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.http.server_port}/v1"

    @staticmethod
    def body(reply: str, stream: bool) -> bytes:
        usage = {"total_tokens": 50}
        if not stream:
            return json.dumps(
                {"choices": [{"message": {"content": reply}}], "usage": usage}
            ).encode()
        pieces = [{"choices": [{"delta": {"content": piece}}]} for piece in reply.split("|")]
        events = [*pieces, {"choices": [], "usage": usage}]
        lines = [f"data: {json.dumps(event)}\n\n" for event in events]
        return "".join([": ping\n\n", *lines, "data: [DONE]\n\n"]).encode()


@pytest.fixture
def server():
    made = Server()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def model(server):
    made = LanguageModel(server.url, "small", key="secret", price=2.0, pause=0.0)
    yield made
    made.close()


def hit(text: str) -> Hit:
    return Hit("k", text, 1.0, "s", "a.pdf", "document", "ana", "b", 0.0, page=1)


def test_a_text_is_described_and_its_tokens_are_counted(server, model):
    server.replies = [f"Here it is:\n```json\n{json.dumps(ABOUT)}\n```"]
    about = model.enrich("The scribes copied.", OFFLINE)
    assert (about.title, about.summary, about.keywords) == ("On scribes", "They copied.", ("book",))
    assert (about.language, about.made_by, about.actions) == ("en", "small", ())
    assert model.tokens == 50 and model.cost == pytest.approx(0.0001)
    (request,) = server.requests
    assert request["path"] == "/v1/chat/completions" and request["model"] == "small"
    assert request["messages"][1]["content"] == "The scribes copied."
    assert server.keys == ["Bearer secret"]


@pytest.mark.parametrize(
    ("replies", "asked"),
    [([500, 503, 429], 3), ([404], 1), (["no object"], 1), (["[1, 2]"], 1), (["{broken}"], 1)],
)
def test_what_was_found_offline_stays_where_the_model_fails(server, model, replies, asked):
    server.replies = list(replies)
    assert model.enrich("text", OFFLINE) is OFFLINE
    assert len(server.requests) == asked


def test_a_failure_names_the_host_and_nothing_else_of_the_address():
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://u:topsecret@127.0.0.1:{closed.getsockname()[1]}/private/v1"
    model = LanguageModel(url, "m", pause=0)
    with pytest.raises(LibraryError) as raised:
        list(model.answer("Why?", [hit("text")]))
    model.close()
    assert "at 127.0.0.1 did not answer" in str(raised.value)
    assert "topsecret" not in str(raised.value) and "private" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    ["http://u:topsecret@x/v1", "http://u@x", "localhost:1", "file:///x", "http://x:99999/v1"],
)
def test_an_address_with_a_password_in_it_is_refused(url):
    with pytest.raises(SettingsError, match="llm_url: (a name or a password|it is no)") as raised:
        load_settings(llm_url=url)
    assert "topsecret" not in str(raised.value)


def test_an_empty_address_is_none():
    assert not load_settings(llm_url="").llm_url


def test_a_passing_failure_is_tried_again(server, model):
    server.replies = [503, json.dumps(ABOUT)]
    assert model.enrich("text", OFFLINE).title == "On scribes"


def test_a_long_text_is_cut_to_what_the_model_can_read(server, model):
    server.replies = [json.dumps(ABOUT)]
    model.enrich("\n".join(f"Line {n} of a long text." for n in range(9000)), OFFLINE)
    shown = server.requests[0]["messages"][1]["content"]
    assert len(shown) <= MOST_LETTERS and shown.startswith("Line 0 ") and "Line 89" in shown


def test_an_answer_is_streamed_from_numbered_passages(server, model):
    server.replies = ["They copied| books [1]."]
    pieces = list(model.answer("What did they do?", [hit("The scribes copied."), hit("Other.")]))
    assert pieces == ["They copied", " books [1]."]
    asked = server.requests[0]["messages"][1]["content"]
    assert "[1] a.pdf: The scribes copied." in asked and "[2] a.pdf: Other." in asked
    assert asked.endswith("Question: What did they do?") and model.tokens == 50


def test_without_passages_nothing_is_asked(server, model):
    assert list(model.answer("What?", [])) == ["Nothing in the library speaks of this."]
    assert server.requests == []


def test_the_gpu_is_held_while_the_model_is_asked_and_not_between_tries(server):
    held: list[bool] = []

    @contextmanager
    def turn(person: bool):
        held.append(person)
        before = len(server.requests)
        yield
        assert len(server.requests) == before + 1, "one request in a turn"

    model = LanguageModel(server.url, "small", pause=0.0, turn=turn)
    server.replies = [503, json.dumps(ABOUT), "They| copied."]
    model.enrich("text", OFFLINE)
    assert held == [False, False] and "".join(model.answer("What?", [hit("text")]))
    assert held == [False, False, True], "a person waits for an answer"
    model.close()


def test_a_server_that_fails_or_is_gone_is_named(server, model):
    server.replies = [500]
    with pytest.raises(LibraryError, match="answered 500"):
        list(model.answer("What?", [hit("text")]))
    gone = LanguageModel("http://127.0.0.1:9/v1", "small", pause=0.0)
    with pytest.raises(LibraryError, match="did not answer"):
        list(gone.answer("What?", [hit("text")]))
    assert gone.enrich("text", OFFLINE) is OFFLINE
    gone.close()


@pytest.mark.parametrize("ask", ["enrich", "answer"])
def test_a_name_that_leads_to_this_machine_gets_nothing(server, monkeypatch, ask):
    resolve = socket.getaddrinfo

    def rebound(host, *rest, **more):
        return resolve("127.0.0.1" if host == "llm.example" else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", rebound)
    address = server.url.replace("127.0.0.1", "llm.example")
    model = LanguageModel(address, "small", key="secret", pause=0.0)
    if ask == "enrich":
        assert model.enrich("text", OFFLINE) is OFFLINE
    else:
        with pytest.raises(LibraryError, match="llm_local"):
            list(model.answer("What?", [hit("text")]))
    model.close()
    assert server.requests == [], "neither the text nor the key was sent"
    allowed = LanguageModel(address, "small", pause=0.0, local=True)
    server.replies = ["It is so."]
    assert "".join(allowed.answer("What?", [hit("text")])) == "It is so."
    allowed.close()


def test_a_redirect_is_not_followed(server, model):
    server.replies = [307]
    with pytest.raises(LibraryError, match="307"):
        list(model.answer("What?", [hit("text")]))
    assert len(server.requests) == 1
