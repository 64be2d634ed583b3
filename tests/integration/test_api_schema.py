"""The API answers what its own document allows, and what it forbids, as the document says."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode
from starlette.applications import Starlette

from services.api import app as web
from services.api.v1.app import described
from services.config import Settings
from services.people.models import Role, Scope
from services.runtime import Runtime
from tests import media

EXAMPLES = {
    ("admin", GenerationMode.POSITIVE): 4,
    ("admin", GenerationMode.NEGATIVE): 4,
    ("reading", GenerationMode.POSITIVE): 1,
    ("submitting", GenerationMode.POSITIVE): 1,
    ("other", GenerationMode.POSITIVE): 1,
}
"""Requests for an operation, by whose token they come with and whether the document allows them."""


class Late:
    """The application that is asked: the one of the runtime that is there by then."""

    app: Starlette

    async def __call__(self, *asked) -> None:
        await self.app(*asked)


LATE = Late()
SCHEMA = schemathesis.openapi.from_dict(described())
SCHEMA.app = LATE
OPERATIONS = [found.ok() for found in SCHEMA.get_all_operations()]


@dataclass
class Served:
    """A runtime's routes, with a batch of a document that is there again when it was deleted."""

    runtime: Runtime
    tokens: dict[str, str]
    document: object
    batch: str = ""
    job: str = ""

    def ids(self) -> dict[str, str]:
        """Return the ids of a batch that has ended, and of its job, which has a result."""
        if self.runtime.batch(self.batch) is None:
            made = self.runtime.submit([self.document], owner="ana")
            self.batch, self.job = made.id, self.runtime.jobs(made.id)[0].id
        self.runtime.wait(self.batch, 60)
        return {"batch_id": self.batch, "job_id": self.job}


@pytest.fixture(scope="module")
def served(tmp_path_factory):
    root = tmp_path_factory.mktemp("schema")
    config = Settings(data_dir=root / "data", mode="accounts", device="cpu", engine="whisper")
    with Runtime(config) as runtime:
        people = runtime.people
        people.accounts.add("ana", "correct horse battery", Role.ADMIN)
        people.accounts.add("ben", "correct horse battery")
        scopes = {"admin": Scope, "reading": [Scope.READ], "submitting": [Scope.SUBMIT]}
        tokens = {who: people.tokens.create("ana", who, may)[0] for who, may in scopes.items()}
        tokens["other"], _ = people.tokens.create("ben", "other", [Scope.READ, Scope.SUBMIT])
        LATE.app = Starlette(
            routes=web.routes(runtime.settings), middleware=web.middleware(runtime)
        )
        yield Served(runtime, tokens, media.write_pdf(root / "paper.pdf", ["One", "Two"]))


def test_generators_of_clients_find_types_for_everything():
    """They take a form with alternatives at its root for anything, and the first type that fits."""
    document = described()
    schemas = document["components"]["schemas"]
    for methods in document["paths"].values():
        for one in methods.values():
            sent = one.get("requestBody", {"content": {}})["content"].values()
            assert not [s for s in sent if {"oneOf", "anyOf", "allOf"} & set(s["schema"])]
            answer = one["responses"].get("200", {}).get("content", {}).get("application/json", {})
            options = answer.get("schema", {}).get("anyOf", [])
            needs = [set(schemas[o["$ref"].rpartition("/")[2]]["required"]) for o in options]
            assert not [n for n, first in enumerate(needs) if any(first < n for n in needs[n:])]


@pytest.mark.parametrize(("who", "mode"), EXAMPLES, ids=str)
@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda one: one.label)
def test_every_answer_is_as_the_document_says(operation, who, mode, served):
    @given(operation.as_strategy(generation_mode=mode))
    @settings(
        max_examples=EXAMPLES[who, mode],
        derandomize=True,
        phases=(Phase.explicit, Phase.generate),
        suppress_health_check=list(HealthCheck),
    )
    def ask(case):
        ids = served.ids()
        for name, value in (case.path_parameters or {}).items():
            if re.fullmatch("[0-9a-f]{32}", str(value)):
                case.path_parameters[name] = ids[name]
        if mode is GenerationMode.POSITIVE:  # what no schema says: which models and keys there are
            if isinstance(case.body, dict) and isinstance(case.body.get("options"), dict):
                case.body["options"].pop("model", None)
            if "Idempotency-Key" in (case.headers or {}):
                case.headers["Idempotency-Key"] = secrets.token_hex()
        headers = {"Authorization": f"Bearer {served.tokens[who]}"}
        case.call_and_validate(headers=headers, timeout=120)

    ask()
