"""Single facts that a call's handling asks the database for."""

from gateway.records import UpstreamObject
from gateway.store.database import Database, rows


def find_object(database: Database, customer_id: int, object_id: str) -> UpstreamObject | None:
    """Where an id this customer was given lives; None for ids of nobody and of others alike."""
    sql = (
        "SELECT object_id, kind, customer_id, account_id, created_at, expires_at FROM upstream_objects "
        "WHERE customer_id = ? AND object_id = ?"
    )
    found = rows(database, sql, (customer_id, object_id))
    return UpstreamObject(*found[0]) if found else None


def find_price(database: Database, version: str, model: str) -> bytes | None:
    """The price a receipt names, as the JSON it was recorded with."""
    found = rows(database, "SELECT body FROM price_versions WHERE version = ? AND model = ?", (version, model))
    return bytes(found[0][0]) if found else None


def balance_of(database: Database, customer_id: int) -> int | None:
    """A customer's balance in micro-dollars as committed; None if there is no such customer."""
    found = rows(database, "SELECT balance_micro FROM balances WHERE customer_id = ?", (customer_id,))
    return int(found[0][0]) if found else None
