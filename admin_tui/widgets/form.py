"""Forms: fields that are checked while they are typed, and written only when every one of them makes sense."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Select, Static

from admin_tui.typing_ahead import Typed
from admin_tui.widgets.dialogs import Dialog
from admin_tui.widgets.toggle import Toggle
from gateway.billing.money import format_usd, parse_usd
from gateway.errors import OperatorError, UsageError
from gateway.store.operators import validate

Kind = Literal["text", "secret", "usd", "int", "choice", "globs", "bool"]
Values = dict[str, Any]


@dataclass(frozen=True)
class Field:
    """One line of a form, and how its text becomes a value:

    `text` and `secret` str; `usd` int micro-dollars; `int` int; `choice` one of `choices` (value, label); `globs` a
    tuple of patterns, typed with spaces or commas between; `bool` bool. Left empty, `usd` and `int` are None, unless
    `required`. `check` refuses a value by raising OperatorError.
    """

    name: str
    label: str
    kind: Kind = "text"
    value: Any = None
    required: bool = False
    help: str = ""
    choices: tuple[tuple[str, str], ...] = ()
    check: Callable[[Any], object] | None = None

    def parse(self, text: str) -> Any:
        """The value that was typed. Raises OperatorError."""
        text = text if self.kind == "secret" else text.strip()
        if not text and self.required:
            raise UsageError(f"{self.label} is needed.")
        value: Any = text
        if self.kind == "usd":
            value = parse_usd(text) if text else None
        elif self.kind == "int":
            value = _whole(self.label, text) if text else None
        elif self.kind == "globs":
            value = validate.globs(text.replace(",", " ").split())
        if self.check is not None and (text or self.required):
            self.check(value)
        return value

    def written(self) -> str:
        """`value` as it stands in the field at first."""
        if self.value is None:
            return ""
        if self.kind == "usd":
            return format_usd(self.value).replace("$", "").replace(",", "")
        return " ".join(self.value) if self.kind == "globs" else str(self.value)


def _whole(label: str, text: str) -> int:
    try:
        return int(text.replace(",", ""))
    except ValueError:
        raise UsageError(f"{label} is a whole number, not {text!r}.") from None


class Line(Input):
    """A field's text. Enter is the form's at once: with a message, what is typed behind it would still go in here."""

    async def action_submit(self) -> None:
        cast("Form", self.screen).go_on(self)


class Form(Dialog[Values]):
    """Asks for `fields`, then awaits `save` with their values by name; dismissed with them once that succeeded.

    An OperatorError of `save` is shown in the form, which stays as it was typed. None where it was cancelled. `ctrl+s`
    saves from any field, `enter` goes to the next one and saves from the last.
    """

    # The first field gets the focus, and then what was typed before it was there.
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", show=False, priority=True),
        Binding("tab", "app.focus_next", show=False, priority=True),
        Binding("shift+tab", "app.focus_previous", show=False, priority=True),
        Binding("down", "app.focus_next", show=False),
        Binding("up", "app.focus_previous", show=False),
    ]

    def __init__(
        self,
        title: str,
        fields: Sequence[Field],
        save: Callable[[Values], Awaitable[object]],
        *,
        verb: str = "Save",
        note: str = "",
    ) -> None:
        super().__init__()
        self._title = title
        self._fields = {field.name: field for field in fields}
        self._save = save
        self._verb = verb
        self._note = note
        self._saving = False
        self.held: list[Typed] | None = []

    def compose(self) -> ComposeResult:
        with Vertical(classes="dialog form"):
            yield Static(Content(self._title), classes="dialog--title")
            if self._note:
                yield Static(Content(self._note), classes="dialog--note")
            with VerticalScroll(classes="form--fields", can_focus=False):
                for field in self._fields.values():
                    with Horizontal(classes="form--field"):
                        yield Static(Content(field.label), classes="form--label")
                        with Vertical(classes="form--value"):
                            yield self._widget(field)
                            yield Static(Content(field.help), id=f"help-{field.name}", classes="form--help")
            yield Static("", id="refusal")
            with Horizontal(classes="dialog--buttons"):
                yield Static("ctrl+s saves   esc cancels", classes="dialog--hint")
                yield Button("Cancel", id="cancel")
                yield Button(self._verb, id="save", variant="primary")

    def _widget(self, field: Field) -> Widget:
        if field.kind == "bool":
            return Toggle(bool(field.value), id=f"field-{field.name}")
        if field.kind == "choice":
            options = [(label, value) for value, label in field.choices]
            value = field.value if field.value is not None else field.choices[0][0]
            return Select(options, value=value, allow_blank=False, id=f"field-{field.name}", compact=True)
        is_secret = field.kind == "secret"
        return Line(field.written(), password=is_secret, id=f"field-{field.name}", compact=True, select_on_focus=False)

    def on_mount(self) -> None:
        self.call_later(self._begin)

    async def _begin(self) -> None:
        """Whoever knows the form types on while it is drawn."""
        self.set_focus(self.query_one(f"#field-{next(iter(self._fields))}"))
        await self.console.release(self)

    @on(Input.Changed)
    def check(self, event: Input.Changed) -> None:
        """Said while it is typed, but for a field that is not filled in yet."""
        field = self._field_of(event.input)
        if field is not None:
            self._say(field, self._problem(field) if event.value.strip() else "")

    def set_focus(self, widget: Widget | None, scroll_visible: bool = True, from_app_focus: bool = False) -> None:
        """What is typed into a line takes the place of what stands there. Selected when the line hears of its focus, it
        would take the place of what was typed meanwhile."""
        super().set_focus(widget, scroll_visible, from_app_focus)
        if isinstance(widget, Line) and not from_app_focus:
            widget.select_all()

    def go_on(self, line: Input) -> None:
        """Enter was pressed in a line."""
        if line is self.query(Line).last():
            self.action_save()
        else:
            self.focus_next()

    @on(Button.Pressed, "#cancel")
    def action_cancel(self) -> None:
        if self._saving:
            self.console.say("It is still being written.", "warning")
        else:
            self.dismiss(None)

    @on(Button.Pressed, "#save")
    def action_save(self) -> None:
        problems = {name: self._problem(field) for name, field in self._fields.items()}
        for name, problem in problems.items():
            self._say(self._fields[name], problem)
        first = next((name for name, problem in problems.items() if problem), None)
        if first is not None:
            self.set_focus(self.query_one(f"#field-{first}"))
        elif not self._saving:
            self._saving = True
            self.run_worker(self._try(self.values()), exit_on_error=True)

    def values(self) -> Values:
        """What is typed, by field. Raises OperatorError."""
        return {name: self._value(field) for name, field in self._fields.items()}

    async def _try(self, values: Values) -> None:
        try:
            await self._save(values)
        except OperatorError as error:
            self.query_one("#refusal", Static).update(Content(error.message))
        else:
            self.dismiss(values)
        finally:
            self._saving = False

    def _value(self, field: Field) -> Any:
        widget = self.query_one(f"#field-{field.name}")
        if isinstance(widget, Input):
            return field.parse(widget.value)
        return widget.value if isinstance(widget, Toggle | Select) else None

    def _problem(self, field: Field) -> str:
        try:
            self._value(field)
        except OperatorError as error:
            return error.message
        return ""

    def _say(self, field: Field, problem: str) -> None:
        line = self.query_one(f"#help-{field.name}", Static)
        line.update(Content(problem or field.help))
        line.set_class(bool(problem), "form--problem")

    def _field_of(self, widget: Input) -> Field | None:
        return self._fields.get((widget.id or "").removeprefix("field-"))
