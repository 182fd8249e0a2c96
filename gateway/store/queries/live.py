"""Following the calls as they begin and end, and the figures of this moment. Cheap enough for four times a second."""

from collections.abc import Collection
from statistics import median

import apsw
from msgspec import Struct

from gateway.records import Call
from gateway.store.database import Database, read_transaction, roll_back, rows
from gateway.store.queries.calls import Story, calls_by_id, open_stories
from gateway.store.queries.views import HeartbeatView, heartbeats
from gateway.store.rollups import DAY_MS
from gateway.store.rows import SELECT_CALL, call_of

ALIVE_MS = 5_000
# The newest calls that rates are taken from: reading 1,000 takes 1 ms.
_SAMPLE = 1_000
_RATE_MS = 60_000
_RECENT_MS = 15 * 60_000


class Arrivals(Struct, frozen=True):
    """What happened since the cursor, and the cursor for the next look.

    `settled` are the calls that ended, oldest first; `skipped` about how many more there were than could be read.
    `open_ids` are all calls in flight, `in_flight` the newest of them with their attempts, newest first.
    """

    settled: list[Call]
    skipped: int
    open_ids: frozenset[str]
    in_flight: list[Story]
    cursor: int


class Header(Struct, frozen=True):
    """The gateway at a glance. None is unknown, never zero.

    `beat` is the last sign of life of any gateway; `alive` whether it is young enough. Where it is not, `locked_at` is
    when another process last kept everybody from writing, a gateway too: then nobody knows. Calls per second are of the
    last minute; median time to first byte and share of failures of the newest 1,000 calls of the last 15 minutes.
    """

    beat: HeartbeatView | None
    alive: bool
    locked_at: int | None
    calls_per_s: float | None
    open_calls: int
    ttft_p50_ms: int | None
    failed_share: float | None
    charged_today_micro: int
    upstream_today_micro: int


def live_cursor(database: Database) -> int:
    """Where following begins: what is in the database now is not an arrival."""
    return int(rows(database, "SELECT max(rowid) FROM calls")[0][0] or 0)


def follow_calls(
    database: Database, cursor: int, were_open: Collection[str] = (), *, limit: int = 200, open_limit: int = 200
) -> Arrivals:
    """What settled since `cursor`. `were_open` are the `open_ids` of the look before.

    A call under a second has one row, written when it settles: it is among the rows added since. A longer one was added
    while it was open, and is found by no longer being so.
    """
    with read_transaction(database):
        newest = live_cursor(database)
        # After a VACUUM the rows are numbered anew.
        cursor = min(cursor, newest)
        added_sql = f"{SELECT_CALL} WHERE rowid > ? AND state = 'settled' ORDER BY rowid DESC LIMIT ?"
        added = [call_of(row) for row in rows(database, added_sql, (cursor, limit))]
        open_ids = frozenset(
            row[0] for row in rows(database, "SELECT id FROM calls INDEXED BY calls_open WHERE state = 'open'")
        )
        known = {call.id for call in added}
        ended = calls_by_id(database, sorted(set(were_open) - open_ids - known))
        in_flight = open_stories(database, limit=open_limit)
    skipped = 0 if len(added) < limit else max(0, newest - cursor - limit)
    return Arrivals(
        sorted((*added, *ended), key=lambda call: (call.started_at + call.duration_ms, call.id)),
        skipped,
        open_ids,
        in_flight,
        newest,
    )


def header(database: Database, now_at: int, before: Header | None = None) -> Header:
    """The figures of the top line. `before` is the one of the look before this."""
    sample_sql = "SELECT started_at, ttft_ms, outcome, state FROM calls ORDER BY id DESC LIMIT ?"
    today_sql = (
        "SELECT coalesce(sum(charged_micro), 0), coalesce(sum(upstream_micro), 0) FROM rollups "
        "WHERE period = 'day' AND starts_at >= ?"
    )
    with read_transaction(database):
        beats = heartbeats(database)
        sample = [row for row in rows(database, sample_sql, (_SAMPLE,)) if row[0] > now_at - _RECENT_MS]
        charged_micro, upstream_micro = rows(database, today_sql, (now_at - now_at % DAY_MS,))[0]
        (open_count,) = rows(database, "SELECT count(*) FROM calls INDEXED BY calls_open WHERE state = 'open'")[0]
    beat = beats[0] if beats else None
    alive = beat is not None and now_at - beat.at <= ALIVE_MS
    locked_at = before.locked_at if before and not alive else None
    if beat is not None and not alive and write_locked(database):
        locked_at = now_at
    waits = [row[1] for row in sample if row[1] is not None]
    ended = [row[2] for row in sample if row[3] == "settled"]
    return Header(
        beat=beat,
        alive=alive,
        locked_at=locked_at,
        calls_per_s=_rate([row[0] for row in sample], now_at) if alive else None,
        # Calls under a second have no row yet; the gateway counts them as well.
        open_calls=max(open_count, sum(each.open_calls for each in beats if now_at - each.at <= ALIVE_MS)),
        ttft_p50_ms=round(median(waits)) if waits else None,
        failed_share=ended.count("failed") / len(ended) if ended else None,
        charged_today_micro=charged_micro,
        upstream_today_micro=upstream_micro,
    )


def write_locked(database: Database) -> bool:
    """Whether nobody can write, for as long as this connection waits for a lock. Writes nothing itself."""
    connection: apsw.Connection = database.connection()
    connection.execute("PRAGMA query_only = off")
    try:
        connection.execute("BEGIN IMMEDIATE")
    except apsw.BusyError:
        return True
    finally:
        roll_back(connection)
        connection.execute("PRAGMA query_only = on")
    return False


def _rate(started: list[int], now_at: int) -> float:
    """Calls per second over the last minute, or over the time the sample covers where that is shorter."""
    last_minute = [at for at in started if at > now_at - _RATE_MS]
    full = len(started) == _SAMPLE and len(last_minute) == len(started)
    span_ms = max(1, now_at - min(last_minute)) if full else _RATE_MS
    return len(last_minute) * 1000 / span_ms
