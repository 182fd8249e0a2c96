"""The command palette: every command of the key map that works on the current screen, and Textual's own."""

from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, cast

from textual.command import DiscoveryHit, Hit, Hits, Provider

from admin_tui.keymap import Command, written
from admin_tui.screens.base import ConsoleScreen

# Moving about needs no palette.
_LEFT_OUT = {
    "app.palette", "app.go", "app.back", "call.up", "call.down",
    "list.up", "list.down", "list.page-up", "list.page-down", "list.top", "list.bottom", "live.bottom",
}  # fmt: skip


class ConsoleCommands(Provider):
    """Found by name, help and key."""

    async def discover(self) -> Hits:
        for each in self._commands():
            yield DiscoveryHit(self._title(each), self._run(each), help=each.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for each in self._commands():
            title = self._title(each)
            score = matcher.match(f"{title} {each.help}")
            if score > 0:
                yield Hit(score, matcher.highlight(title), self._run(each), help=each.help)

    def _commands(self) -> list[Command]:
        if not isinstance(self.screen, ConsoleScreen):
            return []
        return [each for each in self.screen.commands() if each.id not in _LEFT_OUT]

    def _title(self, each: Command) -> str:
        console = cast(ConsoleScreen, self.screen).console
        name = each.id.partition(".")[2] if each.context != "everywhere" else each.id.removeprefix("app.")
        return f"{name}  ({' '.join(written(console.keys_of(each)))})"

    def _run(self, each: Command) -> Callable[[], Coroutine[Any, Any, None]]:
        return partial(cast(ConsoleScreen, self.screen).action_command, each.id)
