"""The OpenAPI document, made of the endpoints that serve. https://spec.openapis.org/oas/v3.1.1"""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import JsonSchemaMode

from services.api.door import COOKIE
from services.api.v1.endpoint import Endpoint

_ABOUT = (
    "Recordings, videos and PDFs become searchable text on a machine of your own. Send a token "
    "of yours as `Authorization: Bearer scr_…`; a browser that is signed in needs none, and "
    "neither does anybody at the machine itself where only one person uses it. Times are seconds "
    "since the epoch. What goes wrong comes as `application/problem+json`, under `/v1` in the "
    "form that OpenAI's clients read."
)
_REF = "#/components/schemas/{model}"
Schema = dict[str, Any]


@dataclass(frozen=True)
class Table:
    """Endpoints under one prefix, and what their errors look like."""

    prefix: str
    endpoints: Sequence[Endpoint]
    error: type[BaseModel]
    error_media: str
    invalid: int = 422
    """The status of what is not of the form that is known."""


def document(tables: Sequence[Table]) -> Schema:
    """Return the OpenAPI document of these endpoints."""
    schemas = _Schemas(tables)
    paths: dict[str, Schema] = {}
    for table in tables:
        for one in table.endpoints:
            operation = _operation(table, one, schemas)
            paths.setdefault(table.prefix + one.described_path, {})[one.method.lower()] = operation
    return {
        "openapi": "3.1.1",
        "info": {"title": "Scriptorium", "version": "1", "description": _ABOUT},
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "schemas": schemas.used_by(paths),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": COOKIE},
            },
        },
    }


class _Schemas:
    """The JSON schemas of everything that endpoints take and give."""

    def __init__(self, tables: Sequence[Table]) -> None:
        wanted: list[tuple[Any, JsonSchemaMode, TypeAdapter[Any]]] = []
        for table in tables:
            wanted.append((table.error, "serialization", TypeAdapter(table.error)))
            for one in table.endpoints:
                taken = [kind for name, kind in one.takes.items() if _is_sent(one, name)]
                wanted += [(kind, "validation", TypeAdapter(kind)) for kind in taken]
                if one.gives is not None:
                    # A model is given whole; a result leaves out what it has none of.
                    whole = isinstance(one.gives, type) and issubclass(one.gives, BaseModel)
                    mode: JsonSchemaMode = "serialization" if whole else "validation"
                    wanted.append((one.gives, mode, TypeAdapter(one.gives)))
        found, definitions = TypeAdapter.json_schemas(wanted, ref_template=_REF)
        self._found = {kind: schema for (kind, _), schema in found.items()}
        self._all: dict[str, Schema] = definitions.get("$defs", {})

    def used_by(self, paths: Schema) -> Schema:
        """Return the schemas that these paths refer to, by name, and those that they refer to."""
        found: Schema = {}
        waiting = [paths]
        while waiting:
            for name in re.findall(r'"#/components/schemas/(\w+)"', json.dumps(waiting.pop())):
                if name not in found:
                    found[name] = self._all[name]
                    waiting.append(found[name])
        return dict(sorted(found.items()))

    def of(self, kind: Any) -> Schema:
        """Return the schema of a type."""
        return self._found[kind]

    def resolved(self, kind: Any) -> Schema:
        """Return the schema of a type itself, not where it stands."""
        schema = self.of(kind)
        return self._all[schema["$ref"].rpartition("/")[2]] if "$ref" in schema else schema

    def properties(self, kind: Any) -> Iterable[tuple[str, Schema, bool]]:
        """Yield the name and the schema of each property, and whether it must be there."""
        schema = self.resolved(kind)
        for name, inner in schema.get("properties", {}).items():
            yield name, _sent(inner), name in schema.get("required", ())


def _operation(table: Table, one: Endpoint, schemas: _Schemas) -> Schema:
    summary, _, more = (inspect.getdoc(one.function) or "").partition("\n\n")
    operation: Schema = {
        "operationId": one.function.__name__,
        "tags": [table.prefix],
        "summary": " ".join(summary.split()),
        "security": [{"token": sorted(one.scopes)}, {"session": []}],
        "parameters": _parameters(one, schemas),
        "responses": _responses(table, one, schemas),
    }
    if more:
        operation["description"] = " ".join(more.split())
    if "body" in one.takes:
        content: Schema = {"application/json": {"schema": schemas.of(one.takes["body"])}}
        needed = bool(schemas.resolved(one.takes["body"]).get("required"))
        operation["requestBody"] = {"required": needed, "content": content}
    if "form" in one.takes:
        form = one.takes["form"]
        properties = {name: schema for name, schema, _ in schemas.properties(form)}
        schema = {**schemas.resolved(form), "properties": properties}
        objects = [n for n, s in properties.items() if "$ref" in s]
        encoding = {name: {"contentType": "application/json"} for name in objects}
        content = {"multipart/form-data": {"schema": schema, "encoding": encoding}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _parameters(one: Endpoint, schemas: _Schemas) -> list[Schema]:
    found = [
        {"name": name, "in": "path", "required": True, "schema": schemas.of(kind)}
        for name, kind in one.in_path.items()
    ]
    for header, kind in one.headers.values():
        found.append(_parameter(header, "header", _sent(schemas.of(kind)), False))
    if "query" in one.takes:
        for name, schema, needed in schemas.properties(one.takes["query"]):
            found.append(_parameter(name, "query", schema, needed))
    return found


def _parameter(name: str, place: str, schema: Schema, needed: bool) -> Schema:
    about = schema.pop("description", "")
    found = {"name": name, "in": place, "required": needed, "schema": schema}
    return found | ({"description": about} if about else {})


def _responses(table: Table, one: Endpoint, schemas: _Schemas) -> Schema:
    content: Schema = {media: {"schema": {}} for media in one.media}
    if one.gives is not None:
        content = {"application/json": {"schema": schemas.of(one.gives)}, **content}
    found: Schema = {str(one.status): {"description": HTTPStatus(one.status).phrase}}
    if content:
        found[str(one.status)]["content"] = content
    error = {table.error_media: {"schema": schemas.of(table.error)}}
    for status in sorted(_statuses(table, one)):
        found[str(status)] = {"description": HTTPStatus(status).phrase}
        if status == 206:
            found["206"]["content"] = content
        elif status >= 400:
            found[str(status)]["content"] = error
    return found


def _statuses(table: Table, one: Endpoint) -> set[int]:
    """Return the statuses of answers beside the usual one."""
    found = {401, 403, 503, *one.statuses}
    if one.in_path:
        found.add(404)
    if one.headers or {"query", "body", "form"} & set(one.takes):
        found.add(table.invalid)
    if "body" in one.takes:
        found |= {413, 415}
    if "form" in one.takes:
        found |= {400, 413, 415, 507}
    return found


def _is_sent(one: Endpoint, name: str) -> bool:
    return name in ("query", "body", "form") or name in one.in_path or name in one.headers


def _sent(schema: Schema) -> Schema:
    """Return the schema of what is no JSON: it is left out instead of being null."""
    options = [one for one in schema.get("anyOf", ()) if one.get("type") != "null"]
    rest = {n: v for n, v in schema.items() if n not in ("anyOf", "title")}
    if rest.get("default", ()) in (None, []):
        del rest["default"]
    if not options:
        return rest
    return {**rest, **options[0]} if len(options) == 1 else {**rest, "anyOf": options}
