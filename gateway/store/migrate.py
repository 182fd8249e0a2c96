"""Bringing the database to the shape this code expects: numbered SQL scripts, each one transaction.

`PRAGMA user_version` is the number of the last script applied, `application_id` says the file is ours.
"""

import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import apsw
from msgspec import Struct

from gateway.clock import now_ms
from gateway.errors import StoreUnavailable
from gateway.store.database import begin_immediate, connect_raw, roll_back

# "trig" in ASCII.
APPLICATION_ID = 0x74726967


class Migration(Struct, frozen=True):
    """One script. `number` is the digits its name begins with."""

    number: int
    name: str
    sql: str


def shipped() -> list[Migration]:
    """The scripts of this release, in order."""
    found = []
    for entry in resources.files("gateway.store.migrations").iterdir():
        if entry.name.endswith(".sql"):
            found.append(Migration(int(entry.name[:4]), entry.name.removesuffix(".sql"), entry.read_text("utf-8")))
    return sorted(found, key=lambda migration: migration.number)


def pending(path: Path, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Names of the scripts still to apply. Raises StoreUnavailable for a newer or foreign database."""
    scripts = shipped() if migrations is None else migrations
    if not path.exists():
        return [migration.name for migration in scripts]
    connection = connect_raw(path)
    try:
        return [migration.name for migration in _outstanding(connection, path, scripts)]
    finally:
        connection.close()


def migrate(path: Path, migrations: Sequence[Migration] | None = None) -> list[str]:
    """Apply what is pending and return its names. A database with content is copied beside itself first."""
    scripts = shipped() if migrations is None else migrations
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Made by hand so that the file, its WAL and its shared memory are nobody else's to read.
    os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    connection = connect_raw(path)
    try:
        outstanding = _outstanding(connection, path, scripts)
        if outstanding and connection.pragma("user_version"):
            _copy(connection, path)
        return [migration.name for migration in outstanding if _apply(connection, migration)]
    finally:
        connection.close()


def _outstanding(connection: apsw.Connection, path: Path, scripts: Sequence[Migration]) -> list[Migration]:
    try:
        version = connection.pragma("user_version")
        owner = connection.pragma("application_id")
        empty = not connection.execute("SELECT 1 FROM sqlite_schema LIMIT 1").fetchall()
    except apsw.Error as error:
        raise StoreUnavailable(f"{path} cannot be read: {error}. Restore it from a backup.") from error
    if owner != APPLICATION_ID and not empty:
        raise StoreUnavailable(f"{path} is another program's database. Give --data-dir a folder of its own.")
    newest = scripts[-1].number if scripts else 0
    if version > newest:
        raise StoreUnavailable(
            f"{path} was written by a newer release (schema {version}, this one knows {newest}). "
            "Run that release, or restore a backup made before the upgrade."
        )
    return [migration for migration in scripts if migration.number > version]


def _copy(connection: apsw.Connection, path: Path) -> Path:
    target = path.with_name(f"{path.name}.before-migration-{now_ms()}")
    os.close(os.open(target, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    copy = apsw.Connection(str(target))
    try:
        with copy.backup("main", connection, "main") as backup:
            while not backup.done:
                backup.step(1_000)
    finally:
        copy.close()
    return target


def _apply(connection: apsw.Connection, migration: Migration) -> bool:
    """False where another process applied it while this one waited for the lock."""
    begin_immediate(connection, timeout_s=10.0)
    try:
        if connection.pragma("user_version") >= migration.number:
            connection.execute("ROLLBACK")
            return False
        connection.execute(migration.sql).fetchall()
        connection.pragma("application_id", APPLICATION_ID)
        connection.pragma("user_version", migration.number)
        connection.execute("COMMIT")
    except BaseException:
        roll_back(connection)
        raise
    return True
