"""The page of the team's admins, with many people."""

from __future__ import annotations

import pages.context
from services.config import Settings
from services.people import accounts
from services.people.models import Role
from services.runtime import Runtime
from tests import shown

MANY = 45
PASSWORD = "correct horse battery"


def test_many_people_are_shown_by_pages(tmp_path, monkeypatch):
    monkeypatch.setattr(accounts, "_hasher", accounts.PasswordHasher(1, 8, 1))
    settings = Settings(
        data_dir=tmp_path / "data", device="cpu", mode="accounts", disk_reserve_mb=0
    )
    with Runtime(settings) as runtime:
        runtime.people.accounts.add("ana", PASSWORD, Role.ADMIN)
        for number in range(1, MANY):
            runtime.people.accounts.add(f"person{number:02}", PASSWORD)
        secret = runtime.people.sessions.begin("ana")
        seen = runtime.seen_by(runtime.people.identify(secret, None))
        monkeypatch.setattr(pages.context, "runtime", lambda: seen)
        lists: list[list[str]] = []

        def listed(rows) -> None:
            lists.append([row["title"] for row in rows])

        team = shown.show(monkeypatch, "team.py", {}, listed)
        assert not team.exception, team.exception
        assert lists[0] == ["ana", *(f"person{number:02}" for number in range(1, 20))]
        lists.clear()
        team.session_state["people-page"] = 3
        team.run()
        assert lists[0] == [f"person{number:02}" for number in range(40, MANY)]
