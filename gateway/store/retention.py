"""Forgetting old calls. The ledger, the roll-ups and the audit stay: they are what money is proved by."""

from msgspec import Struct

from gateway.store.database import Database, operator_transaction, rows
from gateway.store.operators.audit import record

_AT_ONCE = 500


class Pruned(Struct, frozen=True):
    calls: int
    objects: int


def prune(database: Database, actor: str, older_than_at: int, *, now_at: int) -> Pruned:
    """Delete settled calls that started before `older_than_at`, their attempts, and upstream ids that have expired.

    Works in short transactions, so a gateway goes on writing meanwhile. The audit tells of calls that are gone; where
    none is, it has nothing to tell.
    """
    calls = 0
    while batch := _prune_calls(database, older_than_at):
        calls += batch
    objects = 0
    while batch := _prune_objects(database, now_at):
        objects += batch
    if calls:
        with operator_transaction(database):
            record(database, actor, "db.prune", "calls", {"older_than_at": older_than_at, "calls": calls})
    return Pruned(calls, objects)


def _prune_calls(database: Database, older_than_at: int) -> int:
    with operator_transaction(database):
        # Ids are in the order of time, so the oldest come first and nothing younger is looked at twice.
        oldest = rows(database, "SELECT id, started_at, state FROM calls ORDER BY id LIMIT ?", (_AT_ONCE,))
        old = [(call_id,) for call_id, started_at, state in oldest if started_at < older_than_at and state == "settled"]
        connection = database.connection()
        connection.executemany("DELETE FROM attempts WHERE call_id = ?", old)
        connection.executemany("DELETE FROM calls WHERE id = ?", old)
    return len(old)


def _prune_objects(database: Database, now_at: int) -> int:
    with operator_transaction(database):
        connection = database.connection()
        connection.execute(
            "DELETE FROM upstream_objects WHERE (customer_id, object_id) IN "
            "(SELECT customer_id, object_id FROM upstream_objects WHERE expires_at < ? LIMIT ?)",
            (now_at, _AT_ONCE),
        )
        return int(connection.changes())
