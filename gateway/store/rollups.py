"""Settled calls added up by hour and day (UTC, by when they started), customer, key, model and account.

Calls, tokens and the charge count under the account that served the call; attempts and what they cost the operator
under the account that was tried. So Σ charged_micro is what customers paid and Σ upstream_micro what accounts cost;
Σ overhead_micro is the part of it that went to attempts which lost a race.
"""

from collections.abc import Iterable
from operator import attrgetter

from gateway.records import Settlement

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS

TOKEN_COLUMNS = (
    "input_tokens",
    "cache_read_tokens",
    "cache_write_5m_tokens",
    "cache_write_1h_tokens",
    "cache_write_30m_tokens",
    "cache_write_12h_tokens",
    "output_tokens",
    "reasoning_tokens",
    "web_search_requests",
)
GROUP_COLUMNS = ("period", "starts_at", "customer_id", "key_id", "model", "account_id")
COUNT_COLUMNS = (
    "calls",
    "failed_calls",
    "interrupted_calls",
    "estimated_calls",
    "attempts",
    "failed_attempts",
    *TOKEN_COLUMNS,
    "charged_micro",
    "upstream_micro",
    "overhead_micro",
)

UPSERT = (
    f"INSERT INTO rollups ({', '.join(GROUP_COLUMNS + COUNT_COLUMNS)}) "
    f"VALUES ({', '.join('?' * len(GROUP_COLUMNS + COUNT_COLUMNS))}) "
    f"ON CONFLICT ({', '.join(GROUP_COLUMNS)}) DO UPDATE SET "
    + ", ".join(f"{name} = {name} + excluded.{name}" for name in COUNT_COLUMNS)
)

# (hour the call started in, customer, key or 0, model, account or 0)
Group = tuple[int, int, int, str, int]
Counts = tuple[int, ...]

_tokens = attrgetter(*TOKEN_COLUMNS)
_NO_TOKENS = (0,) * len(TOKEN_COLUMNS)


def upstream_change(group: Group, change_micro: int) -> dict[Group, Counts]:
    """What the corrected cost of an attempt that lost adds to its group."""
    return {group: (0, 0, 0, 0, 0, 0, *_NO_TOKENS, 0, change_micro, change_micro)}


def add_up(settlements: Iterable[Settlement]) -> dict[Group, Counts]:
    """The hours' increments of these calls. Pure."""
    totals: dict[Group, Counts] = {}
    for settlement in settlements:
        call = settlement.call
        hour_at = call.started_at - call.started_at % HOUR_MS
        account_id = call.account_id or 0
        group = (hour_at, call.customer_id, call.key_id or 0, call.model, account_id)
        tried = failed = overhead_micro = 0
        # What no attempt accounts for (a call of a dead process) stands under the account that served it.
        upstream_micro = call.upstream_cost_micro
        for attempt in settlement.attempts:
            is_failure = attempt.outcome == "failed"
            lost_micro = attempt.cost_micro if attempt.outcome in ("lost", "draining") else 0
            if attempt.account_id == account_id:
                tried += 1
                failed += is_failure
                overhead_micro += lost_micro
                continue
            upstream_micro -= attempt.cost_micro
            other = (*group[:4], attempt.account_id)
            _add(totals, other, (0, 0, 0, 0, 1, int(is_failure), *_NO_TOKENS, 0, attempt.cost_micro, lost_micro))
        outcome = call.outcome
        counts = (
            1,
            1 if outcome == "failed" else 0,
            1 if outcome in ("partial", "cancelled", "lost") else 0,
            1 if call.usage_basis == "estimated" else 0,
            tried,
            failed,
            *_tokens(call.usage),
            settlement.charge_micro or 0,
            upstream_micro,
            overhead_micro,
        )
        _add(totals, group, counts)
    return totals


def _add(totals: dict[Group, Counts], group: Group, counts: Counts) -> None:
    before = totals.get(group)
    totals[group] = counts if before is None else tuple(map(int.__add__, before, counts))


def rollup_rows(hours: dict[Group, Counts]) -> list[tuple[str | int, ...]]:
    """Rows for `UPSERT`: the hours given and the days they belong to."""
    days: dict[Group, Counts] = {}
    rows: list[tuple[str | int, ...]] = []
    for group, counts in hours.items():
        rows.append(("hour", *group, *counts))
        _add(days, (group[0] - group[0] % DAY_MS, *group[1:]), counts)
    rows.extend(("day", *group, *counts) for group, counts in days.items())
    return rows
