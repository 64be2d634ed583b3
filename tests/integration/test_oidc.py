"""Signing in with an OpenID provider that does not do as it should."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey

from services.api import oidc
from services.api.door import COOKIE
from services.api.oidc import role_of
from services.config import Settings
from services.people.models import Role, Scope
from services.people.settings import PeopleSettings
from services.runtime import Runtime
from tests.web import client_of

KEYS = [RSAKey.generate_key(2048, {"kid": "one"}) for _ in range(2)]


class Provider:
    """A provider on this machine; `lacks` of its description is not said."""

    def __init__(self) -> None:
        self.lacks: set[str] = set()
        self.key = KEYS[0]
        self.nonce = ""
        self.more: dict[str, Any] = {}
        self.answers: dict[str, Any] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.partition("?")[0]
                made = outer.answers.get(path) or outer.said(path)
                body = json.dumps(made).encode()
                self.send_response(200 if made is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers["Content-Length"]))
                self.do_GET()

            def log_message(self, *_: object) -> None:
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_port}"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def said(self, path: str) -> Any:
        if path.endswith("openid-configuration"):
            ends = {f"{name}_endpoint": name for name in ("authorization", "token", "userinfo")}
            known = {name: f"{self.url}/{end}" for name, end in ends.items()}
            known |= {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
            return {name: value for name, value in known.items() if name not in self.lacks}
        if path == "/jwks":
            return {"keys": [KEYS[0].as_dict(private=False)]}
        if path == "/userinfo":
            return {"sub": "7", "preferred_username": "ana"}
        now = int(time.time())
        claims = {"iss": self.url, "aud": "me", "sub": "7", "nonce": self.nonce, "iat": now}
        claims |= {"exp": now + 60, "preferred_username": "ana"} | self.more
        signed = jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)
        answer = {"access_token": "a", "token_type": "Bearer", "id_token": signed}
        return {name: value for name, value in answer.items() if name not in self.lacks}


@pytest.fixture
def provider() -> Iterator[Provider]:
    made = Provider()
    yield made
    made.http.shutdown()
    made.http.server_close()


@pytest.fixture
def client(tmp_path, provider):
    settings = Settings(
        data_dir=tmp_path / "data", device="cpu", mode="oidc", public_url="http://127.0.0.1",
        oidc_issuer=provider.url, oidc_client_id="me", oidc_client_secret="s", oidc_hours=2,
    )  # fmt: skip
    with Runtime(settings) as runtime:
        made = client_of(runtime)
        made.runtime = runtime
        yield made


def sign_in(client, provider: Provider):
    begun = client.get("/auth/oidc")
    if begun.status_code != 302:
        return begun
    asked = parse_qs(urlsplit(begun.headers["location"]).query)
    provider.nonce = asked["nonce"][0]
    return client.get(f"/auth/oidc/callback?code=c&state={asked['state'][0]}")


@pytest.mark.parametrize("lacks", [set(), {"userinfo_endpoint"}])
def test_who_comes_back_with_proof_is_in_until_they_have_to_prove_it_again(client, provider, lacks):
    provider.lacks = lacks
    answer = sign_in(client, provider)
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    sessions = client.runtime.people.sessions
    assert client.get("/api/v1/me").status_code == 200 and sessions.active() == 1
    sessions._clock = lambda: time.time() + 2 * 3600
    assert sessions.active() == 0


WRONG = [
    ({"key": KEYS[1]}, "not signed"),
    ({"more": {"nonce": "another"}}, "not signed"),
    ({"more": {"aud": "another"}}, "not signed"),
    ({"more": {"exp": 1}}, "not signed"),
    ({"lacks": {"jwks_uri"}}, "says what is missing"),
    ({"lacks": {"authorization_endpoint"}}, "says what is missing"),
    ({"lacks": {"id_token"}}, "not completed"),
    ({"answers": {"/jwks": {"keys": [{"kty": "?"}]}}}, ""),
    ({"answers": {"/jwks": [1]}}, ""),
    ({"answers": {"/userinfo": {"sub": "8"}}}, "not completed"),
    ({"answers": {"/userinfo": [1]}}, ""),
    ({"answers": {"/token": {"error": "invalid_grant"}}}, "not completed"),
    ({"answers": {"/token": ["x"]}}, ""),
    ({"answers": {"/.well-known/openid-configuration": ["x"]}}, ""),
]


@pytest.mark.parametrize(("wrong", "said"), WRONG, ids=range(len(WRONG)))
def test_a_sign_in_that_fails_is_a_sentence_and_a_line_in_the_log(
    client, provider, caplog, wrong, said
):
    caplog.set_level(logging.WARNING)
    for name, value in wrong.items():
        setattr(provider, name, value)
    answer = sign_in(client, provider)
    assert answer.status_code == 403 and said in answer.text and 'class="error"' in answer.text
    assert [one for one in caplog.records if one.name == "services.api.oidc"]
    assert client.runtime.people.sessions.active() == 0


@pytest.mark.parametrize("begun", [False, True])
def test_a_provider_that_is_down_is_said(client, provider, begun):
    path = "/auth/oidc"
    if begun:
        asked = parse_qs(urlsplit(client.get(path).headers["location"]).query)
        path += f"/callback?code=c&state={asked['state'][0]}"
    provider.http.shutdown()
    provider.http.server_close()
    answer = client.get(path)
    assert answer.status_code == 403 and "Try again" in answer.text


def test_whom_the_groups_let_in_no_more_has_nothing_here(client, provider, monkeypatch):
    people = client.runtime.people
    monkeypatch.setattr(oidc, "role_of", lambda *_: Role.ADMIN)
    assert sign_in(client, provider).status_code == 303
    session = client.cookies[COOKIE]
    token, _ = people.tokens.create("ana", "nightly", [Scope.ADMIN])
    monkeypatch.setattr(oidc, "role_of", lambda *_: None)
    answer = sign_in(client, provider)
    assert answer.status_code == 403 and "may not use this instance" in answer.text
    assert people.identify(session, None) is None and people.identify(None, token) is None
    assert people.accounts.get("ana").role is Role.PERSON


@pytest.mark.parametrize(
    ("groups", "role"),
    [
        (["staff", "ops"], Role.ADMIN),
        (["staff"], Role.PERSON),
        ("staff", Role.PERSON),
        ([7], Role.ADMIN),
        (7, Role.ADMIN),
        (["visitors"], None),
        ({"staff": True}, None),
        (True, None),
        (None, None),
    ],
)
def test_groups_become_a_role_however_the_provider_writes_them(groups, role):
    names = {"oidc_groups": ("staff",), "oidc_admin_groups": ("ops", "7")}
    assert role_of({"groups": groups}, PeopleSettings.model_construct(**names)) is role
