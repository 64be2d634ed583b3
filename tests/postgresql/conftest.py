"""The tests of the store once more, on PostgreSQL: a server of our own, reached by a socket."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from psycopg.sql import SQL, Identifier

Made = Callable[[], str]


def programs() -> Path:
    """Return the directory of PostgreSQL's programs; Debian keeps them off the PATH."""
    if sys.platform == "win32":
        pytest.skip("its tests reach the server by a Unix socket")
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent  # links may lie elsewhere
    installed = list(Path("/usr/lib/postgresql").glob("*/bin"))
    if not installed:
        reason = "PostgreSQL is not installed (Debian package: postgresql)"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return max(installed, key=lambda path: float(path.parent.name))


class PostgreSQL:
    """A server with its data in `home`, which it may be started on again."""

    def __init__(self, home: str) -> None:
        self._home = home
        # It refuses to run as root; the package makes this user.
        self._user = "postgres" if os.geteuid() == 0 else None
        if self._user:
            shutil.chown(home, self._user)
        self._programs = programs()
        self._names = itertools.count(1)
        self._call("initdb", "-U", "ana", "-A", "trust", "-E", "UTF8", "--no-sync")

    def start(self) -> None:
        options = f"-k {self._home} -c listen_addresses='' -c fsync=off"
        self._call("pg_ctl", "-w", "-l", f"{self._home}/log", "-o", options, "start")

    def stop(self) -> None:
        """Stop as a crash does."""
        self._call("pg_ctl", "-w", "-m", "immediate", "stop")

    def new_database(self) -> str:
        """Make a database; return its URL."""
        name = f"store{next(self._names)}"
        url = f"postgresql://ana@/postgres?host={self._home}"
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
        return f"postgresql://ana@/{name}?host={self._home}"

    def _call(self, program: str, *arguments: str) -> None:
        command = [self._programs / program, "-D", f"{self._home}/data", *arguments]
        subprocess.run(
            command, user=self._user, cwd=self._home, check=True, stdout=subprocess.DEVNULL
        )


@contextlib.contextmanager
def running() -> Iterator[PostgreSQL]:
    """Run a server of our own."""
    programs()
    # Not in pytest's directory: only who runs the tests may enter it, and sockets want short paths.
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        server = PostgreSQL(home)
        server.start()
        try:
            yield server
        finally:
            server.stop()


@pytest.fixture(scope="session")
def new_database() -> Iterator[Made]:
    with running() as server:
        yield server.new_database


@pytest.fixture
def store_url(new_database: Made) -> str:
    return new_database()
