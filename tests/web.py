"""A client of the routes, as the server serves them."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.applications import Starlette
from starlette.testclient import TestClient

from services.api import app
from services.runtime import Runtime

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in a thread of its own: Playwright's loop runs in the main one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


def client_of(runtime: Runtime, **options) -> TestClient:
    """Return a client that stands before the door of a runtime's routes, from this machine."""
    served = Starlette(routes=app.routes(runtime.settings), middleware=app.middleware(runtime))
    options = {"client": ("127.0.0.1", 50_000), **options}
    return TestClient(served, base_url="http://127.0.0.1", follow_redirects=False, **options)
