"""Prices as a key holder reads them."""

from decimal import Decimal
from math import ceil

from hypothesis import given
from hypothesis import strategies as st

from gateway.billing.prices import cost_micro
from gateway.catalog import Price, PriceTier, Rates
from gateway.edge.pages.model_info import prices_of
from gateway.edge.pages.page import instant
from gateway.records import Usage


def price(**fields: object) -> Price:
    return Price("v1", 0, **({"rates": Rates(3_000_000, 15_000_000, cache_read=300_000)} | fields))


def test_a_price_is_dollars_and_micro_dollars_per_million_tokens() -> None:
    assert prices_of(price(), 10_000)["tokens"] == {
        "input": {"usd": "3.00", "micro": 3_000_000},
        "output": {"usd": "15.00", "micro": 15_000_000},
        "cache_read": {"usd": "0.30", "micro": 300_000},
    }


def test_a_fraction_of_a_micro_dollar_is_exact_in_dollars_and_rounded_up_in_micro() -> None:
    odd = price(rates=Rates(25_001, 0))
    assert prices_of(odd, 12_345)["tokens"]["input"] == {"usd": "0.0308637345", "micro": 30_864}


def test_long_prompts_searches_and_variants_are_listed() -> None:
    prices = prices_of(
        price(
            tiers=(PriceTier(200_000, Rates(6_000_000, 22_500_000)),),
            variants_bp={"fast": 20_000},
            web_search_micro=10_000,
        ),
        20_000,
    )
    assert prices["above"][0]["prompt_tokens"] == 200_000
    assert prices["above"][0]["tokens"]["input"]["usd"] == "12.00"
    assert prices["web_search_request"] == {"usd": "0.02", "micro": 20_000}
    assert prices["variants_bp"] == {"fast": 20_000}


@given(rate=st.integers(0, 10**9), multiplier_bp=st.integers(1, 100_000), tokens=st.integers(0, 10**7))
def test_the_listed_price_gives_the_receipts_cost(rate: int, multiplier_bp: int, tokens: int) -> None:
    priced = price(rates=Rates(rate, 0))
    usd = Decimal(prices_of(priced, multiplier_bp)["tokens"]["input"]["usd"])
    assert cost_micro(Usage(input_tokens=tokens), priced, multiplier_bp) == ceil(usd * tokens)


def test_instants_are_rfc_3339() -> None:
    assert instant(1_772_600_767_890) == "2026-03-04T05:06:07.890Z"
    assert instant(0) == "1970-01-01T00:00:00Z"
