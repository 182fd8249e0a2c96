"""What the console reads, and how: in threads, on read-only connections of its own, never an open cursor.

A read is a function of a connection; `Feed.read` runs it and gives its result. `trouble` says that the database is
locked or gone for the moment; it is tried again a quarter of a second later.
"""

from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import apsw
from peewee import PeeweeException
from textual.app import App
from textual.worker import WorkerCancelled, WorkerFailed

from gateway.errors import StoreUnavailable
from gateway.store.database import Database, Readers, open_database, rows
from gateway.store.queries.live import Header, header
from gateway.store.snapshot import read_revision

Result = TypeVar("Result")
Query = Callable[[Database], Result]

LOCKED = "The database is locked."
READERS = 2
# A reader waits this long for a lock; then the screen says so. SQLite's readers wait only for a recovery.
_LOCK_MS = 250


class Pulse(NamedTuple):
    """Whether anything was committed since the last look, whether configuration was, and the header's figures."""

    changed: bool
    configured: bool
    header: Header | None


async def in_thread(app: App[Any], work: Callable[[], Result]) -> Result:
    """Run blocking work in a thread. Raises what it raises, and StoreUnavailable where the console ends first."""
    worker = app.run_worker(work, thread=True, exit_on_error=False, group="store")
    try:
        return await worker.wait()
    except WorkerFailed as failed:
        raise failed.error from None
    except WorkerCancelled:
        raise StoreUnavailable("The console is closing.") from None


class Feed:
    """The reading side. Connections are opened when first needed and again after trouble."""

    def __init__(self, app: App[Any], path: Path, clock: Callable[[], int]) -> None:
        self._app = app
        self._path = path
        self._clock = clock
        self._readers: Readers | None = None
        self._watcher: Database | None = None
        self._seen: tuple[int, int] = (0, 0)
        self._header: Header | None = None
        self._header_at = 0
        self.trouble = ""

    async def read(self, query: Query[Result]) -> Result:
        """The result of one short read. Raises StoreUnavailable, which `trouble` then tells of."""
        return await self._told(lambda: self._read(query))

    async def pulse(self, header_every_ms: int = 1_000) -> Pulse:
        """The look four times a second. Raises StoreUnavailable."""
        return await self._told(lambda: _checked(lambda: self._look(header_every_ms)))

    async def _told(self, work: Callable[[], Result]) -> Result:
        try:
            result = await in_thread(self._app, work)
        except StoreUnavailable as error:
            self.trouble = error.message
            raise
        self.trouble = ""
        return result

    def close(self) -> None:
        """Close every connection; the next read opens them again. One that a thread is still reading on stays open
        until that read ends, or the process does."""
        for each in (self._readers, self._watcher):
            if each is not None:
                with suppress(PeeweeException, apsw.ThreadingViolationError):
                    each.close()
        self._readers = self._watcher = None

    def _read(self, query: Query[Result]) -> Result:
        if self._readers is None:
            self._readers = _checked(lambda: _patient(Readers(self._path, READERS)))
        with self._readers.borrow() as database:
            return _checked(lambda: query(database))

    def _look(self, header_every_ms: int) -> Pulse:
        if self._watcher is None:
            self._watcher = open_database(self._path, read_only=True)
            self._watcher.connection().set_busy_timeout(_LOCK_MS)
        # data_version is told of other connections' commits, and counts for this connection alone.
        version = int(rows(self._watcher, "PRAGMA data_version")[0][0])
        now_at = self._clock()
        revision = self._seen[1]
        changed = version != self._seen[0]
        if changed:
            revision = read_revision(self._watcher)
        pulse = Pulse(changed, revision != self._seen[1], None)
        self._seen = (version, revision)
        if self._header is None or now_at - self._header_at >= header_every_ms:
            self._header, self._header_at = header(self._watcher, now_at, self._header), now_at
        return pulse._replace(header=self._header)


def _patient(readers: Readers) -> Readers:
    with ExitStack() as lent:
        for _ in range(READERS):
            lent.enter_context(readers.borrow()).connection().set_busy_timeout(_LOCK_MS)
    return readers


def _checked(work: Callable[[], Result]) -> Result:
    """What SQLite has against a read, as a sentence."""
    try:
        return work()
    except (apsw.BusyError, apsw.LockedError):
        raise StoreUnavailable(LOCKED) from None
    except StoreUnavailable as error:
        # A database cannot be opened either while another process has all of it.
        raise (StoreUnavailable(LOCKED) if "locked" in str(error.__cause__) else error) from None
    except (apsw.Error, PeeweeException) as error:
        raise StoreUnavailable(f"The database cannot be read: {error}. `trigate db check` examines it.") from error
