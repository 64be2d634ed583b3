"""Security headers: what a browser may do with an answer of this server.

https://owasp.org/www-project-secure-headers
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.people.settings import PeopleSettings

YEAR = 365 * 86400

KEPT_A_DAY = {"Cache-Control": "private, max-age=86400", "Vary": "Cookie"}
"""What a browser may show again without asking, while the same person is signed in to it."""

_INLINE = re.compile(rb"<script>(.*?)</script>", re.DOTALL)


class SecurityHeaders:
    """ASGI middleware that adds the headers; those that a route has set itself are kept."""

    def __init__(self, app: ASGIApp, settings: PeopleSettings) -> None:
        self._app = app
        self._headers = {
            "Content-Security-Policy": content_policy(),
            # Browsers are shared: whoever signs in next must not get it from a cache. No route
            # says it once more; one that may be kept says so itself.
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
            # Addresses may hold a search or a link's secret: they are for nobody else.
            "Referrer-Policy": "same-origin",
            "Permissions-Policy": (
                "microphone=(self), camera=(), geolocation=(), payment=(), usb=(), serial=(), "
                "midi=(), display-capture=(), browsing-topics=()"
            ),
            "Cross-Origin-Opener-Policy": "same-origin",
            "Cross-Origin-Resource-Policy": "same-origin",
        }
        if settings.is_secure:
            self._headers["Strict-Transport-Security"] = f"max-age={YEAR}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered, and add to its answer what is missing."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def completed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, completed)


@lru_cache(maxsize=1)
def content_policy() -> str:
    """Return the Content-Security-Policy of pages: everything comes from this server.

    What Streamlit needs beyond that: the inline scripts of its page, by their hashes; components,
    which it loads from `blob:` addresses, as only scripts that run already can make; recordings
    at such addresses; fonts inside its files; and styles that it writes into the page as it runs.
    """
    inline = " ".join(f"'sha256-{hashed}'" for hashed in _inline_scripts())
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src 'self' blob: {inline}".rstrip(),
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self' data:",
            "media-src 'self' blob:",
            "connect-src 'self' blob:",
            "manifest-src 'self'",
            "form-action 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
        ]
    )


def _inline_scripts() -> list[str]:
    """Return the SHA-256, in Base64, of each inline script of the page that Streamlit serves."""
    found = find_spec("streamlit")
    if found is None or found.origin is None:
        return []
    page = (Path(found.origin).parent / "static" / "index.html").read_bytes()
    digests = (hashlib.sha256(script).digest() for script in _INLINE.findall(page))
    return [base64.b64encode(digest).decode() for digest in digests]
