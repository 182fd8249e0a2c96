"""GET /v1/usage/{request_id}, /v1/usage and /v1/balance: the caller's own customer's and nobody else's."""

from typing import Any

import trio

from gateway.admission import limits_of
from gateway.billing.money import format_usd
from gateway.billing.spend import Window, resets_at
from gateway.clock import now_ms
from gateway.edge.pages.page import Asked, Page, instant, json_page
from gateway.errors import UnknownObject
from gateway.services import Services
from gateway.terms import Caller

_MOST_DAYS = 400
_UNTIL_COMMITTED_S = 0.25


async def show_usage(asked: Asked) -> Page:
    """The receipt of one call. Raises UnknownObject, in the same words for what is somebody else's."""
    caller, call_id = await asked.caller(), asked.where.object_id
    receipt = await asked.services.reads.receipt(call_id, caller.customer.id)
    if receipt is None and asked.services.ledger.pending:
        # An error is answered before its receipt is on disk, and a quick client asks for it at once.
        await trio.sleep(_UNTIL_COMMITTED_S)
        receipt = await asked.services.reads.receipt(call_id, caller.customer.id)
    if receipt is None:
        raise UnknownObject(f"There is no usage record {call_id[:100]!r}.")
    return json_page(receipt)


async def summarize_usage(asked: Asked) -> Page:
    """The customer's last `days` UTC days, today's included, by day and model."""
    caller = await asked.caller()
    days = asked.whole_number("days", 1, _MOST_DAYS) or 30
    return json_page(await asked.services.reads.usage_summary(caller.customer.id, days))


async def show_balance(asked: Asked) -> Page:
    """What the customer has, holds and has spent, and the limits that apply to this key.

    An unlimited customer has no balance: those members are null. `spent_…` is what has been committed.
    """
    caller, services = await asked.caller(), asked.services
    customer = caller.customer
    at = now_ms()
    day_micro, month_micro = await _spent(customer.id, services, at)
    wallet = services.wallets.wallet(customer.id)
    balance = None if customer.unlimited else wallet.balance_micro
    available = None if customer.unlimited else max(0, wallet.available_micro)
    rpm, tpm, concurrency = limits_of(caller)
    return json_page(
        {
            "object": "balance",
            "customer": customer.name,
            "currency": "USD",
            "unlimited": customer.unlimited,
            "balance_micro": balance,
            "held_micro": wallet.held_micro,
            "available_micro": available,
            "available_usd": None if available is None else format_usd(available).removeprefix("$").replace(",", ""),
            "spent_today_micro": day_micro,
            "spent_this_month_micro": month_micro,
            "spend_limits": _spend_limits(caller, services, day_micro, month_micro, at),
            "rate_limits": {"requests_per_minute": rpm, "tokens_per_minute": tpm, "concurrency": concurrency},
        }
    )


async def _spent(customer_id: int, services: Services, at: int) -> tuple[int, int]:
    """(today, this month) of a customer, from the roll-ups."""
    today = instant(at)[:10]
    days = await services.reads.usage_summary(customer_id, int(today[8:]))
    day_micro = sum(row["cost_micro"] for row in days["data"] if row["date"] == today)
    return day_micro, days["total"]["cost_micro"]


def _spend_limits(
    caller: Caller, services: Services, day_micro: int, month_micro: int, at: int
) -> list[dict[str, Any]]:
    """Every limit that is set, with what it has left of itself and when it starts over."""
    customer, key = caller.customer, caller.key
    limits: list[tuple[str, Window, int | None, int]] = [
        ("customer", "day", customer.day_limit_micro, day_micro),
        ("customer", "month", customer.month_limit_micro, month_micro),
    ]
    if key is not None:
        key_day_micro, key_month_micro = services.spending.spent_micro(key.id, at)
        limits += [("key", "day", key.day_limit_micro, key_day_micro)]
        limits += [("key", "month", key.month_limit_micro, key_month_micro)]
    return [
        {
            "of": whose,
            "window": window,
            "limit_micro": limit_micro,
            "spent_micro": spent_micro,
            "resets_at": instant(resets_at(window, at)),
        }
        for whose, window, limit_micro, spent_micro in limits
        if limit_micro is not None
    ]
