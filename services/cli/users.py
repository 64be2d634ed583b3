"""The commands about the people of a team."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from services.cli.terminal import Terminal
from services.config import Settings
from services.people.models import Role, Scope

if TYPE_CHECKING:
    from services.front import Front

app = typer.Typer(help="Add and change the people who may sign in.", rich_markup_mode=None)

Name = Annotated[str, typer.Argument(help="What they are called.")]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="Show the log.")]
FromInput = Annotated[
    bool, typer.Option("--password-stdin", help="Read the password from standard input.")
]


@app.command()
def add(
    name: Name,
    admin: Annotated[bool, typer.Option("--admin", help="Let them run the instance.")] = False,
    password_stdin: FromInput = False,
    take_over: Annotated[
        bool, typer.Option("--take-over", help="Let them have the work that is under their name.")
    ] = False,
    verbose: Verbose = False,
) -> None:
    """Add somebody who signs in with a password."""

    typed = _password(password_stdin)

    def act(front: Front) -> str:
        role = Role.ADMIN if admin else Role.PERSON
        user = front.admin.add_user(name, typed, role, take_over)
        return f"{user.name} can sign in now, as {'an admin' if admin else 'a person'}."

    _carry_out("add user", name, act, verbose)


@app.command()
def password(name: Name, password_stdin: FromInput = False, verbose: Verbose = False) -> None:
    """Give somebody a new password; they are signed out everywhere, and their tokens end."""

    typed = _password(password_stdin)

    def act(front: Front) -> str:
        front.people.accounts.set_password(name, typed)
        return f"{name} has a new password."

    _carry_out("set password", name, act, verbose)


@app.command()
def role(
    name: Name,
    role: Annotated[Role, typer.Argument(help="What they are.")],
    verbose: Verbose = False,
) -> None:
    """Make somebody an admin, or no admin any more; they are signed out everywhere."""

    def act(front: Front) -> str:
        front.people.accounts.set_role(name, role)
        return f"{name} is {'an admin' if role is Role.ADMIN else 'a person'} now."

    _carry_out(f"set role {role}", name, act, verbose)


@app.command()
def disable(name: Name, verbose: Verbose = False) -> None:
    """Close an account: its sessions and links end, its tokens do nothing, its batches stay."""

    def act(front: Front) -> str:
        front.people.accounts.disable(name)
        return f"{name} cannot sign in any more."

    _carry_out("disable user", name, act, verbose)


@app.command()
def enable(name: Name, verbose: Verbose = False) -> None:
    """Open an account again."""

    def act(front: Front) -> str:
        front.people.accounts.disable(name, disabled=False)
        return f"{name} can sign in again."

    _carry_out("enable user", name, act, verbose)


@app.command()
def remove(name: Name, verbose: Verbose = False) -> None:
    """Remove somebody; their batches stay, until somebody inherits or deletes them."""

    def act(front: Front) -> str:
        front.people.accounts.remove(name)
        return f"{name} is removed."

    _carry_out("remove user", name, act, verbose)


@app.command()
def inherit(
    owner: Annotated[str, typer.Argument(help="Whose batches: a name, or “local”.")],
    heir: Annotated[str, typer.Argument(help="To whom they go.")],
    verbose: Verbose = False,
) -> None:
    """Give all batches of one owner to somebody."""

    def act(front: Front) -> str:
        count = front.inherit(owner, heir)
        return f"{heir} owns {count} {'file' if count == 1 else 'files'} more."

    _carry_out("inherit", f"{owner} to {heir}", act, verbose)


@app.command()
def token(
    name: Name,
    label: Annotated[str, typer.Option(help="What it is for.")] = "command line",
    scope: Annotated[
        list[Scope] | None, typer.Option(help="What it allows; may be given again.")
    ] = None,
    days: Annotated[float | None, typer.Option(help="After which it ends.")] = None,
    verbose: Verbose = False,
) -> None:
    """Make a token with which programs act for somebody, and print it."""

    def act(front: Front) -> str:
        scopes = scope or [Scope.READ, Scope.SUBMIT]
        secret, _ = front.people.tokens.create(name, label, scopes, days)
        return secret

    _carry_out("create token", name, act, verbose)


@app.command("list")
def list_all(verbose: Verbose = False) -> None:
    """Show everybody."""
    from services.cli.main import Exit, carry_out

    def act(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=False) as session:
            rows = [
                (
                    user.name,
                    user.role + (", closed" if user.disabled else ""),
                    "provider" if user.subject else "password",
                    f"{datetime.fromtimestamp(user.seen_at):%Y-%m-%d %H:%M}"
                    if user.seen_at
                    else "never",
                )
                for user in session.front.people.accounts.all()
            ]
        if rows:
            terminal.table(("Name", "Role", "Signs in by", "Last seen"), rows)
        else:
            terminal.say("Nobody yet: python -m services users add NAME --admin")
        return Exit.DONE

    carry_out(act, verbose)


def _password(from_input: bool) -> str:
    if from_input:
        return sys.stdin.readline().rstrip("\r\n")
    typed: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return typed


def _carry_out(action: str, object: str, act: Callable[[Front], str], verbose: bool) -> NoReturn:
    """Do something, write it into the audit log, and say what came of it."""
    from services.cli.main import Exit, carry_out

    def whole(settings: Settings, terminal: Terminal) -> Exit:
        from services.cli.session import Session

        with Session(settings, work=False) as session:
            said = act(session.front)
            session.front.people.audit.record("command line", action, object)
        terminal.write(said)
        return Exit.DONE

    carry_out(whole, verbose)
