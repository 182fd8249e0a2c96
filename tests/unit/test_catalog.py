"""The shipped catalog against the vendors' price lists, and what the loader refuses."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from msgspec import structs

from gateway.billing.prices import cost_micro
from gateway.catalog import Catalog, Model, Price, Rates
from gateway.catalog.load import load_catalog, shipped_catalog, with_overrides
from gateway.catalog.resolve import price_at, resolve
from gateway.catalog.versions import price_body, read_price, with_version
from gateway.errors import ConfigurationError
from gateway.records import Usage

CATALOG = shipped_catalog()


def day(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


NOW = day("2026-11-20")

# Dollars per million tokens: input, cache read, write 5m, write 1h, output; factor of fast mode.
ANTHROPIC = {
    "claude-fable-5-2": ("8 0.2 10 16 40", 2),
    "claude-mythos-5-2": ("8 0.2 10 16 40", 2),
    "claude-fable-5-1": ("10 0.25 12.5 20 50", None),
    "claude-mythos-5-1": ("10 0.25 12.5 20 50", None),
    "claude-fable-5": ("10 1 12.5 20 50", None),
    "claude-mythos-5": ("10 1 12.5 20 50", None),
    "claude-opus-5-5": ("4 0.2 5 8 20", 2),
    "claude-opus-5": ("5 0.5 6.25 10 25", 2),
    "claude-opus-4-8": ("5 0.5 6.25 10 25", 2),
    "claude-opus-4-7": ("5 0.5 6.25 10 25", None),
    "claude-opus-4-6": ("5 0.5 6.25 10 25", None),
    "claude-opus-4-5": ("5 0.5 6.25 10 25", None),
    "claude-sonnet-5-5": ("2 0.1 2.5 4 10", None),
    "claude-sonnet-5": ("2 0.2 2.5 4 10", None),
    "claude-sonnet-4-6": ("3 0.3 3.75 6 15", None),
    "claude-sonnet-4-5": ("3 0.3 3.75 6 15", None),
    "claude-haiku-5-5": ("0.1 0.01 0.125 0.2 0.5", None),
    "claude-haiku-4-5": ("1 0.1 1.25 2 5", None),
}
# The same, and the prompt length above which it holds.
ANTHROPIC_LONG = {
    "claude-sonnet-4-5": (200_000, "6 0.6 7.5 12 22.5"),
    "claude-haiku-5-5": (100_000, "0.5 0.05 0.625 1 2.5"),
}
# Input, cached read, write 30m, output; the same for prompts over 272,000 tokens; factor of priority.
OPENAI = {
    "gpt-6-astra": ("10 1 12.5 50", "20 2 25 75", "2"),
    "gpt-6.1-sol": ("2 0.1 2.5 10", "4 0.2 5 15", "2"),
    "gpt-6.1-terra": ("1 0.05 1.25 5", "2 0.1 2.5 7.5", "2"),
    "gpt-6-sol": ("2 0.2 2.5 10", "4 0.4 5 15", "2"),
    "gpt-6-luna": ("0.1 0.01 0.125 0.5", "0.2 0.02 0.25 0.75", "2"),
    "gpt-5.6-sol": ("4 0.4 5 20", "8 0.8 10 30", "2"),
    "gpt-5.6-terra": ("2 0.2 2.5 12", "4 0.4 5 18", "2"),
    "gpt-5.6-luna": ("0.2 0.02 0.25 1.2", "0.4 0.04 0.5 1.8", "2"),
    "gpt-5.5": ("5 0.5 - 30", "10 1 - 45", "2.5"),
    "gpt-5.5-pro": ("30 - - 180", "60 - - 270", None),
    "gpt-5.4": ("2.5 0.25 - 15", "5 0.5 - 22.5", "2"),
    "gpt-5.4-mini": ("0.75 0.075 - 4.5", None, "2"),
    "gpt-5.4-nano": ("0.2 0.02 - 1.25", None, None),
    "gpt-5.3-codex": ("1.75 0.175 - 14", None, "2"),
    "gpt-5.2": ("1.75 0.175 - 14", None, "2"),
    "gpt-5.1": ("1.25 0.125 - 10", None, "2"),
    "gpt-5": ("1.25 0.125 - 10", None, "2"),
    "gpt-5-mini": ("0.25 0.025 - 2", None, "1.8"),
    "gpt-5-nano": ("0.05 0.005 - 0.4", None, None),
    "gpt-4.1": ("2 0.5 - 8", None, "1.75"),
    "gpt-4.1-mini": ("0.4 0.1 - 1.6", None, "1.75"),
    "gpt-4o": ("2.5 1.25 - 10", None, "1.7"),
    "gpt-4o-mini": ("0.15 0.075 - 0.6", None, "1.67"),
    "o3": ("2 0.5 - 8", None, "1.75"),
    "o4-mini": ("1.1 0.275 - 4.4", None, "1.82"),
}


def micro(usd: str) -> list[int | None]:
    return [None if figure == "-" else int(Decimal(figure) * 1_000_000) for figure in usd.split()]


def price_of(model_id: str, at: int = NOW) -> Price:
    price = price_at(CATALOG.models[model_id], at)
    assert price is not None
    return price


def anthropic_rates(rates: Rates) -> list[int | None]:
    return [rates.input, rates.cache_read, rates.cache_write_5m, rates.cache_write_1h, rates.output]


def openai_rates(rates: Rates) -> list[int | None]:
    return [rates.input, rates.cache_read, rates.cache_write_30m, rates.output]


@pytest.mark.parametrize("model_id", ANTHROPIC)
def test_anthropic_list_prices(model_id: str) -> None:
    usd, fast = ANTHROPIC[model_id]
    price = price_of(model_id)
    assert anthropic_rates(price.rates) == micro(usd)
    assert price.variants_bp.get("fast") == (fast and fast * 10_000)


@pytest.mark.parametrize("model_id", ANTHROPIC)
def test_anthropic_long_prompts(model_id: str) -> None:
    tiers = [(tier.above_prompt_tokens, anthropic_rates(tier.rates)) for tier in price_of(model_id).tiers]
    long = ANTHROPIC_LONG.get(model_id)
    assert tiers == ([(long[0], micro(long[1]))] if long else [])


@pytest.mark.parametrize("model_id", ANTHROPIC)
def test_anthropic_batch_halves_and_us_geography_adds_a_tenth_from_4_6_on(model_id: str) -> None:
    variants = price_of(model_id).variants_bp
    older = model_id in {"claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5"}
    assert variants["batch"] == 5_000
    assert variants.get("geo:us") == (None if older else 11_000)


@pytest.mark.parametrize("model_id", OPENAI)
def test_openai_list_prices(model_id: str) -> None:
    assert openai_rates(price_of(model_id).rates) == micro(OPENAI[model_id][0])


@pytest.mark.parametrize("model_id", OPENAI)
def test_openai_long_prompts(model_id: str) -> None:
    long = OPENAI[model_id][1]
    tiers = [(tier.above_prompt_tokens, openai_rates(tier.rates)) for tier in price_of(model_id).tiers]
    assert tiers == ([(272_000, micro(long))] if long else [])


@pytest.mark.parametrize("model_id", OPENAI)
def test_openai_priority_which_some_answers_call_fast(model_id: str) -> None:
    factor = OPENAI[model_id][2]
    variants = price_of(model_id).variants_bp
    assert variants.get("priority") == variants.get("fast") == (factor and int(Decimal(factor) * 10_000))


@pytest.mark.parametrize("model_id", OPENAI)
def test_openai_batch_flex_and_regions(model_id: str) -> None:
    variants = price_of(model_id).variants_bp
    assert variants["batch"] == 5_000
    assert variants.get("flex") == (None if model_id.startswith("gpt-4") else 5_000)
    assert variants["geo:us"] == variants["geo:eu"] == 11_000


def test_ultrafast_is_sold_on_two_models() -> None:
    sold = {model_id: price_of(model_id).variants_bp.get("ultrafast") for model_id in OPENAI}
    assert {model_id: factor for model_id, factor in sold.items() if factor} == {
        "gpt-6-astra": 60_000,
        "gpt-6.1-sol": 60_000,
    }


@pytest.mark.parametrize("model_id", OPENAI)
def test_twelve_hour_cache_writes_cost_two_and_a_half_inputs_where_writes_are_billed(model_id: str) -> None:
    price = price_of(model_id)
    for rates in (price.rates, *(tier.rates for tier in price.tiers)):
        assert rates.cache_write_12h == (None if rates.cache_write_30m is None else rates.input * 5 // 2)


def test_a_web_search_costs_a_cent() -> None:
    assert {price_of(model_id).web_search_micro for model_id in (*ANTHROPIC, *OPENAI)} == {10_000}


def test_sonnet_5_5_cache_reads_halved_on_their_day() -> None:
    read = Usage(cache_read_tokens=1_000_000)
    assert cost_micro(read, price_of("claude-sonnet-5-5", day("2026-10-07") - 1)) == 200_000
    assert cost_micro(read, price_of("claude-sonnet-5-5", day("2026-10-07"))) == 100_000


def test_the_price_lists_and_the_catalog_hold_the_same_models() -> None:
    on_sale = {model.id for model in CATALOG.models.values() if model.lifecycle != "retired"}
    assert on_sale == ANTHROPIC.keys() | OPENAI.keys()


def test_every_model_on_sale_has_a_price_and_limits_from_its_first_day() -> None:
    for model in CATALOG.models.values():
        if model.lifecycle != "retired":
            assert price_at(model, model.created_at), model.id
            assert 0 < model.max_output_tokens <= model.context_tokens


def test_a_retired_model_has_no_price_of_its_own_and_the_abilities_of_its_successor() -> None:
    retired = CATALOG.models["claude-3-5-sonnet-20241022"]
    assert retired.prices == ()
    assert retired.capabilities == CATALOG.models["claude-sonnet-4-6"].capabilities


# thinking accepted; default; rejects sampling, forced tools; takes prefill, system messages in the conversation.
CAPABILITIES = {
    "claude-fable-5-2": ("adaptive", "always", "high", False, False, False, True),
    "claude-mythos-5-1": ("adaptive", "always", "high", False, False, False, True),
    "claude-fable-5": ("adaptive", "always", "high", False, True, False, True),
    "claude-opus-5-5": ("adaptive", "always", "medium", False, False, False, True),
    "claude-sonnet-5-5": ("adaptive between_tools", "on", "high", False, False, False, True),
    "claude-haiku-5-5": ("adaptive disabled", "on", "medium", False, True, False, True),
    "claude-opus-5": ("adaptive disabled", "on", "high", False, True, False, True),
    "claude-sonnet-5": ("adaptive disabled", "on", "high", False, True, False, False),
    "claude-opus-4-8": ("adaptive disabled", "off", "high", False, True, False, True),
    "claude-opus-4-7": ("adaptive disabled", "off", "high", False, True, False, False),
    "claude-opus-4-6": ("adaptive enabled disabled", "off", "high", True, True, False, False),
    "claude-sonnet-4-6": ("adaptive enabled disabled", "off", "high", True, True, False, False),
    "claude-opus-4-5": ("enabled disabled", "off", "high", True, True, True, False),
    "claude-sonnet-4-5": ("enabled disabled", "off", "", True, True, True, False),
    "claude-haiku-4-5": ("enabled disabled", "off", "", True, True, True, False),
}


@pytest.mark.parametrize("model_id", CAPABILITIES)
def test_what_the_claude_models_take(model_id: str) -> None:
    has = CATALOG.models[model_id].capabilities
    assert (
        " ".join(has.thinking),
        has.thinking_default,
        has.default_effort,
        has.sampling,
        has.forced_tools,
        has.prefill,
        has.mid_system,
    ) == CAPABILITIES[model_id]


def test_codex_and_pro_models_are_served_as_responses_only() -> None:
    only = {model.id for model in CATALOG.models.values() if model.dialects == ("responses",)}
    assert only == {"gpt-5.3-codex", "gpt-5.5-pro", "gpt-5.1-codex", "codex-mini-latest"}


MINIMAL = """
[vendors.acme]
dialects = ["chat"]
[models.one]
name = "One"
vendor = "acme"
created = 2026-01-01
context = 1000
output = 100
prices = [{ input = 0.0125, output = 1 }]
"""


def test_prices_are_exact_decimals() -> None:
    assert load_catalog(MINIMAL).models["one"].prices[0].rates.input == 12_500


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("input = 0.0125", "input = 0.0000001"),
        ("input = 0.0125", "input = -1"),
        ("input = 0.0125", "input = nan"),
        ("input = 0.0125", "input = 0.0125, variants = { fast = 1.00001 }"),
        ("input = 0.0125", "inputs = 1"),
        ("context = 1000", "context = 10"),
        ("context = 1000", ""),
        ('vendor = "acme"', 'vendor = "other"'),
        ('name = "One"', 'name = "One"\nserved_by = "two"'),
        ("[models.one]", '[aliases]\nfast = "two"\n[models.one]'),
        ("[models.one]", '[aliases]\none = "one"\n[models.one]'),
        ("output = 1 }]", "output = 1 }, { input = 1, output = 1 }]"),
        ("[models.one]", "[models.one"),
    ],
)
def test_a_catalog_with_a_slip_is_refused(old: str, new: str) -> None:
    assert old in MINIMAL
    with pytest.raises(ConfigurationError):
        load_catalog(MINIMAL.replace(old, new, 1))


def overridden(**overrides: Any) -> Catalog:
    return with_overrides(CATALOG, **overrides)


def own_price(starts: str, output: int = 2) -> Price:
    return Price("", day(starts), Rates(1, output))


def test_an_operators_alias_wins() -> None:
    assert resolve(overridden(aliases={"opus": "claude-opus-4-8"}), "opus") is CATALOG.models["claude-opus-4-8"]


def test_an_alias_of_a_model_that_is_gone_does_not_keep_the_catalog_from_loading() -> None:
    assert resolve(overridden(aliases={"best": "no-such-model"}), "best") is None
    assert overridden(prices={"no-such-model": [own_price("2026-01-01")]}).models == CATALOG.models


def test_an_operators_price_starts_on_its_day_and_the_shipped_one_ends() -> None:
    model = overridden(prices={"gpt-5.5": [own_price("2026-12-01")]}).models["gpt-5.5"]
    assert price_at(model, day("2026-11-30")) == price_of("gpt-5.5")
    later = price_at(model, day("2026-12-01"))
    assert later is not None
    assert later.rates == Rates(1, 2)
    assert later.version.startswith("gpt-5.5@2026-12-01.")


def test_a_vendors_later_price_does_not_replace_an_operators() -> None:
    mine = [own_price("2026-10-05", output=5), own_price("2026-10-01")]
    model = overridden(prices={"claude-sonnet-5-5": mine}).models["claude-sonnet-5-5"]
    now = price_at(model, NOW)
    assert now is not None
    assert now.rates == Rates(1, 5)
    assert [price.effective_at for price in model.prices] == [day("2026-09-29"), day("2026-10-01"), day("2026-10-05")]


def test_an_operators_model_joins_and_a_changed_one_keeps_its_prices() -> None:
    local = Model("llama", "local", "Llama", ("chat",), 0, 8192, 4096)
    wider = structs.replace(CATALOG.models["gpt-4o"], context_tokens=64_000, prices=())
    catalog = overridden(models=[local, wider], prices={"llama": [Price("", 0, Rates(0, 0))]})
    assert price_at(catalog.models["llama"], NOW) is not None
    assert catalog.models["gpt-4o"].context_tokens == 64_000
    assert catalog.models["gpt-4o"].prices == CATALOG.models["gpt-4o"].prices


def test_a_price_version_names_model_day_and_content() -> None:
    price = price_of("claude-opus-5-5")
    assert price.version.startswith("claude-opus-5-5@2026-09-22.")
    assert read_price(price.version, price_body(price)) == price
    dearer = structs.replace(price, rates=structs.replace(price.rates, output=20_000_001))
    assert with_version("claude-opus-5-5", dearer).version != price.version
    assert with_version("claude-opus-5-5", structs.replace(price, version="")).version == price.version


def test_the_order_of_variants_does_not_change_a_version() -> None:
    one = Price("", 0, Rates(1, 1), variants_bp={"a": 1, "b": 2})
    other = Price("", 0, Rates(1, 1), variants_bp={"b": 2, "a": 1})
    assert with_version("m", one).version == with_version("m", other).version
