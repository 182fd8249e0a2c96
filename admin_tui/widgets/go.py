"""What may come after `g`: a line at the foot of the screen that takes one key."""

from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Static

GOALS = {
    "g": ("top", "top"),
    "l": ("live", "Live"),
    "k": ("keys", "Keys"),
    "a": ("accounts", "Accounts"),
    "m": ("money", "Money"),
    "u": ("usage", "Usage"),
    "o": ("models", "Models"),
    "t": ("audit", "Audit"),
}
"""Letter -> (what `Go` answers, how it is written)."""


class Go(ModalScreen[str]):
    """Answers the goal of the next key, or nothing where it names none.

    Bindings rather than a look at every key: one that was typed before this was drawn is matched with them, too.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(letter, f"goal('{goal}')", show=False) for letter, (goal, _) in GOALS.items()
    ]

    def compose(self) -> ComposeResult:
        parts: list[Content | str] = [" "]
        for letter, (_, title) in GOALS.items():
            parts += [Content.styled(letter, "bold $primary"), f" {title}  "]
        yield Static(Content.assemble(*parts), id="goals")

    def action_goal(self, goal: str) -> None:
        self.dismiss(goal)

    def on_key(self, event: events.Key) -> None:
        if event.character not in GOALS:
            event.stop()
            self.dismiss("")

    def on_click(self) -> None:
        self.dismiss("")
