"""An instance with work of one person, and everybody who may come to it."""

from __future__ import annotations

from dataclasses import dataclass, field

from services.runtime import Runtime
from tests.web import client_of

SECRET = "plan-of-bo"
WORD = "correct horse battery"


@dataclass
class House:
    """An instance on which bo has a batch, and everybody who may come to it."""

    runtime: Runtime
    batch_id: str
    recording: str
    document: str
    headers: dict[str, dict[str, str]] = field(default_factory=dict)

    def front(self, who: str) -> Runtime:
        """Return the runtime as somebody sees it."""
        sent = self.headers[who]
        cookie = sent.get("Cookie", "").partition("=")[2] or None
        bearer = sent.get("Authorization", "").partition(" ")[2] or None
        person = self.runtime.people.identify(cookie, bearer)
        assert person is not None
        return self.runtime.seen_by(person)


STRANGERS = ("nobody", "ended session", "expired token", "no token of ours")
READERS = ("owner", "reading token")
OTHERS = ("other", "admin", "other's token")


def asked(house: House, who: str, method: str, path: str, **options):
    client = client_of(house.runtime)
    return client.request(method, path, headers=house.headers[who], **options)
