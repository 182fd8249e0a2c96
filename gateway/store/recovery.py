"""Calls that a dead process left open, ended from what it last wrote about them."""

from gateway.clock import now_ms
from gateway.records import Call, Settlement
from gateway.store.database import Database, operator_transaction, rows
from gateway.store.rows import SELECT_ATTEMPT, SELECT_OPEN_CALL, attempt_of, call_of
from gateway.store.settling import settle_calls

_AT_ONCE = 100


def settle_lost_calls(database: Database, *, boot_id: str) -> int:
    """Settle every open call of other boots as `lost`, charged as its last checkpoint says. How many there were.

    Run under the gateway's lock, before the first call. The figures are labelled estimated.
    """
    settled = 0
    while True:
        with operator_transaction(database):
            found = rows(database, f"{SELECT_OPEN_CALL} AND boot_id <> ? LIMIT ?", (boot_id, _AT_ONCE))
            lost = [_lost(database, call_of(row)) for row in found]
            if lost:
                gateway_id = lost[0].call.gateway_id
                settle_calls(database.connection(), lost, at=now_ms(), gateway_id=gateway_id, boot_id=boot_id)
        settled += len(lost)
        if len(lost) < _AT_ONCE:
            break
    _end_drains(database)
    return settled


def _lost(database: Database, call: Call) -> Settlement:
    """The call as its last checkpoint knew it. Its attempts ended with the process, at what they had cost by then."""
    attempts = [attempt_of(row) for row in rows(database, f"{SELECT_ATTEMPT} WHERE call_id = ?", (call.id,))]
    for attempt in attempts:
        if attempt.outcome == "open":
            attempt.outcome, attempt.error_code = "cancelled", "lost"
    call.outcome, call.usage_basis, call.error_code = "lost", "estimated", "lost"
    call.overshoot_micro = max(0, call.cost_micro - call.held_micro)
    call.upstream_cost_micro = sum(attempt.cost_micro for attempt in attempts)
    return Settlement(call, attempts, call.cost_micro)


def _end_drains(database: Database) -> None:
    """Attempts that were being read to their end stay at their upper bound, which their basis says."""
    with operator_transaction(database):
        database.connection().execute("UPDATE attempts SET outcome = 'lost' WHERE outcome = 'draining'")
