"""One signed POST, as https://www.standardwebhooks.com describes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import socket
import ssl
from urllib.parse import SplitResult, urlsplit

from services.addresses import is_local
from services.errors import ScriptoriumError

TIMEOUT = 10.0
PREFIX = "whsec_"


class NotDelivered(ScriptoriumError):
    """The receiver did not take it; the sentence says why."""


def key_of(secret: str) -> bytes:
    """Return the key: what follows `whsec_` is Base64, any other secret is itself the key."""
    if secret.startswith(PREFIX):
        return base64.b64decode(secret.removeprefix(PREFIX))
    return secret.encode()


def sign(secret: str, id: str, timestamp: int, body: bytes) -> dict[str, str]:
    """Return the headers that let a receiver check who sent `body`, when, and whether again.

    The signature is the HMAC-SHA256 of "id.timestamp.body" in Base64.
    """
    content = f"{id}.{timestamp}.".encode() + body
    digest = hmac.new(key_of(secret), content, hashlib.sha256).digest()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": f"v1,{base64.b64encode(digest).decode()}",
    }


def post(url: str, body: bytes, headers: dict[str, str], *, local: bool) -> None:
    """Send `body`, JSON, straight to `url`: no proxy, no redirect.

    Args:
        local: Whether it may go to this machine itself, or to link-local addresses.

    Raises:
        NotDelivered: it was not answered with a status of success (2xx).
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection = http.client.HTTPConnection(host, timeout=TIMEOUT)
    try:
        connection.sock = _connect(parts, local)
        own = {"Host": parts.netloc, "Content-Type": "application/json"}
        connection.request("POST", target, body, {**own, "User-Agent": "Scriptorium", **headers})
        answer = connection.getresponse()
    except (OSError, http.client.HTTPException) as error:
        reason = str(error) or type(error).__name__
        raise NotDelivered(f"{host} cannot be reached: {reason}.") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise NotDelivered(f"{host} answered {answer.status} {answer.reason}.")


def _connect(parts: SplitResult, local: bool) -> socket.socket:
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    opened = socket.create_connection((host, parts.port or (443 if secure else 80)), TIMEOUT)
    # Whom it reached, and not what its name is said to stand for.
    reached = opened.getpeername()[0]
    if not local and is_local(reached):
        opened.close()
        raise NotDelivered(
            f"{host} is {reached}, which is this machine itself or its link. Webhooks go there "
            "only with webhook_local = true."
        )
    if secure:
        try:
            return ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        except BaseException:
            opened.close()
            raise
    return opened
