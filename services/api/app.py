"""All routes of ours, and what every request passes before them."""

from __future__ import annotations

from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from services.api import files, health, oidc, sign_in, transcripts, uploads
from services.api.door import Door
from services.api.headers import SecurityHeaders
from services.api.v1 import app as v1
from services.config import Settings
from services.runtime import Runtime


def routes(settings: Settings) -> list[BaseRoute]:
    """Return every HTTP route of ours; what each shows depends on who asks."""
    return [
        *sign_in.routes(),
        *oidc.routes(settings),
        *health.routes(),
        *files.routes(),
        *transcripts.routes(),
        *uploads.routes(),
        *v1.routes(),
    ]


def middleware(runtime: Runtime) -> list[Middleware]:
    """Return what every request passes, in this order, ours and Streamlit's alike."""
    return [
        Middleware(SecurityHeaders, settings=runtime.settings),
        Middleware(Door, runtime=runtime),
    ]
