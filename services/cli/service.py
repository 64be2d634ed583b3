"""The commands that make the server a Windows service."""

from __future__ import annotations

import sys
from collections.abc import Callable

import typer

from services.errors import ScriptoriumError

app = typer.Typer(help="Have Windows start the server with the machine.", rich_markup_mode=None)


@app.command()
def install() -> None:
    """Add the server to the services that Windows starts."""

    def act() -> str:
        from services.windows.service import NAME, install

        install()
        return (
            f"Windows starts {NAME} from now on. Give NT SERVICE\\{NAME} its rights, as "
            f"docs/deploy/README.md shows, and start it: Start-Service {NAME}"
        )

    _carry_out(act)


@app.command()
def remove() -> None:
    """Take the server away from Windows' services; what it has stored stays."""

    def act() -> str:
        from services.windows.service import NAME, remove

        remove()
        return f"Windows does not start {NAME} any more."

    _carry_out(act)


def _carry_out(act: Callable[[], str]) -> None:
    """Say what was done, or why it was not.

    Settings are not read here: a data directory that an administrator made would be closed to the
    service's account.
    """
    from services.cli.main import Exit

    try:
        if sys.platform != "win32":
            raise ScriptoriumError(
                "This is for Windows. On Linux, systemd starts the server with the machine: "
                "docs/deploy/README.md has the steps."
            )
        print(act())  # noqa: T201
    except ScriptoriumError as error:
        print(error, file=sys.stderr)  # noqa: T201
        raise typer.Exit(Exit.USAGE) from None
