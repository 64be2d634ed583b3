"""Submissions that carry a key: sent twice, they make one batch."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete
from sqlalchemy.orm import Session

from services.errors import KeyReused
from services.jobs.schema import BatchRow, KeyRow

KEPT = 24 * 3600.0
"""Seconds for which a key is remembered."""


@dataclass(frozen=True)
class Once:
    """The key that a program gave a submission, and the SHA-256 of what it submitted."""

    key: str
    fingerprint: str


def earlier(session: Session, owner: str, once: Once, now: float) -> BatchRow | None:
    """Return the batch that an owner's key made already; None for a new key.

    Raises:
        KeyReused: something else was submitted with that key, or its batch was deleted.
    """
    session.execute(delete(KeyRow).where(KeyRow.created_at < now - KEPT))
    row = session.get(KeyRow, (owner, once.key))
    if row is None:
        return None
    if row.fingerprint != once.fingerprint:
        raise KeyReused(
            "Something else was submitted with this key before. Use a new key for each submission."
        )
    batch = session.get(BatchRow, row.batch_id)
    if batch is None:
        raise KeyReused("What was submitted with this key was deleted. Use a new key.")
    return batch


def remember(session: Session, owner: str, once: Once, batch_id: str, now: float) -> None:
    """Write down which batch a key makes; of two at the same moment, the second one fails."""
    session.add(
        KeyRow(
            owner=owner,
            key=once.key,
            fingerprint=once.fingerprint,
            batch_id=batch_id,
            created_at=now,
        )
    )
    session.flush()
