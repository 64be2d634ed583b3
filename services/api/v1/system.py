"""Who somebody is here, and the folders that are watched."""

from __future__ import annotations

from starlette.responses import Response

from services.api.v1.endpoint import Endpoint
from services.api.v1.models import Output
from services.people.models import Scope
from services.runtime import Runtime
from services.watch.root import RootState


class Me(Output):
    """Who asks, and what they may do."""

    name: str
    """Empty for a guest, who came by a link."""
    scopes: list[Scope]
    """`read`, `submit` and change one's own, `admin`."""
    proof: str | None
    """Whether they came with a `session` or a `token`; neither on a local instance."""


class FolderOutput(Output):
    """A watched folder."""

    path: str
    state: RootState
    since: float
    """When it came into this state."""
    polling: bool
    """Whether it is looked through again and again, because nothing tells of its changes."""
    waiting: int
    """Files that are seen and not taken yet."""
    in_work: int
    """Files that are taken and of which something is still to do."""
    taken: int
    """Files that were taken since the start."""
    last_taken: float | None
    problems: list[str]
    """Sentences; empty when all is well."""


class Folders(Output):
    """The watched folders."""

    items: list[FolderOutput]


def me(front: Runtime) -> Me:
    """Return who you are here."""
    person = front.person
    return Me(
        name=person.name,
        scopes=[scope for scope in Scope if person.may(scope)],
        proof=str(person.proof) if person.proof else None,
    )


def folders(front: Runtime) -> Folders:
    """List the watched folders, as the settings name them."""
    same = [name for name in FolderOutput.model_fields if name not in ("path", "problems")]
    return Folders(
        items=[
            FolderOutput(
                path=str(one.path),
                problems=list(one.problems),
                **{name: getattr(one, name) for name in same},
            )
            for one in front.watched_folders()
        ]
    )


def scan(front: Runtime) -> Response:
    """Look through the watched folders now instead of at the next round."""
    front.scan_watched_folders()
    return Response(status_code=202)


ENDPOINTS = [
    Endpoint("GET", "/me", me, ()),
    Endpoint("GET", "/watched-folders", folders, (Scope.ADMIN,)),
    Endpoint("POST", "/watched-folders/scan", scan, (Scope.ADMIN,), 202),
]
