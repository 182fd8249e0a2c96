"""What every key does on the screen it was asked from, made from the key map."""

import textwrap
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Static

from admin_tui.format import Tone
from admin_tui.keymap import CONTEXTS, Command, written
from admin_tui.screens.base import ConsoleScreen
from admin_tui.widgets.bars import styled
from admin_tui.widgets.dialogs import Dialog

_GRADES = {
    "undo": "Done at once; u takes it back.",
    "ask": "Asks first.",
    "type": "Asks first, and for the name to be typed.",
}
SIGNS = (
    ("–", "unknown, which is not the same as 0"),
    ("~", "an estimate, or an amount that still grows"),
    ("● ◌ ✕", "well, waiting or under way, not well; the word beside it says what"),
)

_MARGIN = 14


class HelpScreen(Dialog[None]):
    """The commands of one screen, the most particular first. Those that cannot be used now say why."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("q,question_mark,f1", "cancel", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
        Binding("pagedown,space", "scroll(10)", show=False),
        Binding("pageup", "scroll(-10)", show=False),
    ]

    def __init__(self, screen: ConsoleScreen) -> None:
        super().__init__()
        self._screen = screen

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog help"):
            with VerticalScroll(id="help", can_focus=False):
                yield Static(id="commands")
            yield Static(styled("j k scroll   esc closes", "dim"), classes="dialog--note")

    def on_resize(self) -> None:
        width = self.query_one("#help").scrollable_content_region.width
        self.query_one("#commands", Static).update(Content("\n").join(self.lines(max(30, width))))

    def action_scroll(self, lines: int) -> None:
        self.query_one("#help").scroll_relative(y=lines, animate=False)

    def lines(self, width: int) -> list[Content]:
        """The whole help, for a given width."""
        lines: list[Content] = []
        for context in reversed(self._screen.contexts()):
            commands = [each for each in self._screen.commands() if each.context == context]
            if commands:
                lines.append(Content.styled(CONTEXTS[context], "bold $primary"))
                for each in commands:
                    lines += self._about(each, width)
                lines.append(Content(""))
        lines.append(Content.styled("Signs", "bold $primary"))
        return lines + [line for sign, meaning in SIGNS for line in _beside(sign, meaning, width)]

    def _about(self, each: Command, width: int) -> list[Content]:
        keys = " ".join(written(self.console.keys_of(each)))
        reason = self._screen.why_not(each)
        text = " ".join(filter(None, (each.help, _GRADES.get(each.grade, ""), reason)))
        return _beside(keys, text, width, tone="dim" if reason else "")


def _beside(keys: str, text: str, width: int, tone: Tone = "") -> list[Content]:
    """A key and what it does, which stays beside it however long it is."""
    shown = textwrap.wrap(text, max(10, width - _MARGIN)) or [""]
    first = Content.assemble(styled(f"{keys:<{_MARGIN}}", tone or "strong"), styled(shown[0], tone))
    return [first, *(styled(" " * _MARGIN + line, tone) for line in shown[1:])]
