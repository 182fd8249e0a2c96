"""What every screen does: reads when something was committed, shows what it read, carries out its commands."""

import inspect
from collections.abc import Awaitable
from time import monotonic
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.screen import Screen

from admin_tui.actions import STILL_WRITING
from admin_tui.keymap import Command, bindings, command, commands_in
from admin_tui.typing_ahead import Typed
from admin_tui.widgets.bars import Bar, Footer, Header, Nav
from admin_tui.widgets.still import Still
from gateway.errors import StoreUnavailable
from gateway.store.database import Database

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp


WIDE = 110
"""From this many columns on there is a pane beside a list."""


class ConsoleScreen(Screen[None]):
    """A page: header, navigation, `body`, footer.

    A subclass names its `CONTEXT` of the key map, gives `BINDINGS = bindings(CONTEXT)`, composes its `body`, reads in
    `read` (in a thread: one short read, nothing of Textual) and shows the result in `show`. Its commands are methods
    `do_…`, plain or async.
    """

    CONTEXT: ClassVar[str] = "everywhere"
    BINDINGS: ClassVar[list[BindingType]] = bindings("everywhere")
    # Commands of the contexts it stands in that mean nothing on it.
    LEFT_OUT: ClassVar[frozenset[str]] = frozenset()
    # How soon a commit is seen; the look itself is four times a second.
    REFRESH_S: ClassVar[float] = 1.0
    # What is shown ages although nothing is committed (a cool-down's seconds): read at this interval regardless.
    AGES_S: ClassVar[float | None] = None

    def __init__(self) -> None:
        super().__init__()
        self._reading = False
        self._again = False
        self._read_at = 0.0
        self._stale = True
        # A key that is about a row waits for the rows.
        self.held: list[Typed] | None = []

    @property
    def console(self) -> "ConsoleApp":
        return cast("ConsoleApp", self.app)

    @property
    def is_there(self) -> bool:
        """Whether it has its widgets: not before it is mounted, and no more from the moment it is taken down."""
        return self.is_mounted and self.display

    @property
    def alive(self) -> bool:
        """Whether a gateway runs: only then is known what is in flight and what that holds."""
        return self.console.header is not None and self.console.header.alive

    # -- what a subclass says

    def body(self) -> ComposeResult:
        """The widgets between navigation and footer."""
        yield from ()

    def read(self, database: Database) -> Any:
        """What is shown, in one short read. Runs in a thread."""
        return None

    def show(self, data: Any) -> None:
        """Show what `read` gave."""

    def note(self) -> str:
        """What stands at the right of the navigation: a filter, a title."""
        return ""

    def refusal(self, each: Command) -> str:
        """Why a command cannot be used now, where only this screen knows; "" where it can."""
        return ""

    # -- the frame

    def compose(self) -> ComposeResult:
        yield Header(id="header")
        yield Nav(id="nav")
        with Still(id="body"):
            yield from self.body()
        yield Footer()

    def renew_bars(self) -> None:
        """Header, navigation and footer say what holds now."""
        if self.is_there:
            for bar in self.query(Bar):
                bar.renew()

    # -- reading

    def on_screen_resume(self) -> None:
        self.reload()

    def pulse(self, *, changed: bool) -> None:
        """Four times a second, while this screen is on top."""
        self._stale = self._stale or changed
        age = monotonic() - self._read_at
        aged = self.AGES_S is not None and age >= self.AGES_S
        if (self._stale and age >= self.REFRESH_S) or aged:
            self.reload()

    def reload(self) -> None:
        """Read again, now; once more afterwards if a read is under way."""
        if self._reading:
            self._again = True
            return
        self._reading = True
        self.run_worker(self._reload(), group="reload")

    async def _reload(self) -> None:
        try:
            while True:
                self._again = False
                self._stale = False
                self._read_at = monotonic()
                try:
                    data = await self.console.feed.read(self.read)
                except StoreUnavailable:
                    # The header says it; the next look tries again.
                    self._stale = True
                    self.renew_bars()
                    return
                if not self.is_there:
                    return
                self.console.read_at = self.console.now()
                self.show(data)
                self.renew_bars()
                if not self._again:
                    return
        finally:
            self._reading = False
            if self.held is not None:
                await self.console.release(self)

    # -- commands

    def contexts(self) -> list[str]:
        """Its own contexts of the key map, the general ones first."""
        found = [vars(each)["CONTEXT"] for each in reversed(type(self).__mro__) if "CONTEXT" in vars(each)]
        return list(dict.fromkeys(found))

    def commands(self) -> list[Command]:
        """What can be done here, its own first; a key that its own command takes is not listed for another."""
        found: list[Command] = []
        taken: set[str] = set()
        for context in reversed(self.contexts()):
            for each in commands_in([context]):
                if each.id in self.LEFT_OUT:
                    continue
                keys = set(self.console.keys_of(each).split(","))
                if not keys <= taken:
                    found.append(each)
                taken |= keys
        return found

    def why_not(self, each: Command) -> str:
        """Why a command cannot be used now, as a sentence; "" where it can."""
        if each.writes and self.console.actions.read_only:
            return "This console was started read-only."
        if each.writes and self.console.actions.writing:
            return STILL_WRITING
        return self.refusal(each)

    async def action_command(self, command_id: str) -> None:
        """Carry a command out, or say why it cannot be."""
        each = command(command_id)
        if each.id in self.LEFT_OUT:
            return
        reason = self.why_not(each)
        if reason:
            self.console.say(f"{each.label or each.help}: {reason}" if each.label else reason, "warning")
            return
        method = getattr(self, each.method, None) or getattr(self.console, each.method)
        outcome = method()
        if inspect.isawaitable(outcome):
            # A write waits for a locked database: keys go on being heard.
            self.console.run_worker(self._finish(outcome), group="command")
        self.renew_bars()

    async def _finish(self, outcome: Awaitable[object]) -> None:
        await outcome
        self.renew_bars()

    def do_back(self) -> None:
        """One page back; from a main screen there is nowhere to go."""
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()
        else:
            self.console.say("This is a main screen. ctrl+q ends the console; the gateway goes on.")

    def do_refresh(self) -> None:
        self.reload()
