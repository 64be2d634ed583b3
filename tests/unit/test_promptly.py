import asyncio
import socket
from asyncio import base_events

import pytest

from services.api.promptly import send_promptly
from tests.web import run


def test_a_connection_to_a_socket_as_streamlit_opens_it_waits_for_no_acknowledgement(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(base_events, "_set_nodelay", base_events._set_nodelay)
    send_promptly()

    async def accepted_without_delay() -> bool:
        found: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

        async def note(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            option = writer.get_extra_info("socket").getsockopt(
                socket.IPPROTO_TCP, socket.TCP_NODELAY
            )
            found.set_result(bool(option))
            writer.close()

        listening = socket.socket(socket.AF_INET)
        assert listening.proto == 0  # as Streamlit does, and what asyncio does not take for TCP
        listening.bind(("127.0.0.1", 0))
        async with await asyncio.start_server(note, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            try:
                return await asyncio.wait_for(found, 10)
            finally:
                writer.close()

    assert run(accepted_without_delay())
