"""Signing in with an OpenID provider: the code flow with PKCE, by Authlib."""

from __future__ import annotations

import logging
import secrets
from typing import Any

from authlib.common.errors import AuthlibBaseError
from authlib.integrations.base_client import OAuthError
from authlib.integrations.starlette_client import OAuth
from httpx2 import HTTPError, InvalidURL
from joserfc.errors import JoseError
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from services.api.door import front_of
from services.api.sign_in import entered, local_path, refused
from services.people.models import Role
from services.people.settings import PeopleSettings

log = logging.getLogger(__name__)

CALLBACK = "/auth/oidc/callback"
MINUTES = 15 * 60
"""Seconds in which somebody has to be back from the provider."""

_UNSIGNED = (JoseError,)
_INCOMPLETE = (RuntimeError, LookupError, TypeError, AttributeError)
"""What Authlib raises where the provider's description of itself lacks something or is none."""
# Authlib asks by httpx2, whose errors are none of httpx.
_FAILED = (HTTPError, InvalidURL, AuthlibBaseError, ValueError, *_UNSIGNED, *_INCOMPLETE)


def routes(settings: PeopleSettings) -> list[BaseRoute]:
    """Return the routes that lead to the provider and back; none in another mode."""
    if settings.mode != "oidc":
        return []
    client = _client(settings)

    async def begin(request: Request) -> Response:
        """Send somebody to the provider."""
        request.session["next"] = local_path(request.query_params.get("next"))
        try:
            answer: Response = await client.authorize_redirect(
                request, f"{settings.public_url}{CALLBACK}"
            )
        except _FAILED as error:
            _note("The OpenID provider cannot be used", error)
            said = "The sign-in server did not answer. Try again in a moment."
            return refused(request, _INCOMPLETELY if isinstance(error, _INCOMPLETE) else said)
        return answer

    async def callback(request: Request) -> Response:
        """Take in who comes back from the provider."""
        wanted = local_path(request.session.get("next"))
        try:
            claims = await _claims(client, await client.authorize_access_token(request))
        except _FAILED as error:
            _note("Somebody came back from the OpenID provider without proof", error)
            return refused(request, _reason(error))
        role = role_of(claims, settings)
        name = claims.get(settings.oidc_name_claim) or claims.get("email") or claims["sub"]
        subject = f"{claims.get('iss', settings.oidc_issuer)} {claims['sub']}"
        user = await run_in_threadpool(front_of(request).vouched_for, subject, str(name), role)
        if role is None:
            return refused(request, "Your account may not use this instance. Ask its admin.")
        if user is None:
            return refused(request, "Your account was closed here. Ask the admin.")
        return await entered(request, user.name, wanted)

    # What has to be remembered until somebody is back is in a cookie of its own, signed.
    remembered = Middleware(
        SessionMiddleware,
        secret_key=secrets.token_hex(32),
        session_cookie="scriptorium_oidc",
        max_age=MINUTES,
        same_site="lax",
        https_only=settings.is_secure,
    )
    return [
        Route("/auth/oidc", begin, middleware=[remembered]),
        Route(CALLBACK, callback, middleware=[remembered]),
    ]


async def _claims(client: Any, token: dict[str, Any]) -> dict[str, Any]:
    """Return what the provider says of somebody, in the signed token and, if it can be, asked."""
    signed = dict(token.get("userinfo") or {})
    if not signed.get("sub"):
        raise OAuthError("unsigned", "there is no id token that says who it is")
    if "userinfo_endpoint" not in await client.load_server_metadata():
        return signed
    asked = await client.userinfo(token=token)
    if asked.get("sub") != signed.get("sub"):  # OpenID Connect Core 1.0, 5.3.2
        raise OAuthError("mismatch", "what the provider told is about somebody else")
    return {**asked, **signed}


_INCOMPLETELY = (
    "The sign-in server does not say what is needed of it. Tell the admin: the server’s log says "
    "what is missing."
)


def _reason(error: Exception) -> str:
    """Say to who tries to sign in why they are not."""
    if isinstance(error, _UNSIGNED):
        return (
            "What the sign-in server said of you is not signed as it should be. Try again; if that "
            "does not help, tell the admin: the server’s log says more."
        )
    if isinstance(error, _INCOMPLETE):
        return _INCOMPLETELY
    return "The sign-in was not completed. Try again."


def _note(what: str, error: Exception) -> None:
    log.warning("%s: %s: %s", what, type(error).__name__, error)


def role_of(claims: dict[str, Any], settings: PeopleSettings) -> Role | None:
    """Return what the provider's groups make of somebody; None if they may not come in."""
    said = claims.get(settings.oidc_groups_claim) or []
    groups = {str(one) for one in (said if isinstance(said, list) else [said])}
    if groups & set(settings.oidc_admin_groups):
        return Role.ADMIN
    if settings.oidc_groups and not groups & set(settings.oidc_groups):
        return None
    return Role.PERSON


def _client(settings: PeopleSettings) -> Any:
    secret = settings.oidc_client_secret
    oauth = OAuth()
    client: Any = oauth.register(
        "provider",
        server_metadata_url=f"{settings.oidc_issuer}/.well-known/openid-configuration",
        client_id=settings.oidc_client_id,
        client_secret=secret.get_secret_value() if secret else None,
        client_kwargs={"scope": settings.oidc_scopes, "code_challenge_method": "S256"},
    )
    return client
