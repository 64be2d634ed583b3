"""Whom the server believes when a request says for whom it is."""

from __future__ import annotations

import httpx
import pytest
import uvicorn
import uvicorn.config
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from services.api.peer import believe_proxies, is_this_machine
from tests.web import run


def seen(monkeypatch, behind_proxy: bool, peer: str, claimed: str | None) -> str:
    """Return whom uvicorn's app sees, and whether that is this machine."""
    monkeypatch.setattr(uvicorn.config, "ProxyHeadersMiddleware", None)
    believe_proxies(behind_proxy)

    async def show(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.client.host} {is_this_machine(request.scope)}")

    config = uvicorn.Config(Starlette(routes=[Route("/", show)]), lifespan="off", log_config=None)
    config.load()

    async def ask() -> str:
        transport = httpx.ASGITransport(config.loaded_app, client=(peer, 5000))
        async with httpx.AsyncClient(transport=transport, base_url="http://x") as client:
            headers = {} if claimed is None else {"X-Forwarded-For": claimed}
            return (await client.get("/", headers=headers)).text

    return run(ask())


@pytest.mark.parametrize(
    ("behind_proxy", "allowed", "peer", "claimed", "expected"),
    [
        (False, None, "127.0.0.1", None, "127.0.0.1 True"),
        (False, None, "127.0.0.1", "10.0.0.9", "127.0.0.1 True"),
        (False, None, "127.0.0.1", "10.0.0.9:77", "127.0.0.1 True"),
        (True, None, "127.0.0.1", "10.0.0.9", "10.0.0.9 True"),
        (True, None, "127.0.0.1", "<img src=x>", "127.0.0.1 True"),
        (True, None, "10.0.0.5", "127.0.0.1", "10.0.0.5 False"),
        (False, "10.0.0.5", "10.0.0.5", "10.0.0.9", "10.0.0.9 False"),
        (False, "10.0.0.5", "127.0.0.1", "10.0.0.9", "127.0.0.1 True"),
        (False, "*", "10.0.0.6", "127.0.0.1", "127.0.0.1 False"),
    ],
)
def test_who_is_asking(monkeypatch, behind_proxy, allowed, peer, claimed, expected):
    monkeypatch.delenv("FORWARDED_ALLOW_IPS", raising=False)
    if allowed is not None:
        monkeypatch.setenv("FORWARDED_ALLOW_IPS", allowed)
    assert seen(monkeypatch, behind_proxy, peer, claimed) == expected
