"""What connections to the store's database promise."""

from __future__ import annotations

import sqlite3

from services.store.connection import connect

TEXT = "what somebody said in confidence"


def test_what_is_deleted_is_not_in_the_file_any_more(tmp_path, monkeypatch):
    plain = sqlite3.dbapi2.connect

    def as_on_windows(*args, **options):
        made = plain(*args, **options)
        made.execute("PRAGMA secure_delete=OFF")
        return made

    monkeypatch.setattr(sqlite3.dbapi2, "connect", as_on_windows)
    path = tmp_path / "store.db"
    engine = connect(f"sqlite:///{path.as_posix()}", writes=True)
    with engine.begin() as session:
        session.exec_driver_sql("CREATE TABLE said (id INTEGER PRIMARY KEY, text TEXT)")
        for number in range(100):
            session.exec_driver_sql("INSERT INTO said VALUES (?, ?)", (number, TEXT * 50))
    engine.dispose()
    assert TEXT.encode() in path.read_bytes()
    with engine.begin() as session:
        session.exec_driver_sql("DELETE FROM said WHERE id > 0")
        session.exec_driver_sql("UPDATE said SET text = ''")
    engine.dispose()
    assert TEXT.encode() not in path.read_bytes()
