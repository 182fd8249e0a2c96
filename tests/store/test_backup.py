"""A copy of the database: one instant of it, whole or not there at all."""

from pathlib import Path

import apsw
import pytest

from gateway.errors import StoreUnavailable, UsageError
from gateway.store.backup import DamagedCopy, back_up
from gateway.store.database import connect_raw

ROWS = 30_000


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Some 2,400 pages: more than one step."""
    path = tmp_path / "source.db"
    connection = connect_raw(path, create=True)
    connection.execute("CREATE TABLE things (id INTEGER PRIMARY KEY, text TEXT NOT NULL)").fetchall()
    connection.execute("BEGIN")
    connection.executemany("INSERT INTO things (text) VALUES (?)", (("x" * 300,) for _ in range(ROWS))).fetchall()
    connection.execute("COMMIT")
    connection.close()
    return path


def count(path: Path) -> int:
    connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        return int(connection.execute("SELECT count(*) FROM things").fetchall()[0][0])
    finally:
        connection.close()


def test_what_is_written_meanwhile_neither_gets_in_nor_holds_the_copy_up(source: Path, tmp_path: Path) -> None:
    writer = connect_raw(source)
    steps = []

    def write(done: int, total: int) -> None:
        steps.append((done, total))
        writer.execute("INSERT INTO things (text) VALUES ('late')").fetchall()

    back_up(source, tmp_path / "copy.db", write)
    writer.close()
    assert len(steps) > 1
    assert [done for done, _ in steps] == sorted({done for done, _ in steps})
    assert count(tmp_path / "copy.db") == ROWS
    assert count(source) == ROWS + len(steps)


def test_what_is_still_in_the_log_gets_in(source: Path, tmp_path: Path) -> None:
    writer = connect_raw(source)
    writer.execute("PRAGMA wal_autocheckpoint = 0; INSERT INTO things (text) VALUES ('new')").fetchall()
    back_up(source, tmp_path / "copy.db")
    writer.close()
    assert count(tmp_path / "copy.db") == ROWS + 1


def test_a_copy_is_one_file(source: Path, tmp_path: Path) -> None:
    back_up(source, tmp_path / "copies.db")
    count(tmp_path / "copies.db")
    assert [each.name for each in tmp_path.iterdir() if "copies" in each.name] == ["copies.db"]


def test_a_copy_that_is_interrupted_leaves_nothing(source: Path, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        back_up(source, tmp_path / "copy.db", interrupt)
    assert [each.name for each in tmp_path.iterdir() if "copy" in each.name] == []


def test_a_file_that_appears_meanwhile_is_kept(source: Path, tmp_path: Path) -> None:
    target = tmp_path / "copy.db"
    with pytest.raises(UsageError):
        back_up(source, target, lambda done, total: target.write_text("precious"))
    assert target.read_text() == "precious"


def test_a_damaged_source_gives_no_copy(source: Path, tmp_path: Path) -> None:
    with source.open("r+b") as file:
        file.seek(source.stat().st_size // 2)
        file.write(b"\xff" * 8192)
    with pytest.raises((DamagedCopy, StoreUnavailable)):
        back_up(source, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
