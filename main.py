"""The server: `streamlit run main.py`."""

# ruff: noqa: E402  (the order of imports is the point of this file)
from __future__ import annotations

import gc
import logging
import math
import os
import sys

from services import heap
from services.config import load_settings
from services.errors import ScriptoriumError, SettingsError
from services.files.operations import make_private_dir
from services.files.temp import use_temp_root
from services.logs import set_up

log = logging.getLogger("scriptorium")


def refuse(error: ScriptoriumError) -> None:
    """End the server before it begins, with one sentence and no stack trace."""
    print(f"\n{error}\n", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(2)


# Every run of a page is a thread, and what ended threads used would be kept for nobody: a server
# of thirty people grew by ten megabytes a minute. Arrow, which Streamlit's tables go through, has
# an allocator of its own that does so too; it reads this when it is imported, later.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
heap.limit_heaps()

try:
    settings = load_settings()
    make_private_dir(settings.data_dir)
    # Before anything else is imported: libraries remember the first temporary directory.
    warning = use_temp_root(settings.temp_root)
    set_up(settings)
    if warning:
        log.warning(warning)
except ScriptoriumError as error:
    refuse(error)

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import streamlit as st
from streamlit import config

from services.api import app as web
from services.api.peer import believe_proxies
from services.api.promptly import send_promptly
from services.api.stopping import notice_signals
from services.people.settings import check_address
from services.runtime import Runtime, running

runtime = Runtime(settings)


@asynccontextmanager
async def lifespan(_: Any) -> AsyncIterator[dict[str, Any]]:
    """Start the runtime with the server, and stop it with the server."""
    try:
        runtime.start()
    except ScriptoriumError as error:
        refuse(error)
    running.append(runtime)
    notice_signals()
    send_promptly()
    gc.freeze()  # what is loaded now stays: sweeps of the memory need not look at it again
    try:
        yield {}
    finally:
        running.remove(runtime)
        runtime.stop()


if problem := check_address(settings.mode, st.get_option("server.address")):
    refuse(SettingsError(problem))
believe_proxies(settings.public_url is not None)
if settings.upload_limit_gb is not None:
    # Streamlit's own uploader says this limit before a file is sent: in MB there, in MiB here.
    limit = math.ceil(settings.upload_limit_gb * 1000)
    config.set_option("server.maxUploadSize", min(st.get_option("server.maxUploadSize"), limit))
app = st.App(
    "pages/app.py",
    lifespan=lifespan,
    routes=web.routes(settings),
    middleware=web.middleware(runtime),
)
