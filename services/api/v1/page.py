"""The page that shows the OpenAPI document: plain HTML without scripts.

Swagger UI and Redoc are scripts of one to two megabytes that the Python packages around them
follow late; a reader of this page needs neither, and the page may forbid every script.
"""

from __future__ import annotations

import html
import json
import re
from itertools import groupby
from pathlib import Path
from string import Template
from typing import Any

Schema = dict[str, Any]

_PAGE = Template((Path(__file__).parent / "page.html").read_text(encoding="utf-8"))


def page(document: Schema) -> str:
    """Return the HTML of an OpenAPI document."""
    operations = [
        (path, method, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    groups = groupby(operations, key=lambda one: one[2]["tags"][0])
    schemas = document["components"]["schemas"]
    return _PAGE.substitute(
        about=f"<p>{_prose(document['info']['description'])}</p>"
        '<p>For generators: <a href="/api/v1/openapi.json">openapi.json</a>. '
        "What is marked with * must be there.</p>",
        operations="\n".join(
            f"<h2><code>{html.escape(tag)}</code></h2>\n" + "\n".join(_operation(*o) for o in group)
            for tag, group in groups
        ),
        schemas="\n".join(_component(name, schema) for name, schema in schemas.items()),
    )


def _operation(path: str, method: str, operation: Schema) -> str:
    scopes = operation["security"][0]["token"]
    needs = " and ".join(f"<code>{scope}</code>" for scope in scopes)
    parts = [f"<p>{_prose(operation['description'])}</p>" if "description" in operation else ""]
    parts.append(f"<p>Needs {needs}.</p>" if needs else "")
    if rows := [
        (
            one["name"],
            _kind(one["schema"]),
            one.get("description") or f"In the {one['in']}.",
            one.get("required"),
        )
        for one in operation["parameters"]
    ]:
        parts += ["<h3>Parameters</h3>", _table(rows)]
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        parts += [f"<h3>Body, {media}</h3>", _properties(content["schema"])]
    parts += ["<h3>Answers</h3>", _answers(operation["responses"])]
    parts += ["<h3>With curl</h3>", f"<pre>{html.escape(_curl(path, method, operation))}</pre>"]
    return (
        f'<details id="{operation["operationId"]}"><summary><b class="{method}">{method.upper()}'
        f"</b><code>{html.escape(path)}</code><span>{_prose(operation['summary'])}</span></summary>"
        + "\n".join(part for part in parts if part)
        + "</details>"
    )


def _answers(responses: Schema) -> str:
    """Return a table of what comes back; errors that look the same share a row."""
    rows: list[tuple[str, str, str, Any]] = []
    errors: dict[str, list[str]] = {}
    for status, answer in responses.items():
        kinds = "<br>".join(
            f"{html.escape(media.partition(';')[0])} {_kind(content['schema'])}"
            for media, content in answer.get("content", {}).items()
        )
        if status >= "400":
            errors.setdefault(kinds, []).append(status)
        else:
            rows.append((status, kinds, answer["description"], False))
    rows += [(", ".join(them), kinds, "What went wrong.", False) for kinds, them in errors.items()]
    return _table(rows)


def _component(name: str, schema: Schema) -> str:
    about = schema.get("description", "")
    listed = ", ".join(f"<code>{html.escape(str(one))}</code>" for one in schema.get("enum", ()))
    shown = _properties(schema) if "properties" in schema else f"<p>{listed}</p>"
    return (
        f"<details><summary><code>{html.escape(name)}</code>"
        f"<span>{_prose(about.partition(chr(10))[0])}</span></summary>"
        # Inside: a link to it opens it.
        f'<div id="{html.escape(name)}">{shown}</div></details>'
    )


def _properties(schema: Schema) -> str:
    if "properties" not in schema:
        return f"<p>{_kind(schema)}</p>"
    required = schema.get("required", ())
    return _table(
        [
            (name, _kind(inner), inner.get("description", ""), name in required)
            for name, inner in schema["properties"].items()
        ]
    )


def _table(rows: list[tuple[str, str, str, Any]]) -> str:
    """Return rows of a name, the HTML of its type, what it is, and whether it must be there."""
    made = "".join(
        f"<tr><td>{html.escape(name)}{' *' if needed else ''}</td><td>{kind}</td>"
        f"<td>{_prose(about)}</td></tr>"
        for name, kind, about, needed in rows
    )
    return f'<div class="table"><table>{made}</table></div>'


def _kind(schema: Schema) -> str:
    """Return the HTML of a type."""
    if "$ref" in schema:
        name = html.escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_kind(one) for one in schema["anyOf"])
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return html.escape(", ".join(map(str, values[:12])) + (", …" if len(values) > 12 else ""))
    if schema.get("type") == "array":
        return f"list of {_kind(schema.get('items', {}))}"
    if isinstance(inner := schema.get("additionalProperties"), dict):
        return f"by name: {_kind(inner)}"
    binary = schema.get("format") == "binary"
    found = "file" if binary else html.escape(schema.get("type", ""))
    default = schema.get("default")
    return found if default in (None, "", []) else f"{found}, {html.escape(json.dumps(default))}"


def _curl(path: str, method: str, operation: Schema) -> str:
    words = ["curl -H 'Authorization: Bearer scr_…'"]
    if method != "get":
        words.append(f"-X {method.upper()}")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        if media == "application/json":
            words.append(f"-H 'Content-Type: {media}' -d '{{}}'")
        else:
            schema = content["schema"]
            needed = schema.get("required") or schema["if"]["required"]
            words += [f"-F {name}={'@talk.wav' if 'file' in name else '…'}" for name in needed]
    query = "&".join(
        f"{one['name']}=…"
        for one in operation["parameters"]
        if one["in"] == "query" and one["required"]
    )
    return " ".join([*words, f"'http://127.0.0.1:8501{path}{'?' if query else ''}{query}'"])


def _prose(text: str) -> str:
    """Return a sentence as HTML; what stands in back quotes is code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(" ".join(text.split())))
