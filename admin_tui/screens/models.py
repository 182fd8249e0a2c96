"""Models: what is served by whom, under which names, at what price; from here on to tiers and run-time settings."""

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.forms.model_forms import ask_alias, ask_new_model, ask_price, ask_unalias
from admin_tui.screens.lists import ListScreen
from admin_tui.screens.model_rows import ModelRow, model_facts, rate, read_models, served_by, state
from admin_tui.screens.settings import SettingsScreen
from admin_tui.screens.tiers import TiersScreen
from admin_tui.widgets.bars import styled
from admin_tui.widgets.dialogs import Confirm
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.store.database import Database
from gateway.store.operators import models

_EMPTY = """[b]No account serves a model yet.[/b]

A model is served as soon as an account has it and it has a price. On Accounts, [b]3[/b], [b]n[/b] adds an account.

[b]v[/b] shows every model of the catalog, [b]t[/b] the tiers, [b]o[/b] retention and the budgets of races."""


def _rate_column(heading: str, bucket: str, from_width: int = 0) -> Column[ModelRow]:
    return Column[ModelRow](
        heading,
        lambda row: rate(row, bucket),
        width=8 if from_width else 7,
        right=True,
        from_width=from_width,
        sort=lambda row: getattr(row.price.rates, bucket) if row.price else None,
        falling=True,
    )


class ModelsScreen(ListScreen[ModelRow]):
    CONTEXT = "models"
    BINDINGS: ClassVar[list[BindingType]] = bindings("models")
    NAME = "models"
    REFRESH_S = 2.0
    LEFT_OUT = frozenset({"list.mark"})
    COLUMNS = (
        Column[ModelRow]("MODEL", lambda row: row.model.id, sort=lambda row: row.model.id),
        Column[ModelRow]("STATE", state, width=12, sort=lambda row: row.word),
        _rate_column("IN", "input"),
        _rate_column("OUT", "output"),
        _rate_column("CACHED", "cache_read"),
        _rate_column("WRITE 5M", "cache_write_5m", 100),
        _rate_column("WRITE 1H", "cache_write_1h", 100),
        Column[ModelRow]("ACCOUNTS", served_by, sort=lambda row: row.accounts),
        Column[ModelRow]("CONTEXT", lambda row: Cell(format.tokens(row.model.context_tokens or None), "dim"), width=7,
                         right=True, from_width=100, sort=lambda row: row.model.context_tokens, falling=True),
        Column[ModelRow]("ALIASES", lambda row: Cell(", ".join(row.aliases), "dim"), from_width=110),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[ModelRow] = []
        self._own_aliases: dict[str, str] = {}
        self._every = False

    def key_of(self, row: ModelRow) -> str:
        return row.model.id

    def words_of(self, row: ModelRow) -> list[str]:
        return [row.model.id, row.model.vendor, row.word, *row.accounts, *row.unpriced_at, *row.aliases]

    def read(self, database: Database) -> Any:
        return read_models(database, self.console.now())

    def show(self, data: Any) -> None:
        self._rows, self._own_aliases = data
        super().show([row for row in self._rows if self._every or row.accounts or row.unpriced_at or row.own])
        self.query_one("#models-sum", Static).update(self._headline())

    def detail(self, row: ModelRow) -> Iterable[Fact]:
        return model_facts(row)

    def empty_text(self) -> str:
        return _EMPTY

    def note(self) -> str:
        return "  ".join(filter(None, (super().note(), "$/M tokens")))

    def above(self) -> ComposeResult:
        yield Static("", id="models-sum", classes="headline")

    def _headline(self) -> Content:
        served = sum(1 for row in self._rows if row.word == "served")
        unpriced = [row.model.id for row in self._rows if row.word == "no price"]
        text = f"{served:,} of {len(self._rows):,} models are served"
        if not unpriced:
            hint = "" if self._every else "   v shows the others"
            return Content.assemble(text, styled(hint, "dim"))
        verb = "has" if len(unpriced) == 1 else "have"
        return Content.assemble(
            text, "   ", styled(f"{len(unpriced)} {verb} no price and may not be: p sets one", "bad")
        )

    # -- commands

    def refusal(self, each: Command) -> str:
        row = self.selected
        if each.id == "models.unalias" and not self._own_aliases:
            return "There is no alias of yours."
        if each.id == "models.remove" and row is not None and not row.own:
            return "Nothing of it is yours: it is as shipped."
        return ""

    def do_price(self) -> None:
        row = self.selected
        if row is None:
            return
        if row.known:
            ask_price(self.console, row)
        else:
            # Only an account knows it: the catalog has to, before it can be sold.
            ask_new_model(self.console, row.model.id)

    def do_alias(self) -> None:
        if self.selected is not None:
            ask_alias(self.console, self.selected, self._own_aliases)

    def do_unalias(self) -> None:
        if self.selected is not None:
            ask_unalias(self.console, self.selected, self._own_aliases)

    def do_create(self) -> None:
        ask_new_model(self.console)

    def do_tiers(self) -> None:
        self.app.push_screen(TiersScreen())

    def do_settings(self) -> None:
        self.app.push_screen(SettingsScreen())

    def do_all(self) -> None:
        self._every = not self._every
        self.reload()

    def do_remove(self) -> None:
        row = self.selected
        if row is None:
            return
        model_id = row.model.id
        facts: list[Fact] = [
            ("yours", " and ".join(row.own)),
            ("served by", ", ".join(row.accounts) or "nobody"),
        ]

        def answered(sure: bool | None) -> None:
            if sure:
                change = self.console.actions.run(
                    lambda database, actor: models.remove(database, actor, model_id),
                    done=f"What you set for {model_id} is taken back.",
                )
                self.console.run_worker(change)

        warning = "A shipped model is as shipped again; one of your own is gone. Prices you set are gone, too."
        question = f"Take back what you set for {model_id}?"
        self.app.push_screen(Confirm(question, verb="Take back", facts=facts, warning=warning), answered)
