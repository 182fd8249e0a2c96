"""Customers and their money as an operator watches it, the gateway's own, and what an upstream's invoice says of it."""

from datetime import UTC, datetime

from msgspec import Struct

from gateway.records import Customer
from gateway.store import schema
from gateway.store.database import Database, read_transaction, rows
from gateway.store.queries.usage import summarize
from gateway.store.rollups import DAY_MS
from gateway.store.wallet_reads import month_start

TREND_DAYS = 30
# A runway is told from as many days as this, today's included.
_PACE_DAYS = 7


class CustomerMoney(Struct, frozen=True):
    """One customer's account. `trend` are the charges of the last 30 UTC days, oldest first, today's last.

    `held_micro` is as of the gateway's last second. `runway_days` is how long what is available lasts at the pace of
    the last seven days; None for an unlimited customer and for one that spent nothing.
    """

    customer: Customer
    balance_micro: int
    held_micro: int
    spent_today_micro: int
    spent_7d_micro: int
    spent_30d_micro: int
    trend: tuple[int, ...]
    runway_days: float | None
    keys: int

    @property
    def available_micro(self) -> int:
        return self.balance_micro - self.held_micro


class DayMoney(Struct, frozen=True):
    """One UTC day of the gateway: what customers were charged, what accounts cost, what of that lost races.

    `estimated_calls` of `calls` were counted by estimate.
    """

    day_at: int
    calls: int
    estimated_calls: int
    charged_micro: int
    upstream_micro: int
    overhead_micro: int

    @property
    def margin_micro(self) -> int:
        return self.charged_micro - self.upstream_micro

    @property
    def margin_share(self) -> float | None:
        return self.margin_micro / self.charged_micro if self.charged_micro else None

    @property
    def estimated(self) -> bool:
        """Whether what it cost upstream is an estimate in part."""
        return self.estimated_calls > 0


class Drift(Struct, frozen=True):
    """What the gateway counted at an account in a UTC month beside what the upstream invoiced.

    `estimated_calls` of `calls` were counted by estimate; `draining_micro` is the upper bound of attempts whose final
    figures are still to come or were lost.
    """

    account_id: int
    month_at: int
    calls: int
    estimated_calls: int
    upstream_micro: int
    overhead_micro: int
    draining_micro: int
    invoice_micro: int

    @property
    def difference_micro(self) -> int:
        """Above zero: the upstream invoiced more than was counted."""
        return self.invoice_micro - self.upstream_micro

    @property
    def share(self) -> float | None:
        """The difference as a part of what was counted; None where nothing was."""
        return self.difference_micro / self.upstream_micro if self.upstream_micro else None


def customer_money(database: Database, now_at: int) -> list[CustomerMoney]:
    """Every customer, by name."""
    today = now_at - now_at % DAY_MS
    since_at = today - (TREND_DAYS - 1) * DAY_MS
    trend_sql = (
        "SELECT starts_at, customer_id, sum(charged_micro) FROM rollups "
        "WHERE period = 'day' AND starts_at >= ? AND starts_at <= ? GROUP BY starts_at, customer_id"
    )
    with read_transaction(database):
        customers = schema.fetch(schema.Customer.select().order_by(schema.Customer.name), database, Customer)
        balances = dict(rows(database, "SELECT customer_id, balance_micro FROM balances"))
        held = dict(rows(database, "SELECT subject_id, sum(value) FROM gauges WHERE name = 'held_micro' GROUP BY 1"))
        keys = dict(rows(database, "SELECT customer_id, count(*) FROM keys WHERE revoked_at IS NULL GROUP BY 1"))
        charged = rows(database, trend_sql, (since_at, today))
    trends: dict[int, list[int]] = {}
    for day_at, customer_id, micro in charged:
        trends.setdefault(customer_id, [0] * TREND_DAYS)[(day_at - since_at) // DAY_MS] = micro
    return [
        _customer_money(
            customer,
            balances.get(customer.id, 0),
            held.get(customer.id, 0),
            trends.get(customer.id, [0] * TREND_DAYS),
            keys.get(customer.id, 0),
        )
        for customer in customers
    ]


def _customer_money(
    customer: Customer, balance_micro: int, held_micro: int, trend: list[int], keys: int
) -> CustomerMoney:
    return CustomerMoney(
        customer,
        balance_micro,
        held_micro,
        spent_today_micro=trend[-1],
        spent_7d_micro=sum(trend[-7:]),
        spent_30d_micro=sum(trend),
        trend=tuple(trend),
        runway_days=None if customer.unlimited else runway_days(balance_micro - held_micro, trend),
        keys=keys,
    )


def runway_days(available_micro: int, trend: list[int]) -> float | None:
    """How many days the money lasts at the pace of the last seven, counted from the first of them with a charge."""
    pace = trend[-_PACE_DAYS:]
    while pace and not pace[0]:
        pace = pace[1:]
    if not pace:
        return None
    return max(0, available_micro) * len(pace) / sum(pace)


def daily_money(database: Database, *, since_at: int, until_at: int) -> list[DayMoney]:
    """The gateway's UTC days from `since_at`'s to before `until_at`, in order; days without a call are zero."""
    first = since_at - since_at % DAY_MS
    last = -(-until_at // DAY_MS) * DAY_MS
    sql = (
        "SELECT starts_at, sum(calls), sum(estimated_calls), sum(charged_micro), sum(upstream_micro), "
        "sum(overhead_micro) FROM rollups WHERE period = 'day' AND starts_at >= ? AND starts_at < ? GROUP BY starts_at"
    )
    found = {row[0]: DayMoney(*row) for row in rows(database, sql, (first, last))}
    return [found.get(day_at) or DayMoney(day_at, 0, 0, 0, 0, 0) for day_at in range(first, last, DAY_MS)]


def upstream_drift(database: Database, account_id: int, month_at: int, invoice_micro: int) -> Drift:
    """The UTC month `month_at` lies in at one account, against the amount the upstream invoiced for it."""
    since_at = month_start(month_at)
    until_at = next_month_start(since_at)
    total = summarize(database, since_at=since_at, until_at=until_at, account_id=account_id)[0]
    draining_sql = (
        "SELECT coalesce(sum(cost_micro), 0) FROM attempts INDEXED BY attempts_draining "
        "WHERE outcome = 'draining' AND account_id = ? AND started_at >= ? AND started_at < ?"
    )
    (draining_micro,) = rows(database, draining_sql, (account_id, since_at, until_at))[0]
    return Drift(
        account_id,
        since_at,
        total.calls,
        total.estimated_calls,
        total.upstream_micro,
        total.overhead_micro,
        draining_micro,
        invoice_micro,
    )


def next_month_start(at: int) -> int:
    """The first millisecond of the UTC month after the one `at` lies in."""
    moment = datetime.fromtimestamp(at / 1000, UTC)
    year, month = (moment.year + 1, 1) if moment.month == 12 else (moment.year, moment.month + 1)
    return int(datetime(year, month, 1, tzinfo=UTC).timestamp()) * 1000
