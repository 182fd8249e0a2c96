"""Forms: fields that are checked while they are typed, and written only when every one of them makes sense."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.widget import Widget
from textual.widgets import Button, Input, Select, Static

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


class Form(Dialog[Values]):
    """Asks for `fields`, then awaits `save` with their values by name; dismissed with them once that succeeded.

    An OperatorError of `save` is shown in the form, which stays as it was typed. None where it was cancelled. `ctrl+s`
    saves from any field, `enter` goes to the next one and saves from the last.
    """

    # The first field gets the focus together with what was typed before it was there.
    AUTO_FOCUS = ""
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+s", "save", show=False, priority=True),
        # Dealt with before what is typed next is given to a field.
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
        # Keys that came before there was a field to take them; None once there is.
        self._early: list[events.Key] | None = []

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
        return Input(field.written(), password=field.kind == "secret", id=f"field-{field.name}", compact=True)

    def on_mount(self) -> None:
        self.call_later(self._begin)

    def on_key(self, event: events.Key) -> None:
        if self._early is not None:
            event.stop()
            self._early.append(event)

    def _begin(self) -> None:
        """Whoever knows the form types on while it is drawn: none of that is lost, and it stays in order."""
        if self.message_queue_size:
            self.call_later(self._begin)
            return
        early, self._early = self._early, None
        first = self.query_one(f"#field-{next(iter(self._fields))}")
        self.set_focus(first)
        for event in early or ():
            (self.focused or first).post_message(events.Key(event.key, event.character))

    @on(Input.Changed)
    def check(self, event: Input.Changed) -> None:
        """Said while it is typed, but for a field that is not filled in yet."""
        field = self._field_of(event.input)
        if field is not None:
            self._say(field, self._problem(field) if event.value.strip() else "")

    @on(Input.Submitted)
    def go_on(self, event: Input.Submitted) -> None:
        inputs = [each for each in self.query(Input) if each.id]
        if event.input is inputs[-1]:
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
        if self._early is not None:
            return
        problems = {name: self._problem(field) for name, field in self._fields.items()}
        for name, problem in problems.items():
            self._say(self._fields[name], problem)
        first = next((name for name, problem in problems.items() if problem), None)
        if first is not None:
            self.query_one(f"#field-{first}").focus()
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


def changed(before: Mapping[str, Any], after: Mapping[str, Any]) -> Values:
    """The values that are not what they were: what a `…Changes` is made of."""
    return {name: value for name, value in after.items() if value != before.get(name)}
