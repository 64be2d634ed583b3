"""Secrets that this instance gives out, and keeps only the hash of."""

from __future__ import annotations

import hashlib
import secrets


def new_secret() -> str:
    """Return a secret that nobody can guess: 256 random bits, in URL-safe Base64."""
    return secrets.token_urlsafe(32)


def hashed(secret: str) -> str:
    """Return the SHA-256 of a secret in hex.

    A fast hash is enough: unlike a password it cannot be found by trying.
    """
    return hashlib.sha256(secret.encode(errors="replace")).hexdigest()
