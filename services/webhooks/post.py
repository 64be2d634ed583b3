"""One signed POST, as https://www.standardwebhooks.com describes it."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import io
import socket
import ssl
import time
from typing import Any

from httpx import URL, InvalidURL

from services.addresses import is_local
from services.errors import ScriptoriumError
from services.files.names import one_line

TIMEOUT = 10.0
"""Seconds that a connection, or each thing that is sent or read, may take."""
WHOLE = 2 * TIMEOUT
"""Seconds that all of it may take together, whatever comes meanwhile."""
PREFIX = "whsec_"
MOST_SAID = 200
"""Characters that are kept of what a receiver says."""


class NotDelivered(ScriptoriumError):
    """The receiver did not take it; the sentence says why."""


class NotReached(NotDelivered):
    """The receiver did not answer, which may have taken long."""


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
        NotReached: it was not answered, or not within `WHOLE`.
        NotDelivered: it was answered with another status than one of success (2xx).
    """
    ends = time.monotonic() + WHOLE
    try:
        to = URL(url)  # a name or a path in any script, as it is sent
    except InvalidURL as error:
        raise NotDelivered(f"A webhook’s address cannot be used: {error}.") from error
    host = to.raw_host.decode()
    # With a port, which the socket has already: without, it is looked for in an address of IPv6.
    connection = http.client.HTTPConnection(host, _port(to), timeout=TIMEOUT)
    try:
        connection.sock = _Timed(_connect(to, local, ends), ends)  # type: ignore[assignment]
        own = {"Host": to.netloc.decode(), "Content-Type": "application/json"}
        sent = {**own, "User-Agent": "Scriptorium", **headers}
        connection.request("POST", to.raw_path.decode(), body, sent)
        answer = connection.getresponse()
    # A ValueError: a name that no host can have.
    except (OSError, http.client.HTTPException, ValueError) as error:
        reason = _said(str(error)) or type(error).__name__
        raise NotReached(f"{host} cannot be reached: {reason}.") from error
    finally:
        connection.close()
    if not 200 <= answer.status < 300:
        raise NotDelivered(f"{host} answered {answer.status} {_said(answer.reason)}.")


def _said(text: str) -> str:
    """Return what a receiver says of itself as far as it is kept: it may say anything."""
    return one_line(text)[:MOST_SAID]


def _port(to: URL) -> int:
    return to.port or (443 if to.scheme == "https" else 80)


class _Timed:
    """What `http.client` uses of a socket, of which the whole has to be over at a time.

    A timeout of the socket alone would begin anew with every byte.
    """

    def __init__(self, opened: socket.socket, ends: float) -> None:
        self._socket = opened
        self._ends = ends

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._socket.settimeout(_left(self._ends))
        self._socket.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """Return what is read from it."""
        return io.BufferedReader(_Reading(self._socket, self._ends))

    def close(self) -> None:
        """Close it."""
        self._socket.close()


class _Reading(io.RawIOBase):
    def __init__(self, opened: socket.socket, ends: float) -> None:
        self._socket = opened
        self._ends = ends

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._socket.settimeout(_left(self._ends))
        return self._socket.recv_into(buffer)


def _left(ends: float) -> float:
    """Return the seconds that one step may take.

    Raises:
        TimeoutError: there are none.
    """
    left = ends - time.monotonic()
    if left <= 0:
        raise TimeoutError("timed out")
    return min(TIMEOUT, left)


def _connect(to: URL, local: bool, ends: float) -> socket.socket:
    host = to.raw_host.decode()
    secure = to.scheme == "https"
    failed: OSError = OSError("it has no address")
    for family, kind, protocol, _, address in socket.getaddrinfo(
        host, _port(to), 0, socket.SOCK_STREAM
    ):
        # Whom it reaches, and not what its name is said to stand for.
        if not local and is_local(str(address[0])):
            raise NotDelivered(
                f"{host} is {address[0]}, which is this machine itself or its link. Webhooks go "
                "there only with webhook_local = true."
            )
        opened = socket.socket(family, kind, protocol)
        try:
            opened.settimeout(_left(ends))
            opened.connect(address)
            if not secure:
                return opened
            opened.settimeout(_left(ends))
            return ssl.create_default_context().wrap_socket(opened, server_hostname=host)
        except OSError as error:
            opened.close()
            failed = error
        except BaseException:
            opened.close()
            raise
    raise failed
