"""A client of the routes, as the server serves them."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.testclient import TestClient

from services.api import app
from services.runtime import Runtime


def client_of(runtime: Runtime, **options) -> TestClient:
    """Return a client that stands before the door of a runtime's routes, from this machine."""
    served = Starlette(routes=app.routes(runtime.settings), middleware=app.middleware(runtime))
    return TestClient(served, base_url="http://127.0.0.1", follow_redirects=False, **options)
