import stat
from pathlib import Path

import apsw
import pytest

from gateway.errors import StoreUnavailable
from gateway.store.database import integrity_problems, open_database, rows
from gateway.store.migrate import Migration, migrate, pending, shipped
from gateway.store.operators import customers

LATER = Migration(9002, "9002_later", "CREATE TABLE later (id INTEGER PRIMARY KEY) STRICT;")


def test_from_nothing(tmp_path: Path) -> None:
    path = tmp_path / "data" / "gateway.db"
    assert pending(path) == migrate(path) == [migration.name for migration in shipped()]
    assert migrate(path) == pending(path) == []


def test_nobody_else_can_read_the_files(path: Path) -> None:
    database = open_database(path)
    customers.create(database, "test", "alice")
    modes = {entry.name: stat.S_IMODE(entry.stat().st_mode) for entry in path.parent.iterdir()}
    database.close()
    assert modes["gateway.db"] == modes["gateway.db-wal"] == 0o600


def test_the_default_tiers_are_there(path: Path) -> None:
    database = open_database(path, read_only=True)
    found = rows(database, "SELECT name, prefix, dialects, models FROM tiers ORDER BY name")
    database.close()
    assert found == [
        ("all", "cc_user_", '["messages","chat","responses"]', '["*"]'),
        ("claude", "sk-cs2-", '["messages","chat"]', '["claude-*"]'),
        ("codex", "sk-cs4-", '["chat","responses"]', '["gpt-*","o*"]'),
    ]


def test_a_fresh_database_is_sound(path: Path) -> None:
    database = open_database(path)
    assert integrity_problems(database) == []
    database.close()


def test_what_is_there_is_copied_before_it_is_changed(path: Path) -> None:
    database = open_database(path)
    customers.create(database, "test", "alice", balance_micro=5)
    database.close()
    assert migrate(path, [*shipped(), LATER]) == ["9002_later"]
    (copy,) = path.parent.glob("gateway.db.before-migration-*")
    connection = apsw.Connection(str(copy))
    assert connection.execute("SELECT name FROM customers").fetchall() == [("alice",)]
    assert connection.pragma("user_version") == shipped()[-1].number
    connection.close()


def test_a_script_that_fails_changes_nothing(path: Path) -> None:
    broken = Migration(9002, "9002_broken", "CREATE TABLE half (id INTEGER); SELECT * FROM nowhere;")
    with pytest.raises(apsw.SQLError):
        migrate(path, [*shipped(), broken])
    assert pending(path) == []
    database = open_database(path)
    assert rows(database, "SELECT 1 FROM sqlite_schema WHERE name = 'half'") == []
    database.close()


def test_a_newer_database_is_refused(path: Path) -> None:
    migrate(path, [*shipped(), LATER])
    with pytest.raises(StoreUnavailable, match="newer release"):
        migrate(path)
    with pytest.raises(StoreUnavailable, match="newer release"):
        pending(path)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    connection = apsw.Connection(str(path))
    connection.execute("CREATE TABLE notes (text)")
    connection.close()
    with pytest.raises(StoreUnavailable, match="another program"):
        migrate(path)


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gateway.db"
    path.write_bytes(b"not a database, but as long as one " * 100)
    with pytest.raises(StoreUnavailable, match=r"gateway\.db"):
        migrate(path)


def test_a_missing_database_is_not_made_by_opening_it(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="trigate init"):
        open_database(tmp_path / "gateway.db", read_only=True)
    assert list(tmp_path.iterdir()) == []
