"""Ending calls inside an open transaction: the receipt, its attempts, the charge, the ids it made, the roll-ups."""

from collections.abc import Sequence
from typing import Any

import apsw

from gateway.records import Attempt, Settlement, UpstreamObject
from gateway.store import statements
from gateway.store.jobs import Checkpoint
from gateway.store.rollups import HOUR_MS, UPSERT, add_up, rollup_rows, upstream_change
from gateway.store.statements import attempt_row, call_row


def settle_calls(
    connection: apsw.Connection, settlements: Sequence[Settlement], *, at: int, gateway_id: str, boot_id: str
) -> int:
    """Apply each settlement whose call is not settled yet; return how many were.

    Everything hangs on that one question, so a retried batch adds nothing anywhere.
    """
    first = {settlement.call.id: settlement for settlement in settlements}
    if len(first) < len(settlements):
        first = {settlement.call.id: settlement for settlement in reversed(settlements)}
    for row in connection.executemany(statements.IS_SETTLED, [(call_id,) for call_id in first]).fetchall():
        del first[str(row[0])]
    fresh = list(first.values())
    if not fresh:
        return 0
    calls, attempts, charges = [], [], []
    objects: list[UpstreamObject] = []
    forgotten: list[tuple[int, str]] = []
    for settlement in fresh:
        call, charge_micro = settlement.call, settlement.charge_micro
        calls.append(call_row(call, "settled", charge_micro, gateway_id, boot_id))
        attempts += [attempt_row(attempt) for attempt in settlement.attempts]
        if charge_micro is not None:
            charges.append((call.customer_id, -charge_micro, at, call.id, gateway_id, boot_id))
        if settlement.objects:
            objects += settlement.objects
        if settlement.forgotten_objects:
            forgotten += [(call.customer_id, object_id) for object_id in settlement.forgotten_objects]
    connection.executemany(statements.WRITE_CALL, calls)
    connection.executemany(statements.WRITE_ATTEMPT, attempts)
    connection.executemany(statements.INSERT_CHARGE, charges)
    connection.executemany(UPSERT, rollup_rows(add_up(fresh)))
    remember_objects(connection, objects, forgotten)
    return len(fresh)


def checkpoint_calls(connection: apsw.Connection, checkpoint: Checkpoint, *, gateway_id: str, boot_id: str) -> None:
    """Write open calls as they stand. An attempt without an open call is one whose call was settled meanwhile."""
    connection.executemany(
        statements.WRITE_CALL, [call_row(call, "open", None, gateway_id, boot_id) for call in checkpoint.calls]
    )
    connection.executemany(statements.CHECKPOINT_ATTEMPT, [attempt_row(attempt) for attempt in checkpoint.attempts])


def remember_objects(
    connection: apsw.Connection, objects: Sequence[UpstreamObject], forgotten: Sequence[tuple[int, str]]
) -> None:
    """Record ids that name upstream state, and drop those the customer deleted."""
    if objects:
        connection.executemany(
            statements.INSERT_OBJECT,
            [(o.customer_id, o.object_id, o.kind, o.account_id, o.created_at, o.expires_at) for o in objects],
        )
    if forgotten:
        connection.executemany(statements.FORGET_OBJECT, forgotten)


def finish_drain(connection: apsw.Connection, attempt: Attempt) -> bool:
    """Replace a draining attempt's upper bound by what it really cost, in the attempt, its call and the roll-ups.

    False, and nothing changed, where the attempt is not draining (any more).
    """
    found: list[Any] = connection.execute(
        "SELECT a.cost_micro, a.account_id, c.started_at, c.customer_id, c.key_id, c.model "
        "FROM attempts a JOIN calls c ON c.id = a.call_id "
        "WHERE a.call_id = ? AND a.number = ? AND a.outcome = 'draining'",
        (attempt.call_id, attempt.number),
    ).fetchall()
    if not found:
        return False
    bound_micro, account_id, started_at, customer_id, key_id, model = found[0]
    change_micro = attempt.cost_micro - bound_micro
    connection.execute("DELETE FROM attempts WHERE call_id = ? AND number = ?", (attempt.call_id, attempt.number))
    connection.execute(statements.WRITE_ATTEMPT, attempt_row(attempt))
    connection.execute(
        "UPDATE calls SET upstream_cost_micro = upstream_cost_micro + ? WHERE id = ?", (change_micro, attempt.call_id)
    )
    group = (started_at - started_at % HOUR_MS, customer_id, key_id or 0, model, account_id)
    connection.executemany(UPSERT, rollup_rows(upstream_change(group, change_micro)))
    return True
