"""The receipt of one call: its tokens bucket by bucket at their list price, exact to the last decimal. Pure."""

from decimal import Decimal
from typing import NamedTuple

from gateway.billing.prices import rates_for
from gateway.catalog import Price
from gateway.records import Call, Usage

_BUCKETS = (
    ("input", "input"),
    ("cache_read", "cache read"),
    ("cache_write_5m", "cache write, 5 min"),
    ("cache_write_30m", "cache write, 30 min"),
    ("cache_write_1h", "cache write, 1 h"),
    ("cache_write_12h", "cache write, 12 h"),
    ("output", "output"),
)
_REASONS = {"partial": "an interrupted answer is forgiven by the tier", "failed": "a failed call is not charged"}


class Line(NamedTuple):
    """So many of one thing. `rate` is micro-dollars per million; None where the call has no price."""

    name: str
    units: int
    rate: int | None


def receipt_lines(usage: Usage, price: Price | None) -> list[Line]:
    """What a call used, without variants and multiplier. Cache buckets without a rate cost what input costs."""
    rates = None if price is None else rates_for(price, usage.prompt_tokens)
    found = []
    for bucket, name in _BUCKETS:
        tokens: int = getattr(usage, f"{bucket}_tokens")
        rate: int | None = getattr(rates, bucket, None)
        if tokens:
            found.append(Line(name, tokens, rates.input if rates is not None and rate is None else rate))
    if usage.web_search_requests:
        per_million = None if price is None else price.web_search_micro * 1_000_000
        found.append(Line("web searches", usage.web_search_requests, per_million))
    return found


def exact_usd(micro_per_million: int) -> str:
    """Dollars, with every decimal there is: a token may cost less than a micro-dollar."""
    text = f"{Decimal(micro_per_million).scaleb(-12):f}"
    whole, _, decimals = text.partition(".")
    return f"${whole}.{decimals.rstrip('0').ljust(2, '0')}"


def why_charged_less(call: Call) -> str:
    """Why the customer of a settled call does not pay what its lines come to."""
    return _REASONS.get(call.outcome, "billed from the last checkpoint")
