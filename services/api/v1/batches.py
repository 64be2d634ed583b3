"""Submitting files, and batches."""

from __future__ import annotations

import hashlib
import json
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import from_json
from starlette.exceptions import HTTPException
from starlette.responses import Response

from services.api.files import made_file
from services.api.v1.endpoint import CHANGE, Endpoint, Header, answered
from services.api.v1.found import page_of, require_batch, require_own_batch, shown
from services.api.v1.models import (
    BatchOutput,
    Changed,
    Id,
    Input,
    JobOutput,
    OptionsInput,
    OptionsOutput,
    Output,
    Page,
    Paging,
    Text,
)
from services.api.v1.options import chosen
from services.api.v1.results import Format, StyleQuery
from services.files.scratch import scratch_path
from services.files.workspace import StoredFile, Workspace
from services.jobs.models import FELL_SHORT, Batch, JobFilter, Kind, Options, State
from services.jobs.once import Once
from services.people.models import Scope
from services.runtime import Runtime

Key = Annotated[
    Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[!-~]+$")] | None,
    Header("Idempotency-Key"),
    Field(description="A key of yours: sent again with it within a day, it makes no second batch."),
]


def _parsed(value: Any) -> Any:
    try:
        return from_json(value) if isinstance(value, str) else value
    except ValueError as error:
        raise ValueError("this is not JSON") from error


def _stored(value: Any) -> Any:
    if not isinstance(value, StoredFile):
        raise ValueError("this is no file: send its content, and its name (with curl “@talk.m4a”)")
    return value


Upload = Annotated[
    StoredFile,
    BeforeValidator(_stored),
    WithJsonSchema({"type": "string", "format": "binary"}),
]
"""A file in a form."""


class Submission(Input):
    """Files to process as one batch."""

    model_config = ConfigDict(
        arbitrary_types_allowed=True,
        # One of both. An alternative at the root, generators of clients take for anything at all.
        json_schema_extra={
            "if": {"required": ["files"]},
            "then": {"not": {"required": ["uploads"]}},
            "else": {"required": ["uploads"]},
        },
    )

    files: list[Upload] = Field(default=[], min_length=1, max_length=1000)
    """Recordings and documents; the part is repeated for each."""
    uploads: list[Text] = Field(default=[], min_length=1, max_length=1000)
    """In their place, the ids of uploads that have arrived (`/files/uploads`, the tus protocol)."""
    options: Annotated[OptionsInput | None, BeforeValidator(_parsed)] = None
    """The settings for all of them, as JSON."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if bool(self.files) == bool(self.uploads):
            raise ValueError("it needs files, or the ids of uploads, and not both")
        return self


class JobsQuery(Paging):
    """Which of the jobs."""

    state: list[State] = Field(default=[])
    """In one of these states."""
    kind: list[Kind] = Field(default=[])
    """Of one of these kinds."""


class ZipQuery(StyleQuery):
    """What a ZIP holds."""

    format: list[Format] = Field(default=[])
    """The formats; all that a result has where nothing is said."""


class Again(Input):
    """With which settings files are processed again."""

    options: OptionsInput | None = None
    """New ones. Where they say nothing, and in their absence, each file keeps those it had; of
    several files those that they have in common, and the server's for the rest."""


class AgainMany(Again):
    """Which files are processed again, and with which settings."""

    all: bool = False
    """Every file that ended; otherwise those that failed or were cancelled."""


class Submitted(Output):
    """A batch that was made just now."""

    id: Id
    owner: str
    created_at: float
    total: int
    """How many files it has."""
    options: OptionsOutput


def submit(
    front: Runtime, form: Submission, workspace: Workspace, idempotency_key: Key = None
) -> Response:
    """Submit files as one batch.

    A file that cannot be processed becomes a job that failed and says why.
    """
    options = chosen(front, form.options)
    once = None
    if idempotency_key is not None:
        sent = [[file.name, file.sha256] for file in form.files] or form.uploads
        once = once_of(idempotency_key, sent, options)
    batch = front.submitted(once) if once else None
    replayed = batch is not None
    if batch is None:
        batch, replayed = _submitted(front, form, options, workspace, once)
    if batch.workspace != workspace.path:
        front.drop(workspace)  # nobody needs what was sent again
    headers = {"Location": f"/api/v1/batches/{batch.id}"}
    if replayed:
        headers["Idempotent-Replayed"] = "true"
    made = Submitted(
        id=batch.id,
        owner=batch.owner,
        created_at=batch.created_at,
        total=len(form.files or set(form.uploads)),
        options=OptionsOutput.of(batch.options),
    )
    return answered(made, 201, headers)


def once_of(key: str, sent: Any, options: Options) -> Once:
    """Return a submission's key with the fingerprint of what it submits."""
    what = json.dumps([sent, options.as_dict()])
    return Once(key, hashlib.sha256(what.encode()).hexdigest())


def _submitted(
    front: Runtime, form: Submission, options: Options, workspace: Workspace, once: Once | None
) -> tuple[Batch, bool]:
    """Submit a form; return the batch, and whether it was submitted with the key before."""
    files = form.files
    if form.uploads:
        try:
            workspace, files = front.uploaded(form.uploads)
        except KeyError as error:
            # Another request with the same key may have been faster just now.
            if once and (batch := front.submitted(once)):
                return batch, True
            raise HTTPException(409, f"No upload of yours waits as {error}.") from error
    batch = front.submit(files, options=options, workspace=workspace, once=once)
    return batch, batch.workspace != workspace.path


def batches(front: Runtime, query: Paging) -> Page[BatchOutput]:
    """List the batches that you see, the newest first."""
    found = front.batches(query.limit, query.offset)
    guest = front.person.is_guest
    items = [BatchOutput.of(one.batch, one.first_name, one.counts, guest) for one in found]
    return Page[BatchOutput](items=items, total=front.count_batches())


def batch(front: Runtime, batch_id: Id) -> BatchOutput:
    """Return a batch."""
    return shown(front, require_batch(front, batch_id))


def batch_jobs(front: Runtime, batch_id: Id, query: JobsQuery) -> Page[JobOutput]:
    """List the jobs of a batch, in the order of their submission."""
    require_batch(front, batch_id)
    wanted = JobFilter(batch_id, tuple(query.state), tuple(query.kind))
    return page_of(front, wanted, query)


def export_batch(front: Runtime, batch_id: Id, query: ZipQuery) -> Response:
    """Return all results of a batch as a ZIP, a folder for each format."""
    require_batch(front, batch_id)
    target = scratch_path("batch.zip")
    try:
        front.write_zip(batch_id, target, [*map(str, query.format)], query.style())
    except FileNotFoundError as error:
        raise HTTPException(409, "A result of it was deleted meanwhile. Ask again.") from error
    return made_file(target, f"Scriptorium {batch_id[:8]}.zip")


def cancel_batch(front: Runtime, batch_id: Id) -> Changed:
    """Cancel what has not ended in a batch."""
    require_own_batch(front, batch_id)
    return Changed(count=front.cancel_batch(batch_id))


def retry_batch(front: Runtime, batch_id: Id, body: AgainMany) -> Changed:
    """Process what failed or was cancelled in a batch again, or all that ended."""
    require_own_batch(front, batch_id)
    wanted = JobFilter(batch_id, () if body.all else FELL_SHORT)
    options = None
    if body.options is not None:
        options = chosen(front, body.options, front.common_options(wanted))
    return Changed(count=front.rerun(wanted, options))


def delete_batch(front: Runtime, batch_id: Id) -> Response:
    """Delete a batch with all its jobs, results and originals."""
    require_own_batch(front, batch_id)
    front.delete_batch(batch_id)
    return Response(status_code=204)


ENDPOINTS = [
    Endpoint("POST", "/batches", submit, (Scope.SUBMIT,), 201, Submitted, statuses=(409,)),
    Endpoint("GET", "/batches", batches),
    Endpoint("GET", "/batches/{batch_id}", batch),
    Endpoint("DELETE", "/batches/{batch_id}", delete_batch, CHANGE, 204),
    Endpoint("GET", "/batches/{batch_id}/jobs", batch_jobs),
    Endpoint(
        "GET",
        "/batches/{batch_id}/export",
        export_batch,
        media=("application/zip",),
        statuses=(409,),
    ),
    Endpoint("POST", "/batches/{batch_id}/cancel", cancel_batch, CHANGE),
    Endpoint("POST", "/batches/{batch_id}/retry", retry_batch, CHANGE),
]
