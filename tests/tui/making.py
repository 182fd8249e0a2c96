"""A console at work: pressed keys in, the screen as text out. And what a gateway would have written."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from textual.events import Key, Paste
from textual.keys import _character_to_key
from textual.pilot import Pilot
from textual.widgets import Input

from admin_tui.app import ConsoleApp
from admin_tui.screens.base import ConsoleScreen
from gateway.settings import DATABASE
from gateway.store.database import Database, open_database, rows
from gateway.store.jobs import AccountState, Gauge, Heartbeat, Job, KeyState, RememberState
from gateway.store.transact import Transactor
from tests.store.making import BOOT, GATEWAY, NOW

SNAPSHOTS = Path(__file__).parent / "snapshots"
SIZES = {"80x24": (80, 24), "120x36": (120, 36), "200x60": (200, 60)}
_KEYS_AT_MOST = 3
_QUIET_ROUNDS = 2
# What Textual notes of a widget for the moment it has no more messages.
_STILL_TO_DO = ("_layout_required", "_scroll_required", "_repaint_required", "_refresh_styles_required")
WRITING = bool(os.environ.get("WRITE_SNAPSHOTS"))


class Console:
    """The application under a pilot."""

    def __init__(self, app: ConsoleApp, pilot: Pilot[None]) -> None:
        self.app = app
        self.pilot = pilot

    async def settle(self) -> None:
        """Until every read, write and message has been dealt with, however slow the machine is."""
        quiet = 0
        while quiet < _QUIET_ROUNDS:
            await self.heard()
            waiting = [worker for worker in self.app.workers if not worker.is_finished]
            await asyncio.gather(*(worker.wait() for worker in waiting), return_exceptions=True)
            quiet = 0 if waiting or self._is_busy() else quiet + 1

    async def heard(self) -> None:
        """Until the messages sent so far were dealt with, but not what they began."""
        await self.pilot._wait_for_screen()
        # Otherwise drawn at the next sixtieth of a second.
        self.app.screen._on_timer_update()

    async def until(self, holds: Callable[[], object]) -> None:
        """As long as it takes, while something goes on that `settle` would wait for."""
        while not holds():
            await self.heard()
            await asyncio.sleep(0.005)

    def _is_busy(self) -> bool:
        screen = self.app.screen
        widgets = [screen, *screen.walk_children()]
        return (
            any(pump.message_queue_size or pump._next_callbacks for pump in (self.app, *widgets))
            or any(getattr(widget, name) for widget in widgets for name in _STILL_TO_DO)
            or bool(screen._dirty_widgets or screen._callbacks)
        )

    async def press(self, *keys: str) -> None:
        for key in keys:
            self.send(key)
            await self.settle()

    def send(self, key: str) -> None:
        """A key, without waiting for what it does. (The pilot's own way sleeps for 40 ms and more, twice.)"""
        name = _character_to_key(key) if len(key) == 1 and not key.isalnum() else key
        event = Key(name, " " if name == "space" else key if len(key) == 1 else None)
        event.set_sender(self.app)
        self.app._driver.send_message(event)  # type: ignore[union-attr]

    async def type(self, text: str) -> None:
        """Into whatever has the focus. Longer text is pasted: every key draws the screen anew."""
        focused = self.app.focused
        if isinstance(focused, Input) and len(text) > _KEYS_AT_MOST:
            focused.post_message(Paste(text))
            await self.settle()
        else:
            await self.press(*text)

    async def look(self) -> None:
        """What the console does by itself four times a second."""
        if isinstance(self.app.screen, ConsoleScreen):
            # However short a time ago it read.
            self.app.screen._read_at = 0.0
        await self.app.look()
        await self.settle()

    @property
    def text(self) -> str:
        """The screen, as a person reads it."""
        strips = self.app.screen._compositor.render_strips()
        return "\n".join(strip.text.rstrip() for strip in strips) + "\n"

    @property
    def said(self) -> list[str]:
        """The toasts, oldest first."""
        return [notification.message for notification in self.app._notifications]

    def has_said(self, words: str) -> bool:
        """Whether they are in any toast."""
        return any(words in each for each in self.said)


@asynccontextmanager
async def console_on(
    data_dir: Path, size: tuple[int, int] = SIZES["80x24"], *, at: int = NOW, **options: Any
) -> AsyncIterator[Console]:
    """A console on `data_dir` that looks only when it is told to, at the instant `at`."""
    app = ConsoleApp(data_dir, config_dir=data_dir / "config", clock=lambda: at, poll_s=None, **options)
    app.animation_level = "none"
    async with app.run_test(size=size, notifications=True) as pilot:
        console = Console(app, pilot)
        await console.look()
        yield console


def matches_snapshot(name: str, text: str) -> bool:
    """Whether the screen is the one in `snapshots/NAME.txt`; `WRITE_SNAPSHOTS=1 pytest tests/tui` writes them anew."""
    path = SNAPSHOTS / f"{name}.txt"
    if WRITING:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), f"The screen is not the one in {path}"
    return True


class Gateway:
    """Writes what a running gateway writes."""

    def __init__(self, data_dir: Path) -> None:
        self._at = NOW
        self._transactor = Transactor(GATEWAY, BOOT, lambda: self._at)
        self._transactor.connect(data_dir / DATABASE)

    def write(self, *jobs: Job, at: int = NOW) -> None:
        """Durable at `at`."""
        self._at = at
        failure = self._transactor.transact(jobs)
        assert failure is None, failure

    def beat(
        self,
        *,
        at: int = NOW,
        state: str = "ready",
        open_calls: int = 0,
        states: Iterable[AccountState] = (),
        uses: Iterable[KeyState] = (),
        gauges: Iterable[Gauge] = (),
    ) -> None:
        """The sign of life of a gateway that has been up for three days and four hours."""
        heartbeat = Heartbeat(
            pid=4711,
            host="host",
            version="0.1.0",
            address="http://127.0.0.1:8000",
            state=state,
            open_calls=open_calls,
            started_at=at - (3 * 24 + 4) * 3_600_000,
        )
        self.write(RememberState(list(states), list(uses), list(gauges), heartbeat), at=at)

    def close(self) -> None:
        self._transactor.close()


def expire(database: Database, name: str, at: int) -> None:
    """Time has passed since a key was given that long."""
    rows(database, "UPDATE keys SET expires_at = ? WHERE name = ?", (at, name))


def reading(data_dir: Path) -> Database:
    """A connection of the test's own."""
    return open_database(data_dir / DATABASE, read_only=True)
