"""A key's secret, shown this once: to be copied, or saved to a file, and then forgotten."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widgets import Button, Input, Static

from admin_tui.widgets.dialogs import Confirm, Dialog


class SecretDialog(Dialog[None]):
    """The secret and lines to paste. `y` sends it to the terminal's clipboard, `c` the first of the lines, `w`
    writes it to a file of mode 0600.

    `lines` are (what it is for, the line); whoever opens this keeps no copy of the secret. Nothing is left of it here
    once the dialog is closed. Closing has to be confirmed while it was neither copied nor saved, unless it is
    `replaceable`: one that matters to nobody.
    """

    CONFIDENTIAL = True
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "copy", show=False),
        Binding("c", "copy_line", show=False),
        Binding("w", "ask_file", show=False),
        Binding("q", "cancel", show=False),
        Binding("j,down", "scroll(1)", show=False),
        Binding("k,up", "scroll(-1)", show=False),
    ]

    def __init__(
        self,
        title: str,
        secret: str,
        lines: Sequence[tuple[str, str]] = (),
        *,
        file_name: str,
        replaceable: bool = False,
    ) -> None:
        super().__init__()
        self._replaceable = replaceable
        self._title = title
        self._secret = secret
        self._lines = list(lines)
        self._file_name = file_name
        self._kept = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog secret"):
            yield Static(Content(self._title), classes="dialog--title")
            yield Static(Content("It is shown this once: only its hash is kept."), classes="dialog--warning")
            yield Static(Content(self._secret), id="secret")
            with VerticalScroll(id="lines", can_focus=False):
                for label, line in self._lines:
                    yield Static(Content(label), classes="dialog--label")
                    yield Static(Content(line), classes="secret--line")
            yield Input(id="path", classes="hidden", placeholder="file to write, then enter")
            yield Static("", id="said")
            with Horizontal(classes="dialog--buttons"):
                yield Button("y Copy", id="copy", variant="primary")
                if self._lines:
                    yield Button(f"c Copy the {self._unit()}", id="copy-line")
                yield Button("w Save", id="save")
                yield Button("Close", id="close")

    def on_mount(self) -> None:
        self.query_one("#copy").focus()

    def on_unmount(self) -> None:
        self._forget()

    @on(Button.Pressed, "#copy")
    def action_copy(self) -> None:
        self.console.send_to_clipboard(self._secret)
        self._kept = True
        self._say("Sent to the terminal's clipboard. Terminals do not answer: paste it once to be sure.")

    @on(Button.Pressed, "#copy-line")
    def action_copy_line(self) -> None:
        if self._lines:
            self.console.send_to_clipboard(self._lines[0][1])
            self._kept = True
            self._say(f"Sent to the terminal's clipboard: the {self._unit()}, secret included.")

    def _unit(self) -> str:
        """What `c` copies is what stands first."""
        return "exports" if self._lines[0][1].startswith("export ") else "first line"

    def action_scroll(self, lines: int) -> None:
        self.query_one("#lines").scroll_relative(y=lines, animate=False)

    def action_copy_text(self) -> None:
        """What is marked with the mouse."""
        self.console.send_to_clipboard(self.get_selected_text() or "")
        self._kept = True
        self._say("Sent to the terminal's clipboard.")

    @on(Button.Pressed, "#save")
    def action_ask_file(self) -> None:
        path = self.query_one("#path", Input)
        path.value = path.value or str(Path.home() / self._file_name)
        path.remove_class("hidden")
        path.focus()

    @on(Input.Submitted, "#path")
    def save(self, event: Input.Submitted) -> None:
        path = Path(event.value).expanduser()
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(self._secret + "\n")
        except FileExistsError:
            self._say(f"{path} is there already. Name another file.")
            return
        except OSError as error:
            self._say(f"{path} cannot be written: {error.strerror}.")
            return
        self._kept = True
        self.query_one("#path").add_class("hidden")
        self.query_one("#close").focus()
        self._say(f"Saved to {path}, readable by you alone.")

    @on(Button.Pressed, "#close")
    def action_cancel(self) -> None:
        path = self.query_one("#path", Input)
        if path.has_focus:
            path.add_class("hidden")
            self.query_one("#copy").focus()
        elif self._kept or self._replaceable:
            self.dismiss(None)
        else:
            question = "Close without having copied or saved the secret?"
            ask = Confirm(question, verb="Close", warning="It cannot be shown again; a rotation makes a new one.")
            self.app.push_screen(ask, self._close)

    def _close(self, sure: bool | None) -> None:
        if sure:
            self.dismiss(None)

    def _say(self, text: str) -> None:
        self.query_one("#said", Static).update(Content(text))

    def _forget(self) -> None:
        self._secret = ""
        self._lines = []
