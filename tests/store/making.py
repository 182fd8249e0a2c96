"""Calls and settlements for the store's tests, short to write."""

from typing import Any

from gateway.records import Attempt, Call, Settlement, Usage
from gateway.store.jobs import Settle
from gateway.store.queries.calls import id_floor

GATEWAY, BOOT = "gw_test", "boot_now"
# 2026-03-04T05:06:07.890Z
NOW = 1_772_600_767_890
USAGE = Usage(input_tokens=100, cache_read_tokens=20, output_tokens=50, reasoning_tokens=10)


def call_id(number: int, at: int = NOW) -> str:
    return id_floor(at) + f"{number:016d}"


def make_call(number: int = 1, *, customer_id: int = 1, at: int = NOW, **fields: Any) -> Call:
    values: dict[str, Any] = {
        "key_id": 1,
        "tier": "all",
        "dialect": "messages",
        "model_asked": "sonnet",
        "model": "claude-sonnet-4-6",
        "stream": True,
        "outcome": "completed",
        "status": 200,
        "account_id": 1,
        "usage": USAGE,
        "usage_basis": "reported",
        "cost_micro": 300,
        "upstream_cost_micro": 250,
    }
    return Call(id=call_id(number, at), customer_id=customer_id, started_at=at, **{**values, **fields})


def make_attempt(call: Call, number: int = 1, **fields: Any) -> Attempt:
    values: dict[str, Any] = {"account_id": 1, "outcome": "won", "status": 200, "usage": call.usage, "cost_micro": 250}
    return Attempt(call_id=call.id, number=number, started_at=call.started_at, **{**values, **fields})


def settle(call: Call, *, charge_micro: int | None = -1, attempts: list[Attempt] | None = None, **more: Any) -> Settle:
    """The settlement of a call; charged what it costs and won by its one attempt unless said otherwise."""
    charge = call.cost_micro if charge_micro == -1 else charge_micro
    return Settle(Settlement(call, [make_attempt(call)] if attempts is None else attempts, charge, **more))
