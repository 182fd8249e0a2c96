"""Yes or no, said in words: a switch that is told by its colour alone is not seen by everybody."""

from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.content import Content
from textual.reactive import reactive
from textual.widgets import Static


class Toggle(Static, can_focus=True):
    """`[x] yes` or `[ ] no`; space and a click turn it over."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("space,enter", "turn", show=False)]

    value: reactive[bool] = reactive(False)

    def __init__(self, value: bool, *, id: str) -> None:
        super().__init__(id=id)
        self.set_reactive(Toggle.value, value)

    def render(self) -> Content:
        return Content("[x] yes" if self.value else "[ ] no")

    def action_turn(self) -> None:
        self.value = not self.value

    def on_click(self) -> None:
        self.action_turn()
