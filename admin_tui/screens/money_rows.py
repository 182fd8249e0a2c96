"""The columns of the customers' money."""

from collections.abc import Callable

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.screens.customer_facts import Payer, balance_tone, held, runway, runway_order
from admin_tui.widgets.table import Column
from gateway.store.queries.money import CustomerMoney


def _spent(heading: str, amount: Callable[[CustomerMoney], int]) -> Column[Payer]:
    return Column[Payer](
        heading,
        lambda row: _quiet(amount(row.money)),
        width=8,
        right=True,
        sort=lambda row: amount(row.money),
        falling=True,
    )


def _quiet(micro: int) -> Cell:
    """An amount; nothing is grey, so that what was spent stands out."""
    return Cell(format.usd(micro), "" if micro else "dim")


def _trend(days: int) -> Column[Payer]:
    """The charges of the last days."""
    return Column[Payer](
        "TREND",
        lambda row: Cell(
            format.sparkline(list(row.money.trend)[-days:], days), "accent" if row.money.spent_30d_micro else "dim"
        ),
        width=days,
        from_width=78,
    )


def columns(*, trend_days: int) -> tuple[Column[Payer], ...]:
    """A trend of that many days has one cell a day."""
    return (
        Column[Payer]("CUSTOMER", lambda row: row.name, sort=lambda row: row.name),
        Column[Payer](
            "BALANCE",
            lambda row: Cell(format.usd(row.money.balance_micro), balance_tone(row)),
            width=9,
            right=True,
            sort=lambda row: row.money.balance_micro,
        ),
        Column[Payer](
            "HELD",
            lambda row: Cell(held(row), "dim"),
            width=7,
            right=True,
            from_width=78,
            sort=lambda row: row.money.held_micro,
            falling=True,
        ),
        _spent("TODAY", lambda money: money.spent_today_micro),
        _spent("7 DAYS", lambda money: money.spent_7d_micro),
        _spent("30 DAYS", lambda money: money.spent_30d_micro),
        _trend(trend_days),
        Column[Payer]("RUNWAY", lambda row: runway(row), width=11, sort=runway_order),
        Column[Payer]("KEYS", lambda row: f"{row.money.keys:,}", width=4, right=True, from_width=120),
    )
