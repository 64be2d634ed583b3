"""Who is at the other end of a connection, and whom it is for where that is a proxy."""

from __future__ import annotations

import ipaddress
import os
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from services.addresses import is_loopback

_STATE = "scriptorium.peer"


def believe_proxies(behind_proxy: bool) -> None:
    """Have the server that loads an app now believe a proxy only where there is one.

    Uvicorn believes what comes from this machine, whatever it is: without a proxy, anybody here
    could claim another address with each wrong password. With FORWARDED_ALLOW_IPS the operator
    names the proxies; otherwise it is one on this machine.

    Args:
        behind_proxy: Whether the settings say that there is one.
    """
    import uvicorn.config

    believed = behind_proxy or "FORWARDED_ALLOW_IPS" in os.environ

    def forwarded(app: ASGIApp, trusted_hosts: list[str] | str = "127.0.0.1") -> Forwarded:
        return Forwarded(app, trusted_hosts if believed else [])

    # Streamlit hands no option on; uvicorn looks this name up once it has loaded the app.
    uvicorn.config.ProxyHeadersMiddleware = forwarded  # type: ignore


def is_this_machine(scope: Scope) -> bool:
    """Whether a request came from this machine itself, or through a proxy on it."""
    peer = scope.get(_STATE, scope.get("client"))
    return peer is None or is_loopback(peer[0])  # a socket without addresses is this machine's


class Forwarded:
    """ASGI middleware that takes who is asking from proxies, if it is an address at all."""

    def __init__(self, app: ASGIApp, trusted_hosts: list[str] | str) -> None:
        from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

        self._app = app
        self._believing: Any = ProxyHeadersMiddleware(self._checked, trusted_hosts)  # type: ignore

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Remember who is at the other end, then let a proxy say for whom."""
        if scope["type"] != "lifespan":
            scope[_STATE] = scope.get("client")
        await self._believing(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (client := scope.get("client")) and not _is_address(client[0]):
            scope["client"] = scope[_STATE]
        await self._app(scope, receive, send)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return False
    return True
