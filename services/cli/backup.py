"""The commands that back an instance up and put it back."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from services.cli.terminal import Terminal
from services.config import Settings

Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")]


def backup(
    target: Annotated[Path, typer.Argument(help="The .tar to write.", dir_okay=False)],
    library: Annotated[
        bool, typer.Option(help="Also the library; else it is made again after a restore.")
    ] = True,
    force: Annotated[bool, typer.Option("--force", help="Overwrite the file.")] = False,
    verbose: Verbose = False,
) -> None:
    """Write store, results and library to one file, also while the server runs."""
    from services.cli.main import Exit, UsageError, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.backup import backup

        if target.exists() and not force:
            raise UsageError(f"{target} exists already. Say --force to overwrite it.")
        made = backup(settings, target.absolute(), library)
        passages = "" if made.passages is None else f", {made.passages} passages"
        terminal.say(f"{made.jobs} files{passages}, {made.bytes / 1e6:,.1f} MB in {target}.")
        return Exit.DONE

    carry_out(act, verbose)


def restore(
    source: Annotated[Path, typer.Argument(help="A file of “backup”.", exists=True)],
    force: Annotated[
        bool, typer.Option("--force", help="Put aside what the data directory holds.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Put a backup into the data directory; its server must not run."""
    from services.cli.main import Exit, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.backup import restore

        made = restore(settings, source.absolute(), force)
        terminal.say(f"{made.jobs} files are in {settings.data_dir}.")
        if settings.mode != "local":
            terminal.say(
                "Everybody is signed out; tokens and links have ended and have to be made anew. "
                "Accounts, roles and passwords are as they were at the backup: close again whom "
                "you closed since (python -m services users list)."
            )
        if made.passages is None and settings.library:
            terminal.say("The library is made again when the server is started.")
        return Exit.DONE

    carry_out(act, verbose)
