"""A copy of the database as it is at one instant, taken while others write to it."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path

import apsw
from msgspec import Struct

from gateway.errors import NotFound, NotPermitted, OperatorError, StoreUnavailable, UsageError
from gateway.store.database import connect_raw

_PAGES_A_STEP = 2_000


class Copied(Struct, frozen=True):
    """A finished copy."""

    path: Path
    size_bytes: int


class DamagedCopy(OperatorError):
    """The copy is not sound, and so neither is what it was made from."""


def back_up(source: Path, target: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> Copied:
    """Copy a database into a file of its own that only its owner can read. `progress` gets pages done and all pages.

    The file appears under its name when it is whole, examined and on disk. Raises UsageError where there is a file of
    that name, NotPermitted where none can be written, NotFound for a folder that is not there, StoreUnavailable for a
    source that cannot be read, DamagedCopy for one that is not sound.
    """
    _refuse_existing(target)
    if not source.exists():
        raise StoreUnavailable(f"There is no database at {source}.")
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}")
    try:
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600))
    except FileNotFoundError:
        raise NotFound(f"There is no folder {target.parent}. Make it first.") from None
    except OSError as error:
        raise NotPermitted(f"Cannot write to {target.parent}: {error.strerror}.") from error
    try:
        _copy(source, draft, progress)
        _examine(draft)
        size_bytes = _sync(draft)
        _publish(draft, target)
    except (apsw.Error, OSError) as error:
        raise StoreUnavailable(f"The copy failed: {error}. Nothing was left at {target}.") from error
    finally:
        draft.unlink(missing_ok=True)
    return Copied(target, size_bytes)


def _copy(source: Path, draft: Path, progress: Callable[[int, int], None]) -> None:
    """One read transaction from the first page to the last: without it, every commit of the gateway would have the copy
    begin again. It holds the write-ahead log's end back for as long as it takes."""
    reader = connect_raw(source)
    copy = apsw.Connection(str(draft))
    try:
        reader.execute("PRAGMA query_only = on; BEGIN; SELECT count(*) FROM sqlite_schema").fetchall()
        with copy.backup("main", reader, "main") as backup:
            while not backup.done:
                backup.step(_PAGES_A_STEP)
                progress(backup.page_count - backup.remaining, backup.page_count)
        reader.execute("ROLLBACK")
        # One file, without a log of its own beside it.
        copy.execute("PRAGMA journal_mode = delete").fetchall()
    finally:
        copy.close()
        reader.close()


def _examine(draft: Path) -> None:
    copy = apsw.Connection(str(draft), flags=apsw.SQLITE_OPEN_READONLY)
    try:
        problems = [str(row[0]) for row in copy.execute("PRAGMA integrity_check").fetchall() if row[0] != "ok"]
    finally:
        copy.close()
    if problems:
        raise DamagedCopy(
            f"The copy is damaged, and was deleted: {problems[0]}. `trigate db check` examines the database."
        )


def _sync(draft: Path) -> int:
    descriptor = os.open(draft, os.O_RDONLY)
    try:
        os.fsync(descriptor)
        return os.fstat(descriptor).st_size
    finally:
        os.close(descriptor)


def _publish(draft: Path, target: Path) -> None:
    """Give the copy its name, never another file's."""
    try:
        os.link(draft, target)
    except FileExistsError:
        raise _taken(target) from None
    except OSError:
        # A file system without hard links.
        _refuse_existing(target)
        draft.rename(target)
    descriptor = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _refuse_existing(target: Path) -> None:
    if target.is_dir():
        raise UsageError(f"{target} is a folder. Name a file in it.")
    if os.path.lexists(target):
        raise _taken(target)


def _taken(target: Path) -> UsageError:
    return UsageError(f"There is a file {target} already. Name another one: it is not overwritten.")
