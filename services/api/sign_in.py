"""Signing in and out, and opening what was shared by a link."""

from __future__ import annotations

import html
import math
from pathlib import Path
from string import Template
from urllib.parse import urlencode

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Route

from services.api.door import COOKIE, SIGN_IN, front_of, session_of
from services.people.accounts import CHECKS
from services.people.attempts import Attempts
from services.runtime import Runtime

MOST_BYTES = 10_000
COOKIE_SECONDS = 30 * 86400

_PAGE = Template((Path(__file__).parent / "sign_in.html").read_text(encoding="utf-8"))
_FORM = """<form method="post" action="/sign-in">
<label>Name<input name="name" autocomplete="username" autocapitalize="none" required
 value="{name}"{first}></label>
<label>Password<input name="password" type="password" autocomplete="current-password"
 required{second}></label>
<input type="hidden" name="next" value="{next}">
<button>Sign in</button></form>"""
_PROVIDER = '<a class="button" href="/auth/oidc?{next}">Sign in with your organisation</a>'
_WRONG = (
    "The name or the password is wrong. After five wrong passwords in a row an account is closed "
    "for a minute or more."
)


def routes() -> list[BaseRoute]:
    """Return the routes of signing in."""
    attempts = Attempts()
    # Each password takes a tenth of a second of a core: those that wait take no thread from others.
    checks = CapacityLimiter(CHECKS)

    async def page(request: Request) -> Response:
        """Show where to sign in; who is signed in goes on."""
        front = front_of(request)
        wanted = local_path(request.query_params.get("next"))
        if not front.person.is_guest:
            return RedirectResponse(wanted, 303)
        return _page(front, wanted)

    async def sign_in(request: Request) -> Response:
        """Sign somebody in with a name and a password."""
        front = front_of(request)
        form = await _form(request)
        wanted, name = local_path(form.get("next")), form.get("name", "")
        address = request.client.host if request.client else ""
        if front.settings.mode != "accounts":
            return RedirectResponse(SIGN_IN, 303)
        if wait := attempts.wait(address):
            minutes = math.ceil(wait / 60)
            error = f"Too many tries from this machine. Try again in {minutes} min."
            return _page(front, wanted, name, error, 429)
        attempts.begun(address)
        check, password = front.people.accounts.check, form.get("password", "")
        try:
            user = await to_thread.run_sync(check, name, password, limiter=checks)
        except Exception:  # the store is away: that is not their fault
            attempts.taken_back(address)
            raise
        if user is None:
            await run_in_threadpool(
                front.people.audit.record, name[:64] or "?", "sign-in failed", "", address
            )
            return _page(front, wanted, name, _WRONG, 401)
        attempts.taken_back(address)
        return await entered(request, user.name, wanted)

    async def sign_out(request: Request) -> Response:
        """End the session of this browser."""
        # A picture must not sign anybody out, on another site's page or on one of ours.
        dest = request.headers.get("sec-fetch-dest", "document")
        if dest != "document" or request.headers.get("sec-fetch-site") == "cross-site":
            return RedirectResponse("/", 303)
        if secret := session_of(request.headers):
            front = front_of(request)
            await run_in_threadpool(front.people.sessions.end, secret)
            if not front.person.is_guest:
                address = request.client.host if request.client else ""
                await run_in_threadpool(front.log_action, "sign-out", "", address)
        answer = RedirectResponse(SIGN_IN, 303)
        answer.delete_cookie(COOKIE)
        return answer

    async def link(request: Request) -> Response:
        """Open what somebody shared by a link, as a guest or in addition to one's own."""
        front = front_of(request)
        opened = await run_in_threadpool(
            front.people.sessions.open_link,
            request.path_params["secret"],
            session_of(request.headers),
        )
        if opened is None:
            gone = "This link has expired or was revoked. Ask who sent it for a new one."
            return _page(front, "/", error=gone, status=404)
        secret, batch_id, job_id = opened
        address = request.client.host if request.client else ""
        await run_in_threadpool(front.log_action, "open link", job_id or batch_id, address)
        target = f"/result?job={job_id}" if job_id else f"/batch?batch={batch_id}"
        return _with_cookie(RedirectResponse(target, 303), request, secret)

    return [
        Route(SIGN_IN, page, methods=["GET"]),
        Route(SIGN_IN, sign_in, methods=["POST"]),
        Route("/sign-out", sign_out),
        Route("/s/{secret}", link),
    ]


async def entered(request: Request, name: str, wanted: str) -> Response:
    """Begin a session of somebody who showed who they are, and lead them on."""
    people = front_of(request).people
    old = session_of(request.headers)
    if old:  # never go on with a secret that somebody else may have planted
        await run_in_threadpool(people.sessions.end, old)
    secret = await run_in_threadpool(people.sessions.begin, name)
    address = request.client.host if request.client else ""
    await run_in_threadpool(people.audit.record, name, "sign-in", "", address)
    return _with_cookie(RedirectResponse(local_path(wanted), 303), request, secret)


def local_path(wanted: str | None) -> str:
    """Return an address on this server; whatever else was asked for becomes its first page."""
    path = wanted or "/"
    inside = path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable()
    return path if inside and not path.startswith((SIGN_IN, "/sign-out")) else "/"


def refused(request: Request, error: str) -> Response:
    """Return the page again with what went wrong."""
    return _page(front_of(request), "/", error=error, status=403)


def _page(
    front: Runtime, wanted: str, name: str = "", error: str = "", status: int = 200
) -> Response:
    if front.settings.mode == "accounts":
        # The one field that is still empty.
        first, second = ("", " autofocus") if name else (" autofocus", "")
        form = _FORM.format(
            name=html.escape(name), next=html.escape(wanted), first=first, second=second
        )
    elif front.settings.mode == "oidc":
        form = _PROVIDER.format(next=html.escape(urlencode({"next": wanted})))
    else:
        form = '<a class="button" href="/">Go on</a>'
    said = f'<p class="error" role="alert">{html.escape(error)}</p>' if error else ""
    headers = {
        "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    }
    return HTMLResponse(_PAGE.substitute(error=said, form=form), status, headers)


def _with_cookie(answer: Response, request: Request, secret: str) -> Response:
    front = front_of(request)
    answer.set_cookie(
        COOKIE,
        secret,
        max_age=COOKIE_SECONDS,
        httponly=True,
        samesite="lax",
        secure=front.settings.is_secure or request.url.scheme == "https",
    )
    return answer


async def _form(request: Request) -> dict[str, str]:
    length = request.headers.get("content-length", "")
    if not length.isdigit() or int(length) > MOST_BYTES:
        return {}
    async with request.form(max_files=0, max_fields=10) as form:
        return {name: value for name, value in form.items() if isinstance(value, str)}
