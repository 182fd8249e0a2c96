"""Keys: what is handed out to callers, whether it works, what it did; made, limited, rotated, revoked."""

from collections.abc import Iterable
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.crossing import to_calls
from admin_tui.screens.customer import CustomerScreen
from admin_tui.screens.customer_facts import Payer
from admin_tui.screens.forms import export
from admin_tui.screens.forms.changes import for_each, several, switch
from admin_tui.screens.forms.customer_forms import ask_topup
from admin_tui.screens.forms.key_forms import ask_edit_key, ask_new_key, ask_rotation
from admin_tui.screens.keys_facts import (
    KeyRow,
    key_facts,
    limits_word,
    limits_words,
    read_keys,
    used_in_a_day,
)
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.bars import styled
from admin_tui.widgets.dialogs import Confirm
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.records import Tier
from gateway.store.database import Database
from gateway.store.operators import keys

_EMPTY = """[b]No API keys yet.[/b]

A key is what a caller sends. It belongs to a customer, who pays, and to a tier, which says what it may do.

Press [b]n[/b], or [b]trigate keys create NAME[/b]. Its secret is shown once, with lines to paste."""
_FINAL = "It is revoked, which is final. n makes a new one."
_LIVING = {"keys.edit", "keys.disable", "keys.rotate", "keys.revoke"}


class KeysScreen(ListScreen[KeyRow]):
    CONTEXT = "keys"
    BINDINGS: ClassVar[list[BindingType]] = bindings("keys")
    NAME = "keys"
    # "3m ago" ages, and a gateway that dies commits nothing.
    AGES_S = 5.0
    COLUMNS = (
        Column[KeyRow]("NAME", lambda row: row.key.name, sort=lambda row: row.key.name),
        Column[KeyRow]("STATE", lambda row: row.state, width=11, sort=lambda row: row.state.text),
        Column[KeyRow]("CUSTOMER", lambda row: row.payer.name, width=10, sort=lambda row: row.payer.name),
        Column[KeyRow]("TIER", lambda row: row.key.tier, width=6, sort=lambda row: row.key.tier),
        Column[KeyRow](
            "USED",
            lambda row: _last_use(row),
            width=8,
            right=True,
            sort=lambda row: row.figures.view.last_used_at,
            falling=True,
        ),
        Column[KeyRow](
            "CALLS",
            lambda row: Cell(format.tokens(row.figures.calls_24h), "" if row.figures.calls_24h else "dim"),
            width=6,
            right=True,
            sort=lambda row: row.figures.calls_24h,
            falling=True,
        ),
        Column[KeyRow](
            "COST 24H",
            lambda row: Cell(format.usd(row.figures.charged_24h_micro), "" if row.figures.charged_24h_micro else "dim"),
            width=9,
            right=True,
            sort=lambda row: row.figures.charged_24h_micro,
            falling=True,
        ),
        Column[KeyRow]("LIMITS", lambda row: Cell(limits_word(row.key), "dim"), width=9, from_width=78),
        Column[KeyRow]("EXPIRES", lambda row: _expires(row), width=10, from_width=120),
        Column[KeyRow]("ID", lambda row: Cell(row.key.public_id, "dim"), width=13, from_width=120),
    )

    def __init__(self) -> None:
        super().__init__()
        self._rows: list[KeyRow] = []
        self._payers: list[Payer] = []
        self._tiers: list[Tier] = []
        self._with_revoked = False

    def key_of(self, row: KeyRow) -> int:
        return row.key.id

    def copied(self, row: KeyRow) -> str:
        return row.key.public_id

    def words_of(self, row: KeyRow) -> list[str]:
        view = row.figures.view
        return [
            row.key.name,
            row.key.public_id,
            row.state.text,
            row.payer.name,
            row.key.tier,
            limits_words(row.key),
            view.last_ip,
        ]

    def read(self, database: Database) -> Any:
        return read_keys(database, self.console.now(), alive=self.alive)

    def show(self, data: Any) -> None:
        self._rows, self._payers, self._tiers = data
        super().show([row for row in self._rows if self._with_revoked or not row.revoked])
        line = self.query_one("#keys-sum", Static)
        line.update(self._headline())
        line.set_class(not self._rows, "hidden")

    def empty_text(self) -> str:
        if self._rows:
            return "[b]Every key is revoked.[/b]\n\nPress [b]n[/b] for a new one; [b]a[/b] shows the old ones."
        return _EMPTY

    def detail(self, row: KeyRow) -> Iterable[Fact]:
        return key_facts(row)

    # -- the line above

    def above(self) -> ComposeResult:
        yield Static("", id="keys-sum", classes="headline")

    def _headline(self) -> Content:
        living = [row for row in self._rows if not row.revoked]
        revoked = len(self._rows) - len(living)
        working = sum(1 for row in living if row.state.tone == "good")
        calls = sum(row.figures.calls_24h for row in self._rows)
        charged = sum(row.figures.charged_24h_micro for row in self._rows)
        parts = [f"{len(living):,} key{'' if len(living) == 1 else 's'}", f"{working:,} active"]
        if len(living) > working:
            parts.append(f"{len(living) - working:,} refused")
        if revoked:
            parts.append(f"{revoked:,} revoked, a {'hides' if self._with_revoked else 'shows'}")
        day = f"{calls:,} call{'' if calls == 1 else 's'}, {format.usd(charged)}"
        return Content.assemble("   ".join(parts), "   24 h: ", styled(day, "strong"))

    # -- commands

    def refusal(self, each: Command) -> str:
        chosen = self.table.chosen()
        if each.id in _LIVING and chosen and all(row.revoked for row in chosen):
            return _FINAL
        if each.id == "keys.export" and not self.table.rows:
            return "There is nothing to export."
        return ""

    def do_create(self) -> None:
        ask_new_key(self.console, self._payers, self._tiers, self.table.seek)

    def do_edit(self) -> None:
        row = self._living_selected()
        if row is not None:
            ask_edit_key(self.console, row.key, self._tiers)

    def do_rotate(self) -> None:
        row = self._living_selected()
        if row is not None:
            ask_rotation(self.console, row.key, used_in_a_day(row.figures))

    async def do_disable(self) -> None:
        """Disable those that are enabled; where none is, enable them."""
        chosen = [row.key for row in self.table.chosen() if not row.revoked]
        on_ = [key for key in chosen if key.enabled]
        wanted = on_ or chosen
        names, ids = [key.name for key in wanted], [key.public_id for key in wanted]
        if on_:
            await switch(self.console, "key", names, keys.disable, keys.enable, ("disabled", "enabled again"), ids)
        else:
            await switch(self.console, "key", names, keys.enable, keys.disable, ("enabled", "disabled again"), ids)

    def do_revoke(self) -> None:
        """For good, once the name (of several: their number) was typed."""
        chosen = [row for row in self.table.chosen() if not row.revoked]
        names = [row.key.name for row in chosen]
        subject = several(names, "key")
        calls = sum(row.figures.calls_24h for row in chosen)
        charged = sum(row.figures.charged_24h_micro for row in chosen)
        last = max((row.figures.view.last_used_at or 0 for row in chosen), default=0)
        facts: list[Fact] = [
            ("keys" if len(chosen) > 1 else "customer", ", ".join(names) if len(chosen) > 1 else chosen[0].payer.name),
            ("used in 24 h", f"{calls:,} call{'' if calls == 1 else 's'}, {format_usd(charged)}"),
            ("last use", format.ago(last or None, self.console.now())),
        ]
        ids = [row.key.public_id for row in chosen]

        def answered(sure: bool | None) -> None:
            if sure:
                done = f"{subject} {'is' if len(ids) == 1 else 'are'} revoked."
                self.console.run_worker(self.console.actions.run(for_each(ids, keys.revoke), done=done))

        question = Confirm(
            f"Revoke {subject}?",
            verb="Revoke",
            facts=facts,
            warning="Open calls are cut within a second. This is for good; x only disables.",
            typed=names[0] if len(names) == 1 else str(len(names)),
        )
        self.app.push_screen(question, answered)

    def do_topup(self) -> None:
        if self.selected is not None:
            money = self.selected.payer.money
            ask_topup(self.console, money.customer, money.balance_micro)

    def do_customer(self) -> None:
        if self.selected is not None:
            self.app.push_screen(CustomerScreen(self.selected.key.customer_id))

    def do_its_calls(self) -> None:
        if self.selected is not None:
            to_calls(self.console, "key", self.selected.key.name)

    def do_revoked(self) -> None:
        self._with_revoked = not self._with_revoked
        self.show((self._rows, self._payers, self._tiers))

    def do_export(self) -> None:
        headings = (
            "name", "id", "state", "customer", "tier", "last_use", "calls_24h", "failed_24h", "cost_24h_usd",
            "today_usd", "month_usd", "limits", "expires",
        )  # fmt: skip
        export.ask_export(self.console, export.Sheet("keys", headings, [*map(self._line, self.table.rows)]))

    def _line(self, row: KeyRow) -> list[export.Value]:
        view = row.figures.view
        return [
            row.key.name,
            row.key.public_id,
            row.state.text.partition(" ")[2],
            row.payer.name,
            row.key.tier,
            None if view.last_used_at is None else format.instant(view.last_used_at),
            row.figures.calls_24h,
            row.figures.failed_24h,
            export.usd(row.figures.charged_24h_micro),
            export.usd(view.spent.day_micro),
            export.usd(view.spent.month_micro),
            limits_words(row.key),
            None if row.key.expires_at is None else format.instant(row.key.expires_at),
        ]

    def _living_selected(self) -> KeyRow | None:
        row = self.selected
        if row is not None and row.revoked:
            self.console.say(_FINAL, "warning")
            return None
        return row


def _last_use(row: KeyRow) -> Cell:
    at = row.figures.view.last_used_at
    return Cell(format.ago(at, row.now_at), "dim" if at is None else "")


def _expires(row: KeyRow) -> Cell | str:
    return Cell("never", "dim") if row.key.expires_at is None else format.day(row.key.expires_at)
