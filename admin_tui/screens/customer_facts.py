"""A customer's money in words and figures, for the list, the pane and the statement's head."""

from typing import NamedTuple

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.widgets.facts import Fact
from gateway.billing.money import format_usd
from gateway.store.database import Database, read_transaction
from gateway.store.queries.money import CustomerMoney, customer_money
from gateway.store.wallet_reads import load_spending

_SOON_DAYS = 3


class Payer(NamedTuple):
    """A customer's money, and what was charged in this UTC month. `alive`: a gateway runs, and tells what it holds."""

    money: CustomerMoney
    month_micro: int
    alive: bool

    @property
    def name(self) -> str:
        return self.money.customer.name


def read_payers(database: Database, now_at: int, *, alive: bool) -> list[Payer]:
    """Every customer, by name, of one state of the database."""
    with read_transaction(database):
        found = customer_money(database, now_at)
        spent = load_spending(database, now_at).customers
    return [
        Payer(money, spent[money.customer.id].month_micro if money.customer.id in spent else 0, alive)
        for money in found
    ]


def refused_why(payer: Payer) -> str:
    """Why the customer's calls are refused, in a word; "" where they are not."""
    customer = payer.money.customer
    if not customer.enabled:
        return "disabled"
    if not customer.unlimited and available_micro(payer) <= 0:
        return "no credit"
    over_day = customer.day_limit_micro is not None and payer.money.spent_today_micro >= customer.day_limit_micro
    over_month = customer.month_limit_micro is not None and payer.month_micro >= customer.month_limit_micro
    return "at limit" if over_day or over_month else ""


def available_micro(payer: Payer) -> int:
    """What can still be spent. Nothing is held while no gateway runs."""
    return payer.money.available_micro if payer.alive else payer.money.balance_micro


def held(payer: Payer) -> str:
    """What open calls hold; unknown while no gateway tells."""
    return format.usd(payer.money.held_micro if payer.alive else None)


def runway(payer: Payer) -> Cell:
    """How long the money lasts at the pace of the last seven days, or why it does not matter."""
    why = refused_why(payer)
    if why:
        return Cell(f"{format.OPEN} {why}" if why == "disabled" else f"{format.OFF} {why}", _tone(why))
    if payer.money.customer.unlimited:
        return Cell("unlimited", "dim")
    days = payer.money.runway_days
    if days is None:
        return Cell(format.UNKNOWN, "dim")
    return Cell(_days(days), "warn" if days < _SOON_DAYS else "")


def runway_order(payer: Payer) -> float:
    """The most pressing first; those that spend nothing and those without limit last."""
    return float("inf") if payer.money.runway_days is None else payer.money.runway_days


def balance_tone(payer: Payer) -> format.Tone:
    return "bad" if payer.money.balance_micro <= 0 and not payer.money.customer.unlimited else "strong"


def customer_facts(payer: Payer, *, width: int) -> list[Fact]:
    """What there is to know of a customer. `width` cells are there for the trend."""
    money, customer = payer.money, payer.money.customer
    why = refused_why(payer)
    facts: list[Fact] = [
        (customer.name, ""),
        ("state", _state(why)),
        ("", ""),
        ("balance", Cell(format_usd(money.balance_micro), balance_tone(payer))),
        ("held", held(payer)),
        ("runway", runway(payer)),
        ("", ""),
        ("today", against(money.spent_today_micro, customer.day_limit_micro)),
        ("this month", against(payer.month_micro, customer.month_limit_micro)),
        ("7 days", format_usd(money.spent_7d_micro)),
        ("30 days", format_usd(money.spent_30d_micro)),
        ("", Cell(format.sparkline(list(money.trend), width), "accent" if money.spent_30d_micro else "dim")),
        ("", ""),
        ("limit a day", limit(customer.day_limit_micro)),
        ("limit a month", limit(customer.month_limit_micro)),
        ("billing", "unlimited: metered, never refused" if customer.unlimited else "prepaid"),
        ("keys", f"{money.keys:,}"),
    ]
    return facts


def limit(micro: int | None) -> str:
    return "none" if micro is None else format_usd(micro)


def _state(why: str) -> Cell:
    if not why:
        return format.state("active")
    words = {
        "disabled": "disabled: its calls are refused",
        "no credit": "no credit: its calls are refused; $ tops up",
        "at limit": "at its limit: calls are refused for now",
    }
    return Cell(f"{format.OPEN if why == 'disabled' else format.OFF} {words[why]}", _tone(why))


def _tone(why: str) -> format.Tone:
    return "dim" if why == "disabled" else "bad"


def _days(days: float) -> str:
    if days < 1:
        return f"~{round(days * 24)}h"
    return f"~{days:.0f}d" if days < 1_000 else ">999d"


def against(spent_micro: int, limit_micro: int | None) -> Cell | str:
    """What was spent, of a limit where there is one."""
    text = format_usd(spent_micro)
    if not limit_micro:
        return text
    share = spent_micro / limit_micro
    tone: format.Tone = "bad" if share >= 1 else "warn" if share >= 0.8 else ""
    return Cell(f"{text}  {format.bar(share, 6)} {format.percent(share)}", tone)
