"""The door: who somebody is, asked once for every request before anything answers it."""

from __future__ import annotations

import logging
from typing import cast
from urllib.parse import SplitResult, quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import ClientDisconnect, HTTPConnection, Request, cookie_parser
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api import bodies
from services.api.peer import is_this_machine
from services.api.problems import Sending, problem, problem_at
from services.errors import NotAllowed, OverLimit, SignedOut
from services.people.models import LOCAL, Person
from services.people.models import Scope as Right
from services.people.tokens import PREFIX
from services.runtime import Runtime

log = logging.getLogger(__name__)

COOKIE = "scriptorium_session"
SIGN_IN = "/sign-in"

OPEN = ("/sign-in", "/sign-out", "/auth/", "/s/")
"""How people get in."""

PROGRAM = ("/static/", "/_stcore/health", "/health/")
"""The program's own files, and whether the server runs: whoever asks need not be known."""

_STREAMLIT_UPLOADS = "/_stcore/upload_file/"
"""Where Streamlit takes files from whoever has a page open, and keeps them whole in memory."""

_STREAMLIT_METRICS = "/_stcore/metrics"

_PROGRAM_FILES = ("/favicon.png", "/manifest.json")
_SAFE = ("GET", "HEAD", "OPTIONS")


def front_of(request: Request) -> Runtime:
    """Return the runtime as the person behind a request sees it."""
    return cast(Runtime, request.state.front)


class Door:
    """ASGI middleware that lets nobody through to what they may not even ask for.

    It finds out who somebody is, by their session's cookie or their token, and hands the runtime
    on as they see it. What a page of another site sends through somebody's browser is refused.
    """

    def __init__(self, app: ASGIApp, runtime: Runtime) -> None:
        self._app = app
        self._runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        refusal, person, path = self._stranger(scope), None, scope["path"]
        asked = not path.startswith(PROGRAM) and path not in _PROGRAM_FILES
        if refusal is None and asked:
            person = await run_in_threadpool(self._identify, Headers(scope=scope))
            if person is None and not path.startswith(OPEN):
                refusal = self._unknown(scope)
        if path.startswith(_STREAMLIT_UPLOADS) and person and not person.may(Right.SUBMIT):
            refusal = refusal or problem(403, "You may not upload files here.")
        if path == _STREAMLIT_METRICS and person and not person.may(Right.ADMIN):
            refusal = refusal or problem(403, "Only admins see the figures of this server.")
        if refusal is not None:
            await self._refuse(refusal, scope, receive, send)
            return
        front = self._runtime.seen_by(person or Person(""))
        scope.setdefault("state", {})["front"] = front
        await self._answered(scope, receive, send)

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Have a request answered; what somebody may not do becomes an answer too."""
        sending, is_request = Sending(send), scope["type"] == "http"
        try:
            if is_request:
                receive = bodies.patient(receive)
                if scope["path"].startswith(_STREAMLIT_UPLOADS) and scope["method"] == "PUT":
                    front = cast(Runtime, scope["state"]["front"])
                    receive = await bodies.limited(front.uploads, scope, receive)
            await self._app(scope, receive, sending)
        except ClientDisconnect:  # nobody reads an answer
            log.info("%s %s: the client hung up.", scope.get("method"), scope["path"])
        except (NotAllowed, OverLimit) as error:
            if sending.begun or not is_request:
                raise
            status = 413 if isinstance(error, OverLimit) else 403
            status = 401 if isinstance(error, SignedOut) else status
            await problem_at(scope["path"], status, str(error))(scope, receive, send)

    def _identify(self, headers: Headers) -> Person | None:
        scheme, _, token = headers.get("authorization", "").partition(" ")
        bearer = token.strip() if scheme.lower() == "bearer" else None
        people = self._runtime.people
        local = self._runtime.settings.mode == "local"
        # Clients that cannot be without a key send any to an instance that needs none.
        if bearer is not None and not (local and not bearer.startswith(PREFIX)):
            return people.identify(None, bearer)
        if local:
            return LOCAL
        return people.identify(session_of(headers), None)

    def _stranger(self, scope: Scope) -> Response | None:
        """Refuse what comes under a name that is not ours, or from another site's page.

        Where nobody signs in, what comes from another machine is refused too: whatever started
        the server may have it listen to the network.
        """
        headers = Headers(scope=scope)
        if self._runtime.settings.mode == "local" and not is_this_machine(scope):
            return problem(403, "Nobody signs in here, so this server is for its own machine only.")
        host = headers.get("host", "")
        names = self._runtime.settings.host_names
        if names is not None and (_parts(f"//{host}").hostname or "") not in names:
            # Else another site's name that leads to this machine would make its pages ours.
            return problem(421, f"This server does not answer to the name “{host}”.")
        changes = scope["type"] == "websocket" or scope["method"] not in _SAFE
        if changes and not is_own_page(headers, self._runtime.settings.public_url):
            return problem(403, "This came from a page of another site.")
        return None

    def _unknown(self, scope: Scope) -> Response:
        """Send a person to where they sign in; tell a program that it has to."""
        connection = HTTPConnection(scope)
        if scope["type"] == "http" and "text/html" in connection.headers.get("accept", ""):
            query = connection.url.query
            asked = connection.url.path + (f"?{query}" if query else "")
            return RedirectResponse(f"{SIGN_IN}?next={quote(asked, safe='')}", 303)
        detail = "Sign in, or send a token that is valid."
        return problem_at(scope["path"], 401, detail, {"WWW-Authenticate": "Bearer"})

    async def _refuse(self, answer: Response, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await answer(scope, receive, send)
            return
        await receive()  # the browser's wish to connect; refused, it reads 403
        await send({"type": "websocket.close", "code": 1008})


def session_of(headers: Headers) -> str | None:
    """Return the secret of the session that a browser sends.

    Whatever else runs under this name, at another port, has its cookies sent here too: Python's
    own parser reads nothing behind one that is not of the form it knows.
    """
    return cookie_parser(headers.get("cookie", "")).get(COOKIE)


def is_own_page(headers: Headers, public_url: str | None) -> bool:
    """Whether a request comes from a page of this server, or from no page at all."""
    site, origin = headers.get("sec-fetch-site"), headers.get("origin")
    if site:
        return site in ("same-origin", "none")
    if not origin or origin == public_url:
        return True
    netloc = _parts(origin).netloc
    return bool(netloc) and netloc == headers.get("host")


def _parts(address: str) -> SplitResult:
    """Return the parts of what somebody else says is an address; none of what is not one."""
    try:
        return urlsplit(address)
    except ValueError:
        return SplitResult("", "", "", "", "")
