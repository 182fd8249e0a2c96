"""What a call holds: first, as it grows, and what it is refused for."""

import pytest

from gateway.billing.estimates import CLAMPED, Corrections, Plan, plan_call
from gateway.billing.holds import Wallet, Wallets
from gateway.billing.spend import Room
from gateway.catalog import Model, Price, PriceTier, Rates
from gateway.errors import OutOfCredit
from gateway.records import Usage

# A dollar a million tokens in, ten out: a prompt token costs 1 micro-dollar, an output token 10.
PRICE = Price("v", 0, Rates(1_000_000, 10_000_000, cache_read=100_000))
MODEL = Model("m", "v", "M", ("messages",), 0, 200_000, 64_000, tokens_per_second=100)


def plan(**changes: object) -> Plan:
    given: dict[str, object] = {
        "model": MODEL,
        "price": PRICE,
        "multiplier_bp": 10_000,
        "input_tokens": 1_000,
        "asked_limit": 8_000,
        "stream": True,
        "wallet": Wallet(1_000_000),
    }
    return plan_call(**(given | changes))


def test_a_stream_holds_its_prompt_and_one_slice() -> None:
    assert plan().hold_micro == 1_000 + 4_096 * 10


def test_a_call_that_is_not_streamed_holds_its_whole_limit() -> None:
    assert plan(stream=False).hold_micro == 1_000 + 8_000 * 10


def test_a_short_answer_holds_no_more_than_its_limit() -> None:
    assert plan(asked_limit=100).hold_micro == 1_000 + 100 * 10


def test_the_limit_goes_upstream_as_asked() -> None:
    assert (plan().output_limit, plan().warnings) == (8_000, ())


def test_a_limit_above_the_models_is_clamped() -> None:
    clamped = plan(asked_limit=128_000)
    assert (clamped.output_limit, clamped.warnings) == (64_000, (CLAMPED,))


def test_a_limit_above_the_balance_is_clamped_to_what_it_buys() -> None:
    clamped = plan(wallet=Wallet(11_009), stream=False)
    assert (clamped.output_limit, clamped.warnings, clamped.hold_micro) == (1_000, (CLAMPED,), 11_000)


def test_a_limit_is_set_where_there_is_none_and_money_to_run_out_of() -> None:
    assert plan(asked_limit=None).output_limit == 64_000


def test_an_unlimited_customers_request_is_left_alone() -> None:
    assert plan(asked_limit=None, wallet=None).output_limit is None
    assert plan(wallet=None).output_limit == 8_000


def test_a_prompt_that_costs_more_than_the_balance_is_refused() -> None:
    with pytest.raises(OutOfCredit) as refused:
        plan(wallet=Wallet(999))
    assert refused.value.details is not None
    assert refused.value.details["affordable_output_tokens"] == 0


def test_a_refusal_says_how_many_tokens_the_rest_would_buy() -> None:
    with pytest.raises(OutOfCredit, match="It would pay for 10 output tokens"):
        plan(wallet=Wallet(1_100), minimum_output=16)


def test_a_balance_below_the_thinking_budget_is_refused_rather_than_broken_upstream() -> None:
    with pytest.raises(OutOfCredit):
        plan(wallet=Wallet(1_000 + 2_048 * 10), thinking_budget=2_048)
    assert plan(wallet=Wallet(1_000 + 2_049 * 10), thinking_budget=2_048).output_limit == 2_049


def test_a_budget_above_the_callers_own_limit_is_not_a_matter_of_money() -> None:
    assert plan(asked_limit=1_000, thinking_budget=2_048).output_limit == 1_000


def test_warming_a_cache_needs_the_prompt_only() -> None:
    warmed = plan(asked_limit=0, wallet=Wallet(1_000))
    assert (warmed.output_limit, warmed.hold_micro) == (0, 1_000)


def test_the_tighter_spend_limit_clamps_and_refuses_with_its_reset() -> None:
    room = Room("this key", "day", 6_000, 0, 0, resets_at=0)
    assert plan(room=room).output_limit == 500
    with pytest.raises(OutOfCredit, match="spend limit of this key"):
        plan(room=Room("this key", "day", 900, 0, 0, resets_at=0))


def test_fast_mode_and_the_tiers_multiplier_are_held_for() -> None:
    fast = Price("v", 0, PRICE.rates, variants_bp={"fast": 20_000})
    held = plan(price=fast, variants=frozenset({"fast"}), multiplier_bp=15_000, asked_limit=100)
    assert held.hold_micro == (1_000 + 100 * 10) * 3


def streaming(balance_micro: int) -> tuple[Wallets, Plan]:
    book = Wallets("boot")
    book.load({1: balance_micro}, 0)
    return book, plan(wallet=book.wallet(1), asked_limit=64_000)


def test_a_slice_is_held_before_it_is_used() -> None:
    book, started = streaming(1_000_000)
    hold = book.hold(1, started.hold_micro)
    schedule = started.schedule
    for produced in range(0, 20_000, 50):
        if produced >= schedule.grow_at:
            assert schedule.grow(produced, hold.grow_to)
        assert hold.amount_micro >= 1_000 + (produced + 1_000) * 10
    assert hold.amount_micro < 1_000 + (20_000 + 2 * 4_096) * 10


def test_a_hold_does_not_grow_beyond_the_output_limit() -> None:
    started = plan(asked_limit=5_000)
    assert started.schedule.grow(4_000, lambda total: total == 1_000 + 5_000 * 10)
    assert started.schedule.covered_tokens == 5_000
    assert started.schedule.grow(4_999)


def test_the_rest_of_a_balance_is_used_in_smaller_slices() -> None:
    book, started = streaming(1_000 + 4_500 * 10)
    hold = book.hold(1, started.hold_micro)
    assert started.output_limit == 4_500
    assert started.schedule.grow(4_096, hold.grow_to)
    assert started.schedule.covered_tokens == 4_500


def test_a_call_is_cut_when_what_it_produced_is_no_longer_covered() -> None:
    book, started = streaming(1_000_000)
    hold = book.hold(1, started.hold_micro)
    book.hold(1, book.wallet(1).available_micro)  # another call takes all the rest
    assert started.schedule.grow(4_000, hold.grow_to)
    assert not started.schedule.grow(4_096, hold.grow_to)


def test_every_hold_of_a_call_has_to_agree() -> None:
    started = plan()
    assert not started.schedule.grow(5_000, lambda _: True, lambda _: False)


def test_silence_is_counted_at_the_models_pace() -> None:
    assert plan().schedule.silent_tokens(2_500) == 250


def test_the_prompt_as_counted_takes_the_place_of_its_estimate() -> None:
    schedule = plan().schedule
    assert schedule.rebase(Usage(input_tokens=300, cache_read_tokens=500, output_tokens=1)) == 350 + 4_096 * 10


def test_a_prompt_counted_into_the_long_tier_raises_the_output_too() -> None:
    tiered = Price("v", 0, PRICE.rates, tiers=(PriceTier(5_000, Rates(2_000_000, 15_000_000)),))
    assert plan(price=tiered).schedule.rebase(Usage(input_tokens=6_000)) == 12_000 + 4_096 * 15


def test_an_unknown_model_is_estimated_as_it_is() -> None:
    assert Corrections().corrected("m", 1_000) == 1_000


def test_corrections_approach_what_the_provider_counts() -> None:
    corrections = Corrections()
    for _ in range(100):
        corrections.observe("m", 1_000, 700)
    assert 695 <= corrections.corrected("m", 1_000) <= 710
    assert corrections.corrected("other", 1_000) == 1_000


def test_one_odd_prompt_moves_a_correction_half_the_way_at_most() -> None:
    corrections = Corrections()
    corrections.observe("m", 1_000, 100_000)
    assert corrections.corrected("m", 1_000) == 2_000


@pytest.mark.parametrize(("actual", "bound"), [(1, 300), (10**9, 3_000)])
def test_corrections_are_bounded(actual: int, bound: int) -> None:
    corrections = Corrections()
    for _ in range(300):
        corrections.observe("m", 1_000, actual)
    assert abs(corrections.corrected("m", 1_000) - bound) <= 2


def test_tiny_prompts_teach_nothing() -> None:
    corrections = Corrections()
    corrections.observe("m", 10, 30)
    assert corrections.corrected("m", 1_000) == 1_000
