"""Retention and the budgets of races: what can be changed while the gateway runs."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from textual.binding import BindingType

from admin_tui.actions import Change, Undo
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.forms.changes import tell_done
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.form import Field, Form, Values
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.errors import ConfigurationError, OperatorError, UsageError
from gateway.settings import CHANGEABLE, FIELDS, changed_value, load_settings
from gateway.store.database import Database
from gateway.store.operators import settings
from gateway.store.snapshot import load_setting_overrides

_MICRO = ("hedge_day_cap_micro", "hedge_cost_cap_micro")
_WORDS = {
    "prune_days": ("calls are kept", "days; 0: for ever. The ledger always is"),
    "hedge_share_percent": ("hedges a minute", "% of the calls of that minute"),
    "hedge_least_per_minute": ("hedges at least", "a minute, however few calls there are"),
    "hedge_day_cap_micro": ("losers cost at most, a day", "USD in a UTC day"),
    "hedge_cost_cap_micro": ("losers cost at most, a call", "USD by estimate"),
    "race_prompt_tokens": ("raced prompts up to", "tokens; longer ones are hedged"),
    "race_width": ("accounts in a race", "at most, 2 to 16"),
}


class SettingRow(NamedTuple):
    """A setting: `text` is what the database says (None: nothing), `otherwise` what holds without that, and `origin`
    where from, as this console sees file and environment."""

    name: str
    text: str | None
    otherwise: object
    origin: str
    default: object

    @property
    def value(self) -> object:
        """What holds."""
        return self.otherwise if self.text is None else changed_value(self.name, self.text)


def read_settings(database: Database, data_dir: Path) -> list[SettingRow]:
    """Those that can be changed, in their order."""
    changed = load_setting_overrides(database)
    named = os.environ.get("TRIGATE_CONFIG")
    defaults = {field.name: field.default for field in FIELDS}
    try:
        found = load_settings({}, os.environ, Path(named).expanduser() if named else None, data_dir)
        otherwise = {name: (getattr(found, name), found.origins[name]) for name in CHANGEABLE}
    except OperatorError:
        # What `serve` refuses to begin with is not this screen's to mend.
        otherwise = {name: (defaults[name], "default") for name in CHANGEABLE}
    names = ("prune_days", *(name for name in CHANGEABLE if name != "prune_days"))
    return [SettingRow(name, changed.get(name), *otherwise[name], defaults[name]) for name in names]


def written(name: str, value: object) -> str:
    """A value as people read it."""
    if name in _MICRO and isinstance(value, int):
        return format_usd(value)
    if name == "prune_days":
        return "for ever" if value == 0 else f"{value} day{'' if value == 1 else 's'}"
    if name == "hedge_share_percent":
        return f"{value:g}%"
    return f"{value:,}"


class SettingsScreen(ListScreen[SettingRow]):
    CONTEXT = "settings"
    BINDINGS: ClassVar[list[BindingType]] = bindings("settings")
    LEFT_OUT = frozenset({"list.mark", "list.open"})
    COLUMNS = (
        Column[SettingRow]("SETTING", lambda row: _WORDS[row.name][0]),
        Column[SettingRow]("VALUE", lambda row: Cell(written(row.name, row.value), "accent" if row.text else ""),
                           width=14, right=True),
        Column[SettingRow]("FROM", lambda row: _origin(row), width=12),
        Column[SettingRow]("DEFAULT", lambda row: Cell(written(row.name, row.default), "dim"), width=10, right=True),
        Column[SettingRow]("NAME", lambda row: Cell(row.name, "dim"), width=24, from_width=100),
    )  # fmt: skip

    def key_of(self, row: SettingRow) -> str:
        return row.name

    def note(self) -> str:
        return "  ".join(filter(None, (super().note(), "settings")))

    def words_of(self, row: SettingRow) -> list[str]:
        return [row.name, _WORDS[row.name][0]]

    def read(self, database: Database) -> Any:
        return read_settings(database, self.console.data_dir)

    def detail(self, row: SettingRow) -> Iterable[Fact]:
        field = next(field for field in FIELDS if field.name == row.name)
        yield (row.name, "")
        yield ("", f"{field.description}.")
        yield ("", "")
        yield ("value", written(row.name, row.value))
        yield ("from", "changed here or with trigate config set" if row.text else row.origin)
        if row.text:
            yield ("otherwise", f"{written(row.name, row.otherwise)}, from {row.origin}")
        yield ("default", written(row.name, row.default))
        yield ("", "")
        yield ("", Cell("A running gateway follows within a quarter of a second.", "dim"))

    def refusal(self, each: Command) -> str:
        row = self.selected
        if each.id == "settings.unset" and row is not None and row.text is None:
            return "It was not changed: flag, environment, file or default hold."
        return ""

    def do_edit(self) -> None:
        row = self.selected
        if row is None:
            return
        label, unit = _WORDS[row.name]
        money = row.name in _MICRO
        field = Field("value", "Value", "usd" if money else "text", row.value, required=True,
                      check=_check(row.name), help=f"{unit}.")  # fmt: skip

        async def save(values: Values) -> None:
            text = str(values["value"])
            await self.console.actions.write(_turned(row.name, row.text, text))
            undo = Undo(_turned(row.name, text, row.text), f"{row.name} is as it was.")
            shown = written(row.name, changed_value(row.name, text))
            tell_done(self.console, f"{label[0].upper()}{label[1:]}: {shown}.", undo)

        self.app.push_screen(Form(f"{label[0].upper()}{label[1:]}", [field], save, note=f"The setting {row.name}."))

    async def do_unset(self) -> None:
        row = self.selected
        if row is None:
            return
        await self.console.actions.run(
            _turned(row.name, row.text, None),
            done=f"{row.name} is {written(row.name, row.otherwise)} again, from {row.origin}.",
            undo=Undo(_turned(row.name, None, row.text), f"{row.name} is as it was."),
        )


def _turned(name: str, expected: str | None, text: str | None) -> Change[None]:
    """From one text to another, None for none; refused where another console has written a third."""

    def change(database: Database, actor: str) -> None:
        if load_setting_overrides(database).get(name) != expected:
            raise UsageError(f"Somebody else has changed {name} meanwhile. Nothing was written; look again.")
        if text is None:
            settings.take_back(database, actor, name)
        else:
            settings.change(database, actor, name, text)

    return change


def _check(name: str) -> Any:
    def check(value: object) -> None:
        try:
            changed_value(name, str(value))
        except ConfigurationError as error:
            raise UsageError(error.message) from None

    return check


def _origin(row: SettingRow) -> Cell:
    if row.text is not None:
        return Cell("changed here", "accent")
    return Cell(row.origin.partition(" ")[0], "dim")
