"""Every answer carries the security headers; what a route says itself is kept."""

from __future__ import annotations

import re

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from services.api.headers import SecurityHeaders, content_policy
from services.people.settings import PeopleSettings


def answers(**settings):
    def sandboxed(_):
        return PlainTextResponse("", headers={"Content-Security-Policy": "sandbox"})

    routes = [Route("/plain", lambda _: PlainTextResponse("")), Route("/sandboxed", sandboxed)]
    added = Middleware(SecurityHeaders, settings=PeopleSettings(**settings))
    return TestClient(Starlette(routes=routes, middleware=[added]))


@pytest.mark.parametrize("path", ["/plain", "/missing"])
def test_every_answer_carries_them(path):
    headers = answers().get(path).headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
    assert "microphone=(self)" in headers["Permissions-Policy"]
    assert headers["Content-Security-Policy"] == content_policy()


def test_what_a_route_says_itself_is_kept():
    assert answers().get("/sandboxed").headers.get_list("Content-Security-Policy") == ["sandbox"]


@pytest.mark.parametrize(
    ("address", "told"),
    [(None, False), ("http://lan.example", False), ("https://lan.example", True)],
)
def test_only_an_instance_with_tls_tells_browsers_to_stay_with_it(address, told):
    headers = answers(public_url=address).get("/plain").headers
    assert ("Strict-Transport-Security" in headers) == told


def test_the_policy_lets_no_script_in_that_is_written_into_a_page():
    policy = dict(part.split(" ", 1) for part in content_policy().split("; "))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert "unsafe" not in policy["script-src"] and "*" not in content_policy()
    assert re.search(r"'sha256-[\w+/]{43}='", policy["script-src"]), "Streamlit's own inline script"
    assert "http" not in content_policy(), "nothing comes from elsewhere"
