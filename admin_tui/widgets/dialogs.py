"""Dialogs: making sure of what cannot be undone. Escape and the button that has the focus at first change nothing."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, TypeVar, cast

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static

from admin_tui.widgets.facts import Fact, Facts

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp

Answer = TypeVar("Answer")


class Dialog(ModalScreen[Answer]):
    """A box in the middle. `CONFIDENTIAL` ones are never in a screenshot."""

    CONFIDENTIAL: ClassVar[bool] = False
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "cancel", "Cancel", show=False),
        Binding("left", "app.focus_previous", show=False),
        Binding("right", "app.focus_next", show=False),
    ]

    @property
    def console(self) -> "ConsoleApp":
        return cast("ConsoleApp", self.app)

    def action_cancel(self) -> None:
        self.dismiss(None)


class Confirm(Dialog[bool]):
    """Asks before what cannot be undone: names the victim, tells of its use, and stands on Cancel.

    With `typed` the victim's name (or a number of victims) has to be typed. Answers True, or False or None for no.
    """

    def __init__(
        self, question: str, *, verb: str, facts: Sequence[Fact] = (), warning: str = "", typed: str = ""
    ) -> None:
        super().__init__()
        self._question = question
        self._verb = verb
        self._facts = facts
        self._warning = warning
        self._typed = typed

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog danger"):
            yield Static(Content(self._question), classes="dialog--title")
            if self._facts:
                facts = Facts(classes="dialog--facts")
                facts.show(self._facts)
                yield facts
            if self._warning:
                yield Static(Content(self._warning), classes="dialog--warning")
            if self._typed:
                yield Static(Content(f"Type {self._typed} to confirm:"), classes="dialog--label")
                yield Input(id="typed")
            with Horizontal(classes="dialog--buttons"):
                yield Button("Cancel", id="cancel")
                yield Button(self._verb, id="confirm", variant="error", disabled=bool(self._typed))

    def on_mount(self) -> None:
        self.query_one("#typed" if self._typed else "#cancel").focus()

    def on_input_changed(self, event: Input.Changed) -> None:
        self.query_one("#confirm", Button).disabled = event.value != self._typed

    def on_input_submitted(self, event: Input.Submitted) -> None:
        if event.value == self._typed:
            self.dismiss(True)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "confirm")


class Notice(Dialog[None]):
    """Something to read, with one button."""

    def __init__(self, title: str, facts: Sequence[Fact]) -> None:
        super().__init__()
        self._title = title
        self._facts = facts

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog"):
            yield Static(Content(self._title), classes="dialog--title")
            facts = Facts(classes="dialog--facts")
            facts.show(self._facts)
            yield facts
            with Horizontal(classes="dialog--buttons"):
                yield Button("Close", id="cancel")

    def on_mount(self) -> None:
        self.query_one("#cancel").focus()

    def on_button_pressed(self) -> None:
        self.dismiss(None)
