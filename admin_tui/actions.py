"""Every change the console makes passes here: in a thread, under the operator's name, its outcome as a toast.

A change is a function of a connection and the actor that calls one of `gateway.store.operators`, which is one
transaction with an audit row and polls for the lock beside a busy gateway.
"""

import os
import pwd
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeVar

import apsw
from peewee import PeeweeException

from admin_tui.feed import in_thread
from gateway.errors import NotPermitted, OperatorError, StoreUnavailable
from gateway.store.database import Database, open_database

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

Result = TypeVar("Result")
Change = Callable[[Database, str], Result]

_BUSY_S = 1.0
_BUSY = "The database is locked by another process; trying again for some seconds."
STILL_WRITING = "The change before is still being written."
READ_ONLY = "This console was started read-only. Nothing was changed."


class Undo(NamedTuple):
    """How the last change is taken back, and what is then said."""

    change: Change[object]
    done: str


def actor() -> str:
    """Who an audit row names: `console:` and the operating system's user."""
    try:
        return f"console:{pwd.getpwuid(os.getuid()).pw_name}"
    except KeyError:
        return f"console:{os.getuid()}"


class Actions:
    """The writing side."""

    def __init__(self, app: "ConsoleApp", path: Path, *, read_only: bool) -> None:
        self._app = app
        self._path = path
        self.read_only = read_only
        self.actor = actor()
        self.last: Undo | None = None
        # Whether a change is under way: the next one would be about what is no more.
        self.writing = False

    async def write(self, change: Change[Result]) -> Result:
        """Make a change and give its result. Raises OperatorError: for forms, which show it where it was typed."""
        if self.read_only:
            raise NotPermitted(READ_ONLY)
        if self.writing:
            # Two keys in a row: the second was meant for what the first one makes of it.
            raise NotPermitted(STILL_WRITING)
        busy = self._app.set_timer(_BUSY_S, lambda: self._app.say(_BUSY, "warning"))
        self.writing = True
        try:
            return await in_thread(self._app, lambda: self._write(change))
        finally:
            busy.stop()
            self.writing = False

    async def run(
        self, change: Change[Result], *, done: str | Callable[[Result], str], undo: Undo | None = None
    ) -> Result | None:
        """Make a change and say so, with how to undo it; say why not where it was refused. None then."""
        try:
            result = await self.write(change)
        except OperatorError as error:
            self._app.say(error.message, "error")
            return None
        self.last = undo
        text = done if isinstance(done, str) else done(result)
        self._app.say(f"{text}  u undoes" if undo else text)
        self._app.read_again()
        return result

    async def undo(self) -> None:
        """Take the last change back, if it can be and nothing was changed since."""
        if self.last is None:
            self._app.say("Nothing that could be undone was changed here.", "warning")
            return
        change, done = self.last
        await self.run(change, done=done)

    def _write(self, change: Change[Result]) -> Result:
        database = open_database(self._path)
        try:
            return change(database, self.actor)
        except (apsw.Error, PeeweeException) as error:
            raise StoreUnavailable(f"The database refused: {error}. Nothing was changed.") from error
        finally:
            database.close()
