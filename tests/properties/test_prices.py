"""Cost against a reference in fractions."""

from fractions import Fraction
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from gateway.billing.prices import affordable_output_tokens, cost_micro, input_cost_micro, output_cost_micro
from gateway.catalog import Price, PriceTier, Rates
from gateway.records import Usage

BUCKETS = ("cache_read", "cache_write_5m", "cache_write_1h", "cache_write_30m", "cache_write_12h")
tokens = st.integers(0, 2_000_000)
rate = st.integers(0, 200_000_000)
rates = st.builds(Rates, rate, rate, *(st.none() | rate for _ in BUCKETS))
variants = st.dictionaries(st.sampled_from(["fast", "priority", "batch", "geo:us"]), st.integers(1, 60_000))
prices = st.builds(
    Price,
    version=st.just("v"),
    effective_at=st.just(0),
    rates=rates,
    tiers=st.just(()) | st.tuples(st.builds(PriceTier, st.integers(1, 500_000), rates)),
    variants_bp=variants,
    web_search_micro=st.integers(0, 100_000),
)
usages = st.builds(
    Usage,
    input_tokens=tokens,
    output_tokens=tokens,
    cache_read_tokens=tokens,
    cache_write_5m_tokens=tokens,
    cache_write_1h_tokens=tokens,
    cache_write_30m_tokens=tokens,
    cache_write_12h_tokens=tokens,
    web_search_requests=st.integers(0, 50),
    service_tier=st.sampled_from(["", "standard", "priority", "batch", "fast"]),
    speed=st.sampled_from(["", "fast"]),
    inference_geo=st.sampled_from(["", "us", "global"]),
)
multipliers = st.integers(0, 100_000)


def reference(usage: Usage, price: Price, multiplier_bp: int) -> int:
    prompt = usage.input_tokens + sum(getattr(usage, f"{bucket}_tokens") for bucket in BUCKETS)
    chosen = price.rates
    for tier in price.tiers:
        if prompt > tier.above_prompt_tokens:
            chosen = tier.rates
    total = Fraction(usage.input_tokens * chosen.input + usage.output_tokens * chosen.output)
    for bucket in BUCKETS:
        bucket_rate = getattr(chosen, bucket)
        total += getattr(usage, f"{bucket}_tokens") * (chosen.input if bucket_rate is None else bucket_rate)
    total /= 1_000_000
    for name in {usage.service_tier, usage.speed, f"geo:{usage.inference_geo}"}:
        total *= Fraction(price.variants_bp.get(name, 10_000), 10_000)
    total += usage.web_search_requests * price.web_search_micro
    return ceil(total * Fraction(multiplier_bp, 10_000))


@given(usages, prices, multipliers)
def test_cost_is_exact_and_rounded_up_once(usage: Usage, price: Price, multiplier_bp: int) -> None:
    assert cost_micro(usage, price, multiplier_bp) == reference(usage, price, multiplier_bp)


@given(tokens, tokens, prices, multipliers)
def test_prompt_and_output_held_apart_cover_the_cost(read: int, written: int, price: Price, multiplier_bp: int) -> None:
    cost = cost_micro(Usage(input_tokens=read, output_tokens=written), price, multiplier_bp)
    held = input_cost_micro(read, price, multiplier_bp)
    held += output_cost_micro(written, price, multiplier_bp, prompt_tokens=read)
    assert cost <= held <= cost + 1


@given(st.integers(-(10**6), 10**12), tokens, prices, st.integers(1, 100_000))
def test_what_is_affordable_is_the_most_that_is(available: int, read: int, price: Price, multiplier_bp: int) -> None:
    bought = affordable_output_tokens(available, read, price, multiplier_bp)
    prompt = input_cost_micro(read, price, multiplier_bp)

    def costs(written: int) -> int:
        return prompt + output_cost_micro(written, price, multiplier_bp, prompt_tokens=read)

    assert bought == 0 or costs(bought) <= available
    if bought < 1 << 31:
        assert costs(bought + 1) > available
