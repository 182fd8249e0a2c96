"""Calls: one with its attempts, those that are open, and a filtered listing, newest first."""

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from gateway.records import Attempt, Call
from gateway.store.database import Database, read_transaction, rows
from gateway.store.rollups import HOUR_MS
from gateway.store.rows import SELECT_ATTEMPT, SELECT_CALL, SELECT_OPEN_CALL, attempt_of, call_of

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
# An id is made when the request's head arrives, `started_at` a little later.
_SLACK_MS = 120_000
# As many busy hours as one read looks through for a rare customer before it goes on in the next.
_HOURS_AT_ONCE = 48
# What calls and roll-ups are both told apart by.
_DIMENSIONS = ("customer_id", "key_id", "account_id", "model")


class CallFilter(Struct, frozen=True, kw_only=True):
    """Which calls; what is None does not matter. `since_at` is included, `until_at` is not."""

    customer_id: int | None = None
    key_id: int | None = None
    account_id: int | None = None
    model: str | None = None
    state: str | None = None
    outcome: str | None = None
    status: int | None = None
    least_status: int | None = None
    least_cost_micro: int | None = None
    since_at: int | None = None
    until_at: int | None = None


class Story(Struct, frozen=True):
    """A call and every attempt it made, in order."""

    call: Call
    attempts: list[Attempt]


def id_floor(at: int) -> str:
    """The smallest id a call begun at `at` can have: ids begin with 50 bits of milliseconds (`clock.new_id`)."""
    value = max(0, at)
    return "req_" + "".join(_CROCKFORD[(value >> shift) & 31] for shift in range(45, -1, -5))


def find_call(database: Database, call_id: str, *, customer_id: int | None = None) -> Story | None:
    """One call. With `customer_id`, None also where it is somebody else's."""
    with read_transaction(database):
        found = rows(database, f"{SELECT_CALL} WHERE id = ?", (call_id,))
        attempts = rows(database, f"{SELECT_ATTEMPT} WHERE call_id = ? ORDER BY number", (call_id,))
    if not found:
        return None
    call = call_of(found[0])
    if customer_id is not None and call.customer_id != customer_id:
        return None
    return Story(call, [attempt_of(row) for row in attempts])


def open_calls(database: Database) -> list[Call]:
    """Calls in flight for a second or more, as of their last checkpoint, newest first."""
    return [call_of(row) for row in rows(database, f"{SELECT_OPEN_CALL} ORDER BY id DESC")]


def list_calls(
    database: Database, wanted: CallFilter | None = None, *, before_id: str | None = None, limit: int = 100
) -> list[Call]:
    """Newest first, at most `limit`; `before_id` is the last id of the page before.

    A filter by who or what looks only into the hours in which the roll-ups say there is something.
    """
    wanted = wanted or CallFilter()
    conditions, parameters = _conditions(wanted)
    if before_id is not None:
        conditions.append("id < ?")
        parameters.append(before_id)
    if wanted.state == "open":
        return _select(database, SELECT_OPEN_CALL, conditions, parameters, limit)
    if not _by_dimension(wanted):
        return _select(database, SELECT_CALL, conditions, parameters, limit)
    found = _select(database, SELECT_OPEN_CALL, conditions, parameters, limit)
    for first_at, last_at in _busy_spans(database, wanted):
        if before_id is not None and id_floor(first_at) >= before_id:
            continue
        span = [*conditions, "state = 'settled'", "id >= ?", "id < ?"]
        found += _select(database, SELECT_CALL, span, [*parameters, id_floor(first_at), id_floor(last_at)], limit)
        if sum(call.state == "settled" for call in found) >= limit:
            break
    return sorted(found, key=lambda call: call.id, reverse=True)[:limit]


def _select(database: Database, select: str, conditions: list[str], parameters: list[Any], limit: int) -> list[Call]:
    where = " AND ".join(conditions) or "true"
    joined = "AND" if "WHERE" in select else "WHERE"
    found = rows(database, f"{select} {joined} {where} ORDER BY id DESC LIMIT ?", [*parameters, limit])
    return [call_of(row) for row in found]


def _by_dimension(wanted: CallFilter) -> bool:
    return any(getattr(wanted, column) is not None for column in _DIMENSIONS)


def _conditions(wanted: CallFilter) -> tuple[list[str], list[Any]]:
    conditions: list[str] = []
    parameters: list[Any] = []
    for column in (*_DIMENSIONS, "state", "outcome", "status"):
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    for condition, value in (
        ("status >= ?", wanted.least_status),
        ("cost_micro >= ?", wanted.least_cost_micro),
        ("started_at >= ?", wanted.since_at),
        ("started_at < ?", wanted.until_at),
    ):
        if value is not None:
            conditions.append(condition)
            parameters.append(value)
    if wanted.since_at is not None:
        conditions.append("id >= ?")
        parameters.append(id_floor(wanted.since_at - _SLACK_MS))
    if wanted.until_at is not None:
        conditions.append("id < ?")
        parameters.append(id_floor(wanted.until_at + _SLACK_MS))
    return conditions, parameters


def _busy_spans(database: Database, wanted: CallFilter) -> Iterator[tuple[int, int]]:
    """Stretches of time, newest first, in which settled calls match: neighbouring hours joined, ends widened."""
    conditions = ["period = 'hour'", "calls > 0"]
    parameters: list[Any] = []
    for column in _DIMENSIONS:
        value = getattr(wanted, column)
        if value is not None:
            conditions.append(f"{column} = ?")
            parameters.append(value)
    if wanted.since_at is not None:
        conditions.append("starts_at >= ?")
        parameters.append(wanted.since_at - wanted.since_at % HOUR_MS)
    next_at = (1 << 62) if wanted.until_at is None else wanted.until_at
    sql = (
        f"SELECT DISTINCT starts_at FROM rollups WHERE {' AND '.join(conditions)} AND starts_at < ? "
        "ORDER BY starts_at DESC LIMIT ?"
    )
    earliest_read: int | None = None
    while hours := [row[0] for row in rows(database, sql, [*parameters, next_at, _HOURS_AT_ONCE])]:
        for hour_at in hours:
            end_at = hour_at + HOUR_MS + _SLACK_MS
            if earliest_read is not None:
                end_at = min(end_at, earliest_read)
            earliest_read = hour_at - _SLACK_MS
            yield earliest_read, end_at
        next_at = hours[-1]
