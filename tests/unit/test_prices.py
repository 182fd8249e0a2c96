"""What tokens cost, and what money buys."""

import pytest

from gateway.billing.prices import (
    UNBOUNDED_TOKENS,
    affordable_output_tokens,
    cost_micro,
    input_cost_micro,
    output_cost_micro,
)
from gateway.catalog import Price, PriceTier, Rates
from gateway.records import Usage

OPUS = Price(
    version="v",
    effective_at=0,
    rates=Rates(5_000_000, 25_000_000, 500_000, 6_250_000, 10_000_000),
    variants_bp={"fast": 20_000, "geo:us": 11_000, "batch": 5_000},
    web_search_micro=10_000,
)
TIERED = Price(
    version="v",
    effective_at=0,
    rates=Rates(100_000, 500_000, 10_000),
    tiers=(PriceTier(100_000, Rates(500_000, 2_500_000, 50_000)),),
)


@pytest.mark.parametrize(
    ("usage", "micro"),
    [
        (Usage(), 0),
        (Usage(input_tokens=1), 5),
        (Usage(output_tokens=1), 25),
        (Usage(cache_read_tokens=1), 1),  # half a micro-dollar, rounded up
        (Usage(cache_read_tokens=2), 1),
        (Usage(cache_write_5m_tokens=4), 25),
        (Usage(cache_write_1h_tokens=1), 10),
        (Usage(input_tokens=781, output_tokens=921), 26_930),
        (Usage(output_tokens=100, reasoning_tokens=90), 2_500),
        (Usage(input_tokens=1, cache_read_tokens=1, cache_write_5m_tokens=1), 12),  # 11.75: one rounding, not three
        (Usage(web_search_requests=3), 30_000),
    ],
)
def test_each_bucket_has_its_rate(usage: Usage, micro: int) -> None:
    assert cost_micro(usage, OPUS) == micro


def test_a_bucket_without_a_price_costs_the_input_rate() -> None:
    assert cost_micro(Usage(cache_write_12h_tokens=10), OPUS) == 50


@pytest.mark.parametrize(
    ("usage", "micro"),
    [
        (Usage(input_tokens=1000, speed="fast"), 10_000),
        (Usage(input_tokens=1000, service_tier="batch"), 2_500),
        (Usage(input_tokens=1000, inference_geo="us"), 5_500),
        (Usage(input_tokens=1000, speed="fast", inference_geo="us"), 11_000),
        (Usage(input_tokens=1000, service_tier="fast", speed="fast"), 10_000),
        (Usage(input_tokens=1000, service_tier="standard", speed="standard", inference_geo="global"), 5_000),
    ],
)
def test_the_variant_the_provider_reports_is_billed(usage: Usage, micro: int) -> None:
    assert cost_micro(usage, OPUS) == micro


def test_searches_are_not_multiplied_by_variants() -> None:
    assert cost_micro(Usage(input_tokens=1000, web_search_requests=1, speed="fast"), OPUS) == 20_000


def test_the_tier_multiplier_is_inside_the_one_rounding() -> None:
    assert cost_micro(Usage(cache_read_tokens=1), OPUS, 12_500) == 1
    assert cost_micro(Usage(input_tokens=1000, web_search_requests=1), OPUS, 15_000) == 22_500


@pytest.mark.parametrize(
    ("usage", "micro"),
    [
        (Usage(input_tokens=100_000, output_tokens=1000), 10_500),
        (Usage(input_tokens=100_001, output_tokens=1000), 52_501),
        (Usage(input_tokens=1, cache_read_tokens=100_000, output_tokens=1000), 7_501),
    ],
)
def test_a_long_prompt_moves_the_whole_request_to_the_higher_rates(usage: Usage, micro: int) -> None:
    assert cost_micro(usage, TIERED) == micro


def test_a_prompt_that_will_be_cached_is_held_at_its_dearest() -> None:
    assert input_cost_micro(1000, OPUS) == 5_000
    assert input_cost_micro(1000, OPUS, cache_writes=True) == 10_000
    assert input_cost_micro(1000, OPUS, variants={"fast"}) == 10_000


@pytest.mark.parametrize(
    ("available", "prompt", "tokens"),
    [(5_000, 1000, 0), (5_024, 1000, 0), (5_025, 1000, 1), (30_000, 1000, 1000), (4_999, 1000, 0), (-1, 0, 0)],
)
def test_what_the_rest_of_a_balance_buys(available: int, prompt: int, tokens: int) -> None:
    assert affordable_output_tokens(available, prompt, OPUS) == tokens


def test_free_output_is_not_bounded_by_money() -> None:
    free = Price(version="v", effective_at=0, rates=Rates(0, 0))
    assert affordable_output_tokens(0, 1_000_000, free) == UNBOUNDED_TOKENS


def test_output_after_a_long_prompt_costs_the_long_rate() -> None:
    assert output_cost_micro(1000, TIERED, prompt_tokens=100_001) == 2_500
