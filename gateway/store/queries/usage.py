"""Sums from the roll-ups: they cost the same whether there were a thousand calls or ten million."""

from typing import Any, Literal

from msgspec import Struct

from gateway.store.database import Database, rows
from gateway.store.rollups import COUNT_COLUMNS, DAY_MS, HOUR_MS

Dimension = Literal["hour", "day", "customer", "key", "model", "account"]
_EXPRESSIONS: dict[Dimension, str] = {
    "hour": "starts_at",
    "day": f"starts_at - starts_at % {DAY_MS}",
    "customer": "customer_id",
    "key": "key_id",
    "model": "model",
    "account": "account_id",
}


class UsageSum(Struct, frozen=True):
    """One group's sums. `group` holds the dimensions asked for: instants for hour and day, ids (0: none), model ids."""

    group: dict[str, Any]
    calls: int
    failed_calls: int
    interrupted_calls: int
    estimated_calls: int
    attempts: int
    failed_attempts: int
    input_tokens: int
    cache_read_tokens: int
    cache_write_5m_tokens: int
    cache_write_1h_tokens: int
    cache_write_30m_tokens: int
    cache_write_12h_tokens: int
    output_tokens: int
    reasoning_tokens: int
    web_search_requests: int
    charged_micro: int
    upstream_micro: int


def summarize(
    database: Database,
    *,
    since_at: int,
    until_at: int,
    by: tuple[Dimension, ...] = (),
    customer_id: int | None = None,
    key_id: int | None = None,
    model: str | None = None,
    account_id: int | None = None,
) -> list[UsageSum]:
    """Calls that started in the UTC hours from `since_at`'s to before `until_at` (rounded up to an hour), by group.

    Without `by` there is always exactly one sum. Whole days come from the days' rows, the ends from the hours'.
    """
    window, parameters = _window(since_at, until_at, hourly="hour" in by)
    conditions = [window]
    for column, value in (
        ("customer_id", customer_id),
        ("key_id", key_id),
        ("model", model),
        ("account_id", account_id),
    ):
        if value is not None:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    groups = [_EXPRESSIONS[dimension] for dimension in by]
    sums = [f"coalesce(sum({column}), 0)" for column in COUNT_COLUMNS]
    sql = f"SELECT {', '.join(groups + sums)} FROM rollups WHERE {' AND '.join(conditions)}"
    if groups:
        sql += f" GROUP BY {', '.join(groups)} ORDER BY {', '.join(groups)}"
    return [
        UsageSum(dict(zip(by, row[: len(by)], strict=True)), *row[len(by) :]) for row in rows(database, sql, parameters)
    ]


def _window(since_at: int, until_at: int, *, hourly: bool) -> tuple[str, list[Any]]:
    first = since_at - since_at % HOUR_MS
    last = -(-until_at // HOUR_MS) * HOUR_MS
    first_day, last_day = -(-first // DAY_MS) * DAY_MS, last - last % DAY_MS
    hours = "(period = 'hour' AND starts_at >= ? AND starts_at < ?)"
    if hourly or first_day >= last_day:
        return hours, [first, last]
    days = "(period = 'day' AND starts_at >= ? AND starts_at < ?)"
    return f"({days} OR {hours} OR {hours})", [first_day, last_day, first, first_day, last_day, last]
