"""What tokens cost. Exact integers, rounded up once, so that a receipt and its price version give the same figure
anywhere, any time."""

from collections.abc import Iterable

from gateway.catalog.models import Price, Rates
from gateway.records import Usage

_PER = 1_000_000
_UNIT_BP = 10_000

UNBOUNDED_TOKENS = 1 << 31
"""What `affordable_output_tokens` says where output costs nothing."""


def cost_micro(usage: Usage, price: Price, multiplier_bp: int = _UNIT_BP) -> int:
    """What a call costs in micro-dollars: ceil((sum of tokens x rate x variants + searches) x multiplier).

    The tier is chosen by everything the model read, cached or not, and applies to the whole request. Cache buckets the
    vendor has no price for cost the input rate. Reasoning is part of the output already. Variants the provider reports
    but the price does not list change nothing.
    """
    rates = rates_for(price, usage.prompt_tokens)
    tokens = (
        usage.input_tokens * rates.input
        + usage.output_tokens * rates.output
        + usage.cache_read_tokens * _or_input(rates.cache_read, rates)
        + usage.cache_write_5m_tokens * _or_input(rates.cache_write_5m, rates)
        + usage.cache_write_1h_tokens * _or_input(rates.cache_write_1h, rates)
        + usage.cache_write_30m_tokens * _or_input(rates.cache_write_30m, rates)
        + usage.cache_write_12h_tokens * _or_input(rates.cache_write_12h, rates)
    )
    above, below = _factor(price, variants_of(usage))
    numerator = (tokens * above + usage.web_search_requests * price.web_search_micro * below) * multiplier_bp
    return -(-numerator // (below * _UNIT_BP))


def input_cost_micro(
    tokens: int,
    price: Price,
    multiplier_bp: int = _UNIT_BP,
    *,
    variants: Iterable[str] = (),
    cache_writes: bool = False,
) -> int:
    """The most that `tokens` of prompt can cost. `cache_writes` when the request asks for them: a prompt that is
    written to a cache costs up to two and a half times its input price."""
    rates = rates_for(price, tokens)
    rate = _dearest_input(rates) if cache_writes else rates.input
    above, below = _factor(price, variants)
    return -(-tokens * rate * above * multiplier_bp // (below * _UNIT_BP))


def output_cost_micro(
    tokens: int,
    price: Price,
    multiplier_bp: int = _UNIT_BP,
    *,
    prompt_tokens: int = 0,
    variants: Iterable[str] = (),
) -> int:
    """What `tokens` of output cost after a prompt of that length."""
    above, below = _factor(price, variants)
    return -(-tokens * rates_for(price, prompt_tokens).output * above * multiplier_bp // (below * _UNIT_BP))


def affordable_output_tokens(
    available_micro: int,
    input_tokens: int,
    price: Price,
    multiplier_bp: int = _UNIT_BP,
    *,
    variants: Iterable[str] = (),
    cache_writes: bool = False,
) -> int:
    """The most output tokens that `available_micro` buys after paying for the prompt. 0 if not even that is covered."""
    named = tuple(variants)
    left = available_micro - input_cost_micro(
        input_tokens, price, multiplier_bp, variants=named, cache_writes=cache_writes
    )
    if left < 0:
        return 0
    above, below = _factor(price, named)
    rate = rates_for(price, input_tokens).output * above * multiplier_bp
    return UNBOUNDED_TOKENS if rate == 0 else min(UNBOUNDED_TOKENS, left * below * _UNIT_BP // rate)


def rates_for(price: Price, prompt_tokens: int) -> Rates:
    """The rates of a request whose prompt has that many tokens, all buckets counted."""
    for tier in reversed(price.tiers):
        if prompt_tokens > tier.above_prompt_tokens:
            return tier.rates
    return price.rates


def variants_of(usage: Usage) -> frozenset[str]:
    """The variant names a provider's report stands for. OpenAI calls one tier `priority` and `fast`; Anthropic's
    fast mode is a speed. A name counts once."""
    if not (usage.service_tier or usage.speed or usage.inference_geo):
        return _NONE
    return variant_names(usage.service_tier, usage.speed, usage.inference_geo)


def variant_names(service_tier: str = "", speed: str = "", inference_geo: str = "") -> frozenset[str]:
    """The same from a request's own fields, for holds."""
    return frozenset(name for name in (service_tier, speed, f"geo:{inference_geo}" if inference_geo else "") if name)


_NONE: frozenset[str] = frozenset()


def _factor(price: Price, variants: Iterable[str]) -> tuple[int, int]:
    """The product of the variants' factors as a fraction, with the million of "per million tokens" in it."""
    above, below = 1, _PER
    for name in variants:
        factor = price.variants_bp.get(name)
        if factor is not None:
            above *= factor
            below *= _UNIT_BP
    return above, below


def _or_input(rate: int | None, rates: Rates) -> int:
    return rates.input if rate is None else rate


def _dearest_input(rates: Rates) -> int:
    written = (rates.cache_write_5m, rates.cache_write_1h, rates.cache_write_30m, rates.cache_write_12h)
    return max(rates.input, *(rate or 0 for rate in written))
