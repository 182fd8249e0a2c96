"""Calls that a dead process left open, ended from what it last wrote about them."""

import msgspec

from gateway.clock import now_ms
from gateway.records import Settlement
from gateway.store.database import Database, operator_transaction, rows
from gateway.store.rows import SELECT_OPEN_CALL, call_of
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
            lost = []
            for row in found:
                call = msgspec.structs.replace(call_of(row), outcome="lost", usage_basis="estimated", error_code="lost")
                call.overshoot_micro = max(0, call.cost_micro - call.held_micro)
                lost.append(Settlement(call, [], call.cost_micro))
            if lost:
                gateway_id = lost[0].call.gateway_id
                settle_calls(database.connection(), lost, at=now_ms(), gateway_id=gateway_id, boot_id=boot_id)
        settled += len(lost)
        if len(lost) < _AT_ONCE:
            return settled
