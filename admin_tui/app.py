"""The operator's console: the application, its modes, and what belongs to no single screen."""

import base64
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, ClassVar

from rich.segment import Segments
from textual.app import App, SystemCommand
from textual.binding import Binding, BindingType
from textual.command import Provider
from textual.filter import LineFilter
from textual.notifications import SeverityLevel
from textual.screen import Screen
from textual.theme import Theme
from textual.timer import Timer

from admin_tui import memory
from admin_tui import preferences as kept
from admin_tui.actions import Actions
from admin_tui.ascii import AsciiFilter
from admin_tui.feed import Feed
from admin_tui.keymap import COMMANDS, Command
from admin_tui.palette import ConsoleCommands
from admin_tui.screens.base import WIDE, ConsoleScreen
from admin_tui.screens.help import HelpScreen
from admin_tui.stylesheet import SteadyStylesheet
from admin_tui.themes import DARK, THEMES, quiet_colours
from admin_tui.typing_ahead import InOrder
from admin_tui.widgets.bars import MODES as MAIN_SCREENS
from admin_tui.widgets.dialogs import Dialog
from admin_tui.widgets.go import Go
from gateway.clock import now_ms
from gateway.errors import StoreUnavailable
from gateway.settings import DATABASE
from gateway.store.queries.live import Header

TERMINAL = 2
"""Where Textual draws: standard error."""

POLL_S = 0.25
_SAVE_S = 0.5
# By then the first screen is drawn.
_IDLE_S = 1.5


def _main_screen(mode: str, title: str) -> Screen[Any]:
    """`LiveScreen` of `screens/live.py`, and so on: not imported before the first of them is drawn."""
    made: Screen[Any] = getattr(import_module(f"admin_tui.screens.{mode}"), f"{title}Screen")()
    # Its widgets get today's style as they are mounted. Textual would give it to the screen that is left, twice.
    made._css_update_count = made.app._css_update_count
    return made


def _import_main_screens() -> None:
    for mode in MAIN_SCREENS:
        import_module(f"admin_tui.screens.{mode}")


class ConsoleApp(InOrder):
    """The console on the database of `data_dir`, whether a gateway runs or not.

    `poll_s` None never looks by itself (tests look when they mean to); `clock` is wall time in milliseconds;
    `welcome` is a dialog to begin with. With `offer_setup` it begins with the first steps where there is nothing yet.
    """

    TITLE = "trigate"
    CSS_PATH = "admin.tcss"
    MODES: ClassVar[dict[str, str | Callable[[], Screen[Any]]]] = {
        mode: partial(_main_screen, mode, title) for mode, title in MAIN_SCREENS.items()
    }
    DEFAULT_MODE = "live"
    COMMANDS: ClassVar[set[type[Provider] | Callable[[], type[Provider]]]] = App.COMMANDS | {lambda: ConsoleCommands}
    # The key map's own binding opens it.
    COMMAND_PALETTE_BINDING = "ctrl+p"
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "quit", show=False, priority=True)]
    NOTIFICATION_TIMEOUT = 6

    def __init__(
        self,
        data_dir: Path,
        *,
        read_only: bool = False,
        ascii: bool = False,
        theme: str = "",
        config_dir: Path | None = None,
        clock: Callable[[], int] = now_ms,
        poll_s: float | None = POLL_S,
        welcome: Dialog[None] | None = None,
        offer_setup: bool = False,
    ) -> None:
        memory.let_go()
        self._theme_now: Theme | None = None
        super().__init__()
        self.HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (WIDE, "-wide"), (170, "-very-wide")]
        self.VERTICAL_BREAKPOINTS = [(0, "-short"), (32, "-tall")]
        self.data_dir = data_dir
        self.config_dir = config_dir or kept.default_folder()
        self.preferences, self._complaint = kept.load(self.config_dir)
        self.now = clock
        self.feed = Feed(self, data_dir / DATABASE, clock)
        self.actions = Actions(self, data_dir / DATABASE, read_only=read_only)
        self.header: Header | None = None
        # When what is on the screen was read; None before the first read.
        self.read_at: int | None = None
        self._poll_s = poll_s
        self._polling = False
        self._unsaved: Timer | None = None
        self._welcome = welcome
        self._offer_setup = offer_setup and not read_only
        self._ascii = [AsciiFilter()] if ascii else []
        for each in THEMES:
            self.register_theme(each)
        chosen = theme or self.preferences.theme or DARK
        self.theme = chosen if chosen in self.available_themes else DARK
        self.stylesheet = SteadyStylesheet(variables=self.get_css_variables())

    def on_mount(self) -> None:
        self.set_keymap({each.id: keys for each in COMMANDS if (keys := self.preferences.keys.get(each.id))})
        unknown = set(self.preferences.keys) - {each.id for each in COMMANDS}
        if unknown:
            self._complaint = f"console.json gives keys to commands there are not: {', '.join(sorted(unknown))}."
        if self._complaint:
            self.say(self._complaint, "warning")
        self.theme_changed_signal.subscribe(self, lambda theme: self._remember_theme(theme.name))
        if self._poll_s is not None:
            self.set_interval(self._poll_s, self.poll)
            # Half of what going to Keys or Models for the first time takes.
            self.set_timer(_IDLE_S, lambda: self.run_worker(_import_main_screens, thread=True, group="import"))
        self.run_worker(self.look(), group="pulse")
        if self._welcome is not None:
            self.push_screen(self._welcome)
            self._welcome = None
        if self._offer_setup:
            self.run_worker(self._offer_first_steps())

    def on_unmount(self) -> None:
        if self._unsaved is not None:
            self._save_preferences()
        self.feed.close()

    # -- following the database

    def poll(self) -> None:
        """One look; none is begun while one is under way. Without its terminal the console ends."""
        if not self.is_headless and not os.isatty(TERMINAL):
            # Where no hang-up signal comes with it, Textual's reader would turn in circles for good.
            os._exit(1)
        if not self._polling:
            self.run_worker(self.look(), group="pulse")

    async def look(self) -> None:
        """Has anything been committed? Then the header is made anew and the screen on top may read."""
        self._polling = True
        try:
            pulse = await self.feed.pulse()
        except StoreUnavailable:
            self._renew_bars()
            return
        finally:
            self._polling = False
        if not self.is_running:
            return
        self.header = pulse.header
        self._renew_bars()
        for screen in reversed(self.screen_stack):
            if isinstance(screen, ConsoleScreen):
                screen.pulse(changed=pulse.changed)
                return

    def read_again(self) -> None:
        """After a change made here: every page that is open reads at once."""
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen):
                screen.reload()

    def _renew_bars(self) -> None:
        if not self.is_running:
            return
        for screen in self.screen_stack:
            if isinstance(screen, ConsoleScreen):
                screen.renew_bars()

    # -- saying things

    def say(self, text: str, severity: SeverityLevel = "information") -> None:
        """A toast. Text as it is: names in it are nobody's markup."""
        self.notify(text, severity=severity, markup=False)

    def send_to_clipboard(self, text: str) -> None:
        """OSC 52. Unlike `copy_to_clipboard` the application keeps no copy."""
        if self._driver is not None:
            self._driver.write(f"\x1b]52;c;{base64.b64encode(text.encode()).decode()}\a")

    def remember(self, what: str, name: str, value: str) -> None:
        """Keep a filter or a sort order for the next start."""
        table: dict[str, str] = getattr(self.preferences, what)
        if table.get(name, "") != value:
            setattr(self.preferences, what, {**table, name: value})
            # A filter changes with every key.
            self._unsaved = self._unsaved or self.set_timer(_SAVE_S, self._save_preferences)

    def _remember_theme(self, name: str) -> None:
        if name != self.preferences.theme:
            self.preferences.theme = name
            self._save_preferences()

    def _save_preferences(self) -> None:
        self._unsaved = None
        if not self._complaint:
            kept.save(self.config_dir, self.preferences)

    def keys_of(self, each: Command) -> str:
        """The keys of a command, the user's own if there are any."""
        return self.preferences.keys.get(each.id) or each.keys

    # -- the commands that work everywhere

    def go(self, mode: str) -> None:
        """To a main screen, at its own top page."""
        if isinstance(self.screen, Dialog):
            return
        if mode == self.current_mode:
            while len(self.screen_stack) > 1:
                self.pop_screen()
        else:
            self.switch_mode(mode)

    def do_live(self) -> None:
        self.go("live")

    def do_keys(self) -> None:
        self.go("keys")

    def do_accounts(self) -> None:
        self.go("accounts")

    def do_money(self) -> None:
        self.go("money")

    def do_usage(self) -> None:
        self.go("usage")

    def do_models(self) -> None:
        self.go("models")

    def do_audit(self) -> None:
        self.go("audit")

    def do_go(self) -> None:
        self.push_screen(Go(), self._gone)

    def _gone(self, goal: str | None) -> None:
        top = getattr(self.screen, "do_top", None)
        if goal == "top" and top is not None:
            top()
        elif goal and goal != "top":
            self.go(goal)

    def do_palette(self) -> None:
        self.action_command_palette()

    def do_help(self) -> None:
        if isinstance(self.screen, ConsoleScreen):
            self.push_screen(HelpScreen(self.screen))

    def do_setup(self) -> None:
        """The first steps, which are offered where there is nothing yet."""
        from admin_tui.screens.setup_wizard import SetupScreen

        self.push_screen(SetupScreen())

    async def _offer_first_steps(self) -> None:
        from admin_tui.screens.setup_wizard import nothing_there

        # A database that cannot be read is said by the header.
        with suppress(StoreUnavailable):
            if await self.feed.read(nothing_there):
                self.do_setup()

    async def do_undo(self) -> None:
        await self.actions.undo()

    def do_quit(self) -> None:
        self.exit()

    # -- what Textual does otherwise

    def action_command_palette(self) -> None:
        """Not over a dialog: it would offer a picture of a secret."""
        if not isinstance(self.screen, Dialog):
            super().action_command_palette()

    def action_screenshot(self, filename: str | None = None, path: str | None = None) -> None:
        if any(getattr(screen, "CONFIDENTIAL", False) for screen in self.screen_stack):
            self.say("Not while a secret is on the screen.", "warning")
        else:
            super().action_screenshot(filename, path)

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Textual's own, but for those that the key map has."""
        for each in super().get_system_commands(screen):
            if each.title not in ("Quit", "Keys", "Maximize", "Minimize"):
                yield each

    @property
    def current_theme(self) -> Theme:
        """Looked up once: Textual asks for it ten times a widget, and gathers the names of all themes each time."""
        if self._theme_now is None or self._theme_now.name != self.theme:
            self._theme_now = super().current_theme
        return self._theme_now

    def get_theme_variable_defaults(self) -> dict[str, str]:
        """Colours that Textual's themes lack: its `text-muted` needs to know what is behind it."""
        return quiet_colours(self.current_theme)

    def get_line_filters(self) -> list[LineFilter]:
        return [*super().get_line_filters(), *self._ascii]

    def _fatal_error(self) -> None:
        """A crash is reported without the values of variables: one of them may be a secret."""
        from rich.traceback import Traceback

        self.bell()
        traceback = Traceback(show_locals=False, width=None)
        self._exit_renderables.append(Segments(self.console.render(traceback, self.console.options)))
        self._close_messages_no_wait()
