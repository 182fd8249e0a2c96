"""Opening the database, reading it from several threads, and writing to it beside a busy gateway."""

import queue
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

import apsw
from playhouse.apsw_ext import APSWDatabase

from gateway.errors import StoreUnavailable

Database: TypeAlias = APSWDatabase

BUSY_TIMEOUT_MS = 5_000
# SQLite's own busy handler sleeps up to 100 ms between tries and starved beside a busy writer (2 of 3 writes failed in
# 5 s); the writer leaves the lock free for 2 ms, so a try every 0.7 ms finds the gap.
_POLL_S = 0.0007
# 16 MB of WAL between checkpoints: a page that several batches touch is copied into the database once.
WAL_PAGES = 4_000


def connect_raw(path: Path, *, create: bool = False) -> apsw.Connection:
    """An APSW connection with the pragmas every writer shares. Raises StoreUnavailable."""
    flags = apsw.SQLITE_OPEN_READWRITE | (apsw.SQLITE_OPEN_CREATE if create else 0)
    try:
        connection = apsw.Connection(str(path), flags=flags)
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        connection.execute(
            f"PRAGMA journal_mode = wal; PRAGMA synchronous = full; PRAGMA foreign_keys = on;"
            f"PRAGMA wal_autocheckpoint = {WAL_PAGES}"
        ).fetchall()
    except apsw.Error as error:
        raise _unreadable(path, error) from error
    return connection


def open_database(path: Path, *, read_only: bool = False) -> Database:
    """A connected peewee database, for one thread at a time; close it when done. Raises StoreUnavailable.

    Readers are `query_only`: they open the file read-write, because a WAL needs its shared memory, and refuse to write.
    """
    pragmas = {
        "journal_mode": "wal",
        "synchronous": "full",
        "foreign_keys": "on",
        "wal_autocheckpoint": WAL_PAGES,
        "query_only": "on" if read_only else "off",
    }
    database = Database(
        str(path),
        pragmas=pragmas,
        timeout=BUSY_TIMEOUT_MS / 1000,
        autoconnect=False,
        thread_safe=False,
        flags=apsw.SQLITE_OPEN_READWRITE,
    )
    try:
        database.connect()
    except Exception as error:
        raise _unreadable(path, error) from error
    return database


def _unreadable(path: Path, error: Exception) -> StoreUnavailable:
    if not path.exists():
        return StoreUnavailable(f"There is no database at {path}. `trigate init` or `trigate serve` makes one.")
    return StoreUnavailable(f"Cannot open the database {path}: {error}. `trigate db check` examines it.")


def begin_immediate(connection: apsw.Connection, timeout_s: float) -> None:
    """Take the write lock, trying every 0.7 ms. Raises StoreUnavailable after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    connection.set_busy_timeout(0)
    try:
        while True:
            try:
                connection.execute("BEGIN IMMEDIATE")
            except apsw.BusyError:
                if time.monotonic() >= deadline:
                    raise StoreUnavailable(
                        f"The database was busy for {timeout_s:g} s; nothing was changed. Try again."
                    ) from None
                time.sleep(_POLL_S)
            else:
                return
    finally:
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)


def roll_back(connection: apsw.Connection) -> None:
    """Undo the open transaction, if SQLite has not done so itself (a full disk ends it on its own)."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


@contextmanager
def operator_transaction(database: Database, timeout_s: float = 10.0) -> Iterator[None]:
    """One write transaction, under 20 ms: committed at the end, undone on any exception. Raises StoreUnavailable."""
    connection: apsw.Connection = database.connection()
    begin_immediate(connection, timeout_s)
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise


@contextmanager
def read_transaction(database: Database) -> Iterator[None]:
    """Several reads that see one state; inside another one, part of it. Keep it short: an open read holds the whole WAL
    back.
    """
    connection: apsw.Connection = database.connection()
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        roll_back(connection)


def rows(database: Database, sql: str, parameters: Any = ()) -> list[tuple[Any, ...]]:
    """Every row of a read, fetched at once so that no cursor stays open."""
    return list(database.connection().execute(sql, parameters).fetchall())


def integrity_problems(database: Database) -> list[str]:
    """What SQLite finds wrong with the file; empty when it is sound."""
    found = [str(row[0]) for row in rows(database, "PRAGMA integrity_check") if row[0] != "ok"]
    for table, rowid, parent, _ in rows(database, "PRAGMA foreign_key_check"):
        found.append(f"{table} row {rowid} points to a missing row of {parent}")
    return found


class Readers:
    """A fixed number of read-only connections, lent to whichever thread asks."""

    def __init__(self, path: Path, count: int = 4) -> None:
        self._all = [open_database(path, read_only=True) for _ in range(count)]
        self._idle: queue.LifoQueue[Database] = queue.LifoQueue()
        for database in self._all:
            self._idle.put(database)

    @contextmanager
    def borrow(self, timeout_s: float = 5.0) -> Iterator[Database]:
        """One connection for one short read. Raises StoreUnavailable when all are lent for `timeout_s`."""
        try:
            database = self._idle.get(timeout=timeout_s)
        except queue.Empty:
            raise StoreUnavailable("Every reader of the database is busy. Try again.") from None
        try:
            yield database
        finally:
            self._idle.put(database)

    def close(self) -> None:
        for database in self._all:
            database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
