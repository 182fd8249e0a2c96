"""Money: what every customer has, spends and will last with; what the gateway earns."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from rich.cells import cell_len
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.base import WIDE
from admin_tui.screens.crossing import to_calls, to_keys
from admin_tui.screens.customer import CustomerScreen
from admin_tui.screens.customer_facts import (
    Payer,
    customer_facts,
    read_payers,
    runway,
)
from admin_tui.screens.forms import export
from admin_tui.screens.forms.customer_forms import (
    ask_adjust,
    ask_edit_customer,
    ask_new_customer,
    ask_topup,
    switch_customers,
)
from admin_tui.screens.lists import ListScreen
from admin_tui.screens.money_days import DaysScreen, days_content, sum_of
from admin_tui.screens.money_drift import DriftScreen
from admin_tui.screens.money_rows import columns
from admin_tui.widgets.bars import styled
from admin_tui.widgets.facts import Fact
from gateway.store.database import Database, read_transaction
from gateway.store.queries.money import DayMoney, daily_money
from gateway.store.rollups import DAY_MS

DAYS = 30
_VERY_WIDE = 170
_EMPTY = """[b]No customers yet.[/b]

A customer is who pays: a prepaid balance that every call of its keys is charged to.

Press [b]n[/b] to make one, or [b]trigate customers create NAME --balance 25[/b].
A new key on the screen Keys can make its customer, too. [dim]$ tops a balance up.[/dim]"""


class Money(NamedTuple):
    """Customers by name, and the gateway's last 30 days."""

    payers: list[Payer]
    days: list[DayMoney]


class MoneyScreen(ListScreen[Payer]):
    CONTEXT = "money"
    BINDINGS: ClassVar[list[BindingType]] = bindings("money")
    NAME = "money"
    REFRESH_S = 2.0
    # A gateway that dies commits nothing.
    AGES_S = 5.0

    COLUMNS = columns(trend_days=8)

    def __init__(self) -> None:
        super().__init__()
        self._days: list[DayMoney] = []
        self._invoices: dict[tuple[int, int], int] = {}

    def key_of(self, row: Payer) -> int:
        return row.money.customer.id

    def copied(self, row: Payer) -> str:
        return row.name

    def read(self, database: Database) -> Any:
        now_at = self.console.now()
        today = now_at - now_at % DAY_MS
        with read_transaction(database):
            payers = read_payers(database, now_at, alive=self.alive)
            return Money(payers, daily_money(database, since_at=today - (DAYS - 1) * DAY_MS, until_at=today + DAY_MS))

    def show(self, data: Any) -> None:
        self._days = data.days
        super().show(data.payers)
        for line in ("#money-now", "#money-days"):
            self.query_one(line).set_class(not data.payers, "hidden")
        self._show_days()

    def words_of(self, row: Payer) -> list[str]:
        return [row.name, runway(row).text]

    def empty_text(self) -> str:
        return _EMPTY

    def detail(self, row: Payer) -> Iterable[Fact]:
        return customer_facts(row, width=30)

    # -- the gateway's own money

    def above(self) -> ComposeResult:
        yield Static("", id="money-now", classes="headline")

    def below(self) -> ComposeResult:
        yield Static("", id="money-days")

    def on_resize(self) -> None:
        self.table.columns = columns(trend_days=30 if self.size.width >= _VERY_WIDE else 8)
        self._show_days()

    def _show_days(self) -> None:
        if self._days:
            self.query_one("#money-now", Static).update(self._headline(self.size.width))
            self.query_one("#money-days", Static).update(days_content(self._days[::-1][: self._days_shown()]))

    def _days_shown(self) -> int:
        return 14 if self.size.height >= 50 else 7

    def _headline(self, width: int) -> Content:
        """Today's and the month's margin: what is left is left out from the end."""
        room = width - (46 if width >= WIDE else 2)
        parts: list[Content] = []
        for label, day in (("today", self._days[-1]), (f"{DAYS} days", sum_of(self._days))):
            for part in _sums(label, day):
                room -= cell_len(part.plain) + 2
                if room < 0:
                    return Content("  ").join(parts)
                parts.append(part)
        return Content("  ").join(parts)

    # -- commands

    def open(self, row: Payer) -> None:
        self.app.push_screen(CustomerScreen(row.money.customer.id))

    def refusal(self, each: Command) -> str:
        if each.id == "money.export" and not self.table.rows:
            return "There is nothing to export."
        return ""

    def do_topup(self) -> None:
        row = self.selected
        if row is not None:
            ask_topup(self.console, row.money.customer, row.money.balance_micro)

    def do_adjust(self) -> None:
        row = self.selected
        if row is not None:
            ask_adjust(self.console, row.money.customer, row.money.balance_micro)

    def do_edit(self) -> None:
        row = self.selected
        if row is not None:
            ask_edit_customer(self.console, row.money.customer)

    def do_create(self) -> None:
        ask_new_customer(self.console, self.table.seek)

    async def do_disable(self) -> None:
        await switch_customers(self.console, [row.money.customer for row in self.table.chosen()])

    def do_days(self) -> None:
        self.app.push_screen(DaysScreen())

    def do_drift(self) -> None:
        self.app.push_screen(DriftScreen(self._invoices))

    def do_its_calls(self) -> None:
        if self.selected is not None:
            to_calls(self.console, "customer", self.selected.name)

    def do_its_keys(self) -> None:
        if self.selected is not None:
            to_keys(self.console, self.selected.name)

    def do_export(self) -> None:
        headings = (
            "customer", "state", "balance_usd", "held_usd", "today_usd", "7_days_usd", "30_days_usd", "runway_days",
            "daily_limit_usd", "monthly_limit_usd", "keys",
        )  # fmt: skip
        export.ask_export(self.console, export.Sheet("money", headings, [self._line(row) for row in self.table.rows]))

    def _line(self, row: Payer) -> list[export.Value]:
        money, customer = row.money, row.money.customer
        return [
            customer.name,
            "active" if customer.enabled else "disabled",
            export.usd(money.balance_micro),
            export.usd(money.held_micro if row.alive else None),
            export.usd(money.spent_today_micro),
            export.usd(money.spent_7d_micro),
            export.usd(money.spent_30d_micro),
            None if money.runway_days is None else round(money.runway_days, 2),
            export.usd(customer.day_limit_micro),
            export.usd(customer.month_limit_micro),
            money.keys,
        ]


def _sums(label: str, day: DayMoney) -> list[Content]:
    margin = Cell(format.usd(day.margin_micro, estimated=day.estimated), "bad" if day.margin_micro < 0 else "good")
    return [
        Content.assemble(styled(f"{label} charged ", "dim"), format.usd(day.charged_micro)),
        Content.assemble(styled("cost ", "dim"), format.usd(day.upstream_micro, estimated=day.estimated)),
        Content.assemble(styled("margin ", "dim"), styled(*margin)),
    ]
