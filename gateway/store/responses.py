"""Responses the gateway keeps for its customers: bounded for each of them, and for thirty days.

Bodies are compressed where a response is handed in, not in the writer's thread, which everybody's money waits for.
"""

import zlib
from collections.abc import Sequence

import apsw
from msgspec import Struct

from gateway.store.database import Database, operator_transaction, rows

LIFE_MS = 30 * 86_400_000
"""How long OpenAI keeps a response (November 2026)."""
MOST_BYTES = 8 * 1024 * 1024
"""The largest response that is kept, compressed, with its items."""
MOST_BYTES_PER_CUSTOMER = 256 * 1024 * 1024

_AT_ONCE = 500
_LEVEL = 1
# Measured on code and prose as JSON: 9 ms a megabyte for 37 % of its size; the default level takes 31 ms for 30 %.


class StoredResponse(Struct, frozen=True):
    """A row. `response` is the object as the client got it, `items` what it was made of; both compressed JSON."""

    customer_id: int
    response_id: str
    model: str
    created_at: int
    expires_at: int
    response: bytes
    items: bytes

    @property
    def bytes(self) -> int:
        return len(self.response) + len(self.items)


class KeptResponse(Struct, frozen=True):
    """What was kept, as JSON."""

    response: bytes
    items: bytes
    model: str


def pack(
    customer_id: int, response_id: str, model: str, response: bytes, items: bytes, *, now_at: int
) -> StoredResponse | None:
    """A row from the JSON of a response and of its items; None for one too large to keep. Takes 10 ms a megabyte."""
    packed = zlib.compress(response, _LEVEL), zlib.compress(items, _LEVEL)
    if sum(map(len, packed)) > MOST_BYTES:
        return None
    return StoredResponse(customer_id, response_id, model, now_at, now_at + LIFE_MS, *packed)


def find_response(database: Database, customer_id: int, response_id: str, *, now_at: int) -> KeptResponse | None:
    """A response of this customer's; None for ids of nobody, of others and of the past alike."""
    sql = (
        "SELECT response, items, model FROM stored_responses "
        "WHERE customer_id = ? AND response_id = ? AND expires_at > ?"
    )
    found = rows(database, sql, (customer_id, response_id, now_at))
    if not found:
        return None
    response, items, model = found[0]
    return KeptResponse(zlib.decompress(response), zlib.decompress(items), model)


def remember_responses(
    connection: apsw.Connection, responses: Sequence[StoredResponse], forgotten: Sequence[tuple[int, str]]
) -> None:
    """Keep responses inside an open transaction, and drop those their customers deleted: (customer id, response id).

    A customer whose responses are too many loses the oldest.
    """
    gone = [*forgotten, *[(each.customer_id, each.response_id) for each in responses]]
    # Taken out first: REPLACE would not fire the trigger that takes the old row off the sum.
    connection.executemany("DELETE FROM stored_responses WHERE customer_id = ? AND response_id = ?", gone)
    connection.executemany(
        "INSERT INTO stored_responses "
        "(customer_id, response_id, model, created_at, expires_at, bytes, response, items) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (r.customer_id, r.response_id, r.model, r.created_at, r.expires_at, r.bytes, r.response, r.items)
            for r in {(each.customer_id, each.response_id): each for each in responses}.values()
        ],
    )
    for customer_id in {each.customer_id for each in responses}:
        _forget_oldest(connection, customer_id)


def prune_responses(database: Database, *, now_at: int) -> int:
    """Delete what has expired, in short transactions. How many there were."""
    gone = 0
    while batch := _prune(database, now_at):
        gone += batch
    return gone


def _forget_oldest(connection: apsw.Connection, customer_id: int) -> None:
    held = list(connection.execute("SELECT bytes FROM stored_response_sums WHERE customer_id = ?", (customer_id,)))
    excess = held[0][0] - MOST_BYTES_PER_CUSTOMER if held else 0
    while excess > 0:
        oldest = list(
            connection.execute(
                "SELECT rowid, bytes FROM stored_responses WHERE customer_id = ? ORDER BY created_at, rowid LIMIT 1",
                (customer_id,),
            )
        )
        if not oldest:
            return
        connection.execute("DELETE FROM stored_responses WHERE rowid = ?", (oldest[0][0],))
        excess -= oldest[0][1]


def _prune(database: Database, now_at: int) -> int:
    with operator_transaction(database):
        connection: apsw.Connection = database.connection()
        connection.execute(
            "DELETE FROM stored_responses WHERE rowid IN "
            "(SELECT rowid FROM stored_responses WHERE expires_at <= ? LIMIT ?)",
            (now_at, _AT_ONCE),
        )
        return int(connection.changes())
