"""What /v1/models/info adds to a model: limits, capabilities, and the caller's prices."""

from typing import Any

import msgspec

from gateway.catalog import Price, Rates
from gateway.catalog.resolve import resolve
from gateway.clock import now_ms
from gateway.configuration import Configuration
from gateway.edge.pages.page import instant
from gateway.terms import Caller
from gateway.upstream.serving import Served

_BUCKETS = Rates.__struct_fields__
_USD_DIGITS = 10  # a micro-dollar times a basis point


def details_of(served: Served, configuration: Configuration, caller: Caller) -> dict[str, Any]:
    """Members to lay over the listing's entry. `prices` is null for a model that costs nothing."""
    model = served.model
    price = configuration.price(model, now_ms())
    is_known = bool(model.context_tokens)
    return {
        "dialects": [dialect for dialect in caller.tier.dialects if dialect in served.seats],
        "aliases": [alias for alias, target in aliases_of(configuration) if target == model.id],
        "limits": {
            "context_tokens": model.context_tokens or None,
            "max_output_tokens": model.max_output_tokens or None,
        },
        "capabilities": msgspec.to_builtins(model.capabilities) if is_known else None,
        "free": price is None,
        "prices": None if price is None else prices_of(price, caller.tier.multiplier_bp),
    }


def aliases_of(configuration: Configuration) -> list[tuple[str, str]]:
    """(alias, id of the model that serves it now), in alphabetical order. A server's own model of that name wins."""
    catalog = configuration.snapshot.catalog
    resolved = [
        (alias, resolve(catalog, alias)) for alias in sorted(catalog.aliases) if alias not in configuration.served
    ]
    return [(alias, model.id) for alias, model in resolved if model is not None]


def prices_of(price: Price, multiplier_bp: int) -> dict[str, Any]:
    """A price as this caller pays it. `usd` is exact; `micro` is rounded up where the multiplier leaves fractions.

    A bucket the vendor has no price for is absent and costs the input price. `above` replaces all prices of a request
    whose prompt is longer; `variants` are factors for the service tier, speed or geography the provider reports.
    """
    return {
        "currency": "USD",
        "unit": "per million tokens",
        "version": price.version,
        "effective_at": instant(price.effective_at),
        "multiplier_bp": multiplier_bp,
        "tokens": _rates(price.rates, multiplier_bp),
        "above": [
            {"prompt_tokens": tier.above_prompt_tokens, "tokens": _rates(tier.rates, multiplier_bp)}
            for tier in price.tiers
        ],
        "variants_bp": price.variants_bp,
        "web_search_request": _amount(price.web_search_micro, multiplier_bp),
    }


def _rates(rates: Rates, multiplier_bp: int) -> dict[str, Any]:
    named = {bucket: getattr(rates, bucket) for bucket in _BUCKETS}
    return {bucket: _amount(rate, multiplier_bp) for bucket, rate in named.items() if rate is not None}


def _amount(micro: int, multiplier_bp: int) -> dict[str, Any]:
    """Micro-dollars times a multiplier, as an exact decimal and as an integer."""
    exact = micro * multiplier_bp
    whole, rest = divmod(exact, 10**_USD_DIGITS)
    decimals = f"{rest:0{_USD_DIGITS}d}".rstrip("0").ljust(2, "0")
    return {"usd": f"{whole}.{decimals}", "micro": -(-exact // 10_000)}
