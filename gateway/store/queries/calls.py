"""Calls: one with its attempts, those that are open, and a filtered listing, newest first."""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from msgspec import Struct

from gateway.catalog.models import Price
from gateway.records import Attempt, Call, LedgerEntry
from gateway.store.database import Database, read_transaction, rows
from gateway.store.queries.call_filter import CallFilter, IdIn, TextIn, sql_of
from gateway.store.queries.lookups import find_price
from gateway.store.rollups import HOUR_MS
from gateway.store.rows import SELECT_ATTEMPT, SELECT_CALL, SELECT_OPEN_CALL, attempt_of, call_of
from gateway.store.wallet_reads import ENTRY_COLUMNS

__all__ = ["CallFilter"]

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
# An id is made when the request's head arrives, `started_at` a little later.
_SLACK_MS = 120_000
# As many busy hours as one read looks through for a rare customer before it goes on in the next.
_HOURS_AT_ONCE = 48
# Calls that one page looks at; 20,000 take 50 ms.
EXAMINED_AT_ONCE = 20_000
# What looking into one more hour costs, in calls.
_HOUR_COST = 50


class Story(Struct, frozen=True):
    """A call and every attempt it made, in order."""

    call: Call
    attempts: list[Attempt]


class CallPage(Struct, frozen=True):
    """Calls, newest first. Older ones are found before `before_id`; None: there are none.

    A page can hold fewer calls than asked for, or none, and still name where to go on: a rare filter looks at a
    limited number of calls at a time.
    """

    calls: list[Call]
    before_id: str | None


class CallDetail(Struct, frozen=True):
    """Everything known of one call. `entry` is its charge, None until it is settled and where nothing is charged.

    `price` is the version it was or is billed by, None where it was not kept.
    """

    call: Call
    attempts: list[Attempt]
    price: Price | None
    entry: LedgerEntry | None


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


def call_detail(database: Database, call_id: str) -> CallDetail | None:
    """One call with its attempts, its price and its charge; None if there is no such call."""
    entry_sql = f"SELECT {ENTRY_COLUMNS} FROM ledger WHERE call_id = ? AND kind = 'charge'"
    story = find_call(database, call_id)
    if story is None:
        return None
    price = find_price(database, story.call.price_version, story.call.model)
    entries = rows(database, entry_sql, (call_id,))
    return CallDetail(
        story.call,
        story.attempts,
        None if price is None else msgspec.json.decode(price, type=Price),
        LedgerEntry(*entries[0]) if entries else None,
    )


def attempts_of(database: Database, call_ids: Iterable[str]) -> dict[str, list[Attempt]]:
    """The attempts of these calls, in order. Calls without any are missing."""
    wanted = msgspec.json.encode(list(call_ids)).decode()
    # CROSS JOIN: the ids come first and each is looked up, whatever the planner thinks of them.
    sql = (
        f"SELECT attempts.* FROM json_each(?) CROSS JOIN ({SELECT_ATTEMPT}) AS attempts ON call_id = value "
        "ORDER BY call_id, number"
    )
    found: dict[str, list[Attempt]] = {}
    for row in rows(database, sql, (wanted,)):
        attempt = attempt_of(row)
        found.setdefault(attempt.call_id, []).append(attempt)
    return found


def calls_by_id(database: Database, call_ids: Iterable[str]) -> list[Call]:
    """These calls, in the order of their ids; what is unknown is missing."""
    wanted = msgspec.json.encode(list(call_ids)).decode()
    sql = f"SELECT calls.* FROM json_each(?) CROSS JOIN ({SELECT_CALL}) AS calls ON calls.id = value ORDER BY calls.id"
    return [call_of(row) for row in rows(database, sql, (wanted,))]


def open_calls(database: Database) -> list[Call]:
    """Calls in flight for a second or more, as of their last checkpoint, newest first."""
    return [call_of(row) for row in rows(database, f"{SELECT_OPEN_CALL} ORDER BY id DESC")]


def open_stories(database: Database, *, limit: int = 200) -> list[Story]:
    """The newest calls in flight with the attempts made so far (those that go on have the outcome `open`)."""
    with read_transaction(database):
        calls = [call_of(row) for row in rows(database, f"{SELECT_OPEN_CALL} ORDER BY id DESC LIMIT ?", (limit,))]
        attempts = attempts_of(database, [call.id for call in calls])
    return [Story(call, attempts.get(call.id, [])) for call in calls]


def list_calls(
    database: Database, wanted: CallFilter | None = None, *, before_id: str | None = None, limit: int = 100
) -> list[Call]:
    """Newest first, at most `limit`, however far back they are; `before_id` is the last id of the page before."""
    found: list[Call] = []
    while True:
        page = call_page(database, wanted, before_id=before_id, limit=limit - len(found))
        found += page.calls
        before_id = page.before_id
        if before_id is None or len(found) >= limit:
            return found


def call_page(
    database: Database,
    wanted: CallFilter | None = None,
    *,
    before_id: str | None = None,
    limit: int = 100,
    examine: int = EXAMINED_AT_ONCE,
) -> CallPage:
    """Newest first, at most `limit`, after looking at no more than about `examine` calls.

    A filter by who or what looks only into the hours in which the roll-ups say there is something. `before_id` is what
    the page before named.
    """
    search = _Search(database, wanted or CallFilter(), before_id, limit, examine)
    return search.page()


class _Search:
    """One page's search: conditions, and how much may still be looked at."""

    def __init__(self, database: Database, wanted: CallFilter, before_id: str | None, limit: int, examine: int) -> None:
        self._database = database
        self._wanted = wanted
        self._limit = limit
        self._left = examine
        self._parts = [sql_of(condition) for condition in wanted.all_conditions()]
        self._selective = bool(self._parts)
        self._newest_id = before_id or "~"
        self._oldest_id = ""
        if wanted.since_at is not None:
            self._parts.append(("started_at >= ?", [wanted.since_at]))
            self._oldest_id = id_floor(wanted.since_at - _SLACK_MS)
        if wanted.until_at is not None:
            self._parts.append(("started_at < ?", [wanted.until_at]))
            self._newest_id = min(self._newest_id, id_floor(wanted.until_at + _SLACK_MS))

    def page(self) -> CallPage:
        if self._wanted.only_open():
            return self._ending(self._select(SELECT_OPEN_CALL, self._oldest_id, self._newest_id))
        if not self._selective:
            return self._ending(self._select(SELECT_CALL, self._oldest_id, self._newest_id))
        if not _dimensions(self._wanted):
            found, resume_id = self._look_through(SELECT_CALL, self._oldest_id, self._newest_id)
            return self._ending(found, resume_id)
        return self._page_of_busy_hours()

    def _page_of_busy_hours(self) -> CallPage:
        in_flight = self._select(SELECT_OPEN_CALL, self._oldest_id, self._newest_id)
        settled = f"{SELECT_CALL} WHERE state = 'settled'"
        found: list[Call] = []
        resume_id: str | None = None
        for first_at, last_at in _busy_spans(self._database, self._wanted, self._newest_id):
            oldest_id, newest_id = max(id_floor(first_at), self._oldest_id), min(id_floor(last_at), self._newest_id)
            more, resume_id = self._look_through(settled, oldest_id, newest_id)
            found += more
            if resume_id is None and self._left <= 0:
                resume_id = oldest_id
            if resume_id is not None or len(found) >= self._limit:
                break
        # An open call that is older than what was looked at belongs to a later page.
        found += [call for call in in_flight if resume_id is None or call.id >= resume_id]
        return self._ending(sorted(found, key=lambda call: call.id, reverse=True), resume_id)

    def _ending(self, found: list[Call], resume_id: str | None = None) -> CallPage:
        if len(found) >= self._limit:
            found = found[: self._limit]
            return CallPage(found, found[-1].id)
        return CallPage(found, resume_id)

    def _look_through(self, select: str, oldest_id: str, newest_id: str) -> tuple[list[Call], str | None]:
        """What matches from `oldest_id` to before `newest_id`, and where to go on if not all of it was looked at."""
        counted, reached_id = rows(
            self._database,
            "SELECT count(*), min(id) FROM (SELECT id FROM calls WHERE id >= ? AND id < ? ORDER BY id DESC LIMIT ?)",
            (oldest_id, newest_id, max(self._left, 1)),
        )[0]
        all_of_it = counted < max(self._left, 1)
        self._left -= max(counted, _HOUR_COST)
        if not counted:
            return [], None
        return self._select(select, reached_id, newest_id), None if all_of_it else reached_id

    def _select(self, select: str, oldest_id: str, newest_id: str) -> list[Call]:
        conditions = ["id >= ?", "id < ?", *(sql for sql, _ in self._parts)]
        parameters: list[Any] = [oldest_id, newest_id]
        for _, bound in self._parts:
            parameters += bound
        joined = "AND" if "WHERE" in select else "WHERE"
        sql = f"{select} {joined} {' AND '.join(conditions)} ORDER BY id DESC LIMIT ?"
        return [call_of(row) for row in rows(self._database, sql, [*parameters, self._limit])]


def _dimensions(wanted: CallFilter) -> list[tuple[str, list[Any]]]:
    """The conditions that roll-ups can be asked as well."""
    return [
        sql_of(condition)
        for condition in wanted.all_conditions()
        if isinstance(condition, IdIn) or (isinstance(condition, TextIn) and condition.column == "model")
    ]


def _busy_spans(database: Database, wanted: CallFilter, newest_id: str) -> Iterator[tuple[int, int]]:
    """Stretches of time, newest first, in which settled calls match: hours, their ends widened, none read twice."""
    conditions = ["period = 'hour'", "calls > 0"]
    parameters: list[Any] = []
    for sql, bound in _dimensions(wanted):
        conditions.append(sql)
        parameters += bound
    if wanted.since_at is not None:
        conditions.append("starts_at >= ?")
        parameters.append(wanted.since_at - wanted.since_at % HOUR_MS)
    next_at = _instant_of(newest_id) + _SLACK_MS
    if wanted.until_at is not None:
        next_at = min(next_at, wanted.until_at)
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
            if id_floor(earliest_read) < newest_id:
                yield earliest_read, end_at
        next_at = hours[-1]


def _instant_of(call_id: str) -> int:
    """When an id was made; far ahead where it is no id."""
    try:
        return int("".join(f"{_CROCKFORD.index(character):05b}" for character in call_id[4:14]), 2)
    except ValueError:
        return 1 << 62
