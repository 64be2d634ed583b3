"""Answers leave at once, instead of waiting until the one before was acknowledged."""

from __future__ import annotations

import socket
from asyncio import base_events


def send_promptly() -> None:
    """Have this process switch Nagle's algorithm off on every TCP connection of its event loops.

    A page is many small messages. With the algorithm (RFC 896) the second one waits for the
    acknowledgement of the first, which the other side holds back for 40 ms (Linux) to 200 ms
    (Windows). asyncio switches it off only on sockets that name TCP as their protocol; the one
    that Streamlit listens with, and so each that it accepts, leaves that to the system.
    """
    base_events._set_nodelay = _send_promptly  # type: ignore[attr-defined]


def _send_promptly(connection: socket.socket) -> None:
    internet = connection.family in (socket.AF_INET, socket.AF_INET6)
    if internet and connection.type == socket.SOCK_STREAM:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
