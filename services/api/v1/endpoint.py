"""An endpoint: what it takes and gives stands in its function's annotations, and only there.

The route that serves it and its part of the OpenAPI document are both made from these.
"""

from __future__ import annotations

import inspect
import json
import re
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from services.api.door import front_of
from services.api.v1.receive import receive
from services.api.v1.values import Invalid, fields_of, read
from services.people.models import Scope

CHANGE = (Scope.READ, Scope.SUBMIT)
"""What somebody needs to change what is there: its state is told in the answer."""

MOST_BYTES = 1_000_000
"""Size of a JSON body."""

NO_JSON = "Send JSON, as application/json."


@dataclass(frozen=True)
class Header:
    """Marks a parameter that is an HTTP header of this name."""

    name: str


@dataclass(frozen=True)
class Endpoint:
    """A method of a path, and the function that answers it.

    The function's parameters say what it takes: `front` and `request`; `query`, `body` and `form`,
    models of what is sent there; `workspace`, where the files of a form lie; headers, marked by
    `Header`; all others stand in the path. It may be a coroutine; else a thread runs it.

    `scopes` are what somebody must be allowed to do. `answer` is the type of the JSON answer
    where the function returns a `Response`; `media` are other types of content that it may be.
    `statuses` are others that it may answer with, beside those that follow from what it takes.
    """

    method: str
    path: str
    function: Callable[..., Any]
    scopes: tuple[Scope, ...] = (Scope.READ,)
    status: int = 200
    answer: Any = None
    media: tuple[str, ...] = ()
    statuses: tuple[int, ...] = ()

    @cached_property
    def takes(self) -> dict[str, Any]:
        """The types of the function's parameters, by name, and of its `return`."""
        return get_type_hints(self.function, include_extras=True)

    @property
    def gives(self) -> Any:
        """The type of its JSON answer; None for another kind of answer."""
        found = self.answer or self.takes.get("return")
        return None if found is Response else found

    @property
    def in_path(self) -> dict[str, Any]:
        """The types of what stands in the path."""
        named = re.findall(r"{(\w+)", self.path)
        return {name: kind for name, kind in self.takes.items() if name in named}

    @property
    def described_path(self) -> str:
        """The path as the OpenAPI document has it, which knows no parts of several segments."""
        return self.path.replace(":path}", "}")

    @property
    def headers(self) -> dict[str, tuple[str, Any]]:
        """The name of each parameter that is a header, with that header's name and its type."""
        return {
            name: (mark.name, kind)
            for name, kind in self.takes.items()
            if get_origin(kind) is Annotated
            for mark in get_args(kind)[1:]
            if isinstance(mark, Header)
        }

    async def serve(self, request: Request) -> Response:
        """Answer a request.

        Raises:
            NotAllowed: somebody may not do this.
            Invalid: what was sent is not of the form that is known.
            HTTPException: nothing is there, or it cannot be taken.
        """
        front = front_of(request)
        for scope in self.scopes:
            await run_in_threadpool(front.require, scope)
        given = self._given(request)
        if "body" in self.takes:
            given["body"] = await _body(request, self.takes["body"])
        if "form" in self.takes:
            form, workspace = await receive(request, front, self.takes["form"])
            given |= {"form": form, "workspace": workspace}
        try:
            if inspect.iscoroutinefunction(self.function):
                found = await self.function(**given)
            else:
                found = await run_in_threadpool(self.function, **given)
        except Exception:
            if "workspace" in given:  # where nothing was submitted, nobody needs it
                await run_in_threadpool(front.drop, given["workspace"])
            raise
        except BaseException:  # cancelled, while a thread may be about to submit it
            if "workspace" in given:
                given["workspace"].release(time.time())
            raise
        return found if isinstance(found, Response) else answered(found, self.status)

    def _given(self, request: Request) -> dict[str, Any]:
        """Read everything but the body."""
        given: dict[str, Any] = {"front": front_of(request), "request": request}
        given = {name: value for name, value in given.items() if name in self.takes}
        for name, kind in self.in_path.items():
            try:
                given[name] = read("path", kind, request.path_params[name])
            except Invalid as error:
                raise HTTPException(404, "There is nothing at this address.") from error
        for name, (header, kind) in self.headers.items():
            given[name] = read(f"header.{header}", kind, request.headers.get(header))
        if "query" in self.takes:
            model = self.takes["query"]
            sent = fields_of(model, request.query_params.multi_items())
            given["query"] = read("query", model, sent)
        return given


def routes(prefix: str, endpoints: Sequence[Endpoint]) -> list[Route]:
    """Return a route for each path, so that a wrong method is told which ones there are."""
    paths: dict[str, dict[str, Endpoint]] = defaultdict(dict)
    for endpoint in endpoints:
        paths[endpoint.path][endpoint.method] = endpoint
    return [_route(prefix + path, methods) for path, methods in paths.items()]


def answered(
    found: BaseModel, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """Return a model as the JSON of an answer."""
    return Response(as_json(found), status, headers, "application/json")


def as_json(found: BaseModel) -> bytes:
    """Return a model as JSON, in one line."""
    text = json.dumps(found.model_dump(by_alias=True), ensure_ascii=False, separators=(",", ":"))
    # A text may hold half of a character, where a document does.
    return text.encode(errors="replace")


def _route(path: str, methods: dict[str, Endpoint]) -> Route:
    async def serve(request: Request) -> Response:
        return await methods["GET" if request.method == "HEAD" else request.method].serve(request)

    return Route(path, serve, methods=list(methods), name=path)


async def _body(request: Request, kind: Any) -> Any:
    """Read a JSON body; a form of another site cannot send one. None at all says nothing."""
    sent = request.headers.get("content-type")
    if sent is not None and sent.split(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, NO_JSON)
    body = b""
    async for chunk in request.stream():
        body += chunk
        if sent is None and body:
            raise HTTPException(415, NO_JSON)
        if len(body) > MOST_BYTES:
            raise HTTPException(413, f"The body may have {MOST_BYTES:,} bytes at most.")
    return read("body", kind, b"{}" if sent is None else body)
