"""Reading what was sent as what is known."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any, get_origin

from pydantic import BaseModel, TypeAdapter, ValidationError

MOST_ERRORS = 20
"""Errors that are told of one request."""
LONGEST_WHERE = 200
"""Characters of a place that is told: it may be a name that somebody else made up."""


class Invalid(Exception):
    """What was sent is not of the form that is known; `errors` say where and why, the first few."""

    def __init__(self, errors: list[dict[str, str]]) -> None:
        told = [{**one, "where": one["where"][:LONGEST_WHERE]} for one in errors[:MOST_ERRORS]]
        if more := len(errors) - len(told):
            where = told[0]["where"].partition(".")[0]
            told.append({"where": where, "message": f"{more:,} more are wrong like these"})
        super().__init__("; ".join(f"{one['where']}: {one['message']}" for one in told))
        self.errors = told


def wrong(where: str, message: str) -> Invalid:
    """Return an error at one place."""
    return Invalid([{"where": where, "message": message}])


def read(part: str, kind: Any, value: Any) -> Any:
    """Return a value of a type, made of what was sent.

    Args:
        part: Where it was sent: the query, the body, …
        kind: The type.
        value: What was sent; bytes are JSON.

    Raises:
        Invalid: it is not of that type.
    """
    adapter = _adapter(kind)
    try:
        if isinstance(value, bytes):
            return adapter.validate_json(value)
        return adapter.validate_python(value)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        raise Invalid(
            [
                {
                    "where": ".".join([part, *map(str, one["loc"])]),
                    "message": one["msg"].removeprefix("Value error, "),
                }
                for one in found
            ]
        ) from error


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return what reads a type; to make one takes longer than to use it."""
    return TypeAdapter(kind)


def fields_of(model: type[BaseModel], sent: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return what was sent as a model takes it: lists where it has lists."""
    lists = {
        known
        for name, info in model.model_fields.items()
        for known in (name, info.alias)
        if get_origin(info.annotation) is list
    }
    found: dict[str, Any] = {}
    for name, value in sent:
        if name in lists:
            found.setdefault(name, []).append(value)
        else:
            found[name] = value
    return found
