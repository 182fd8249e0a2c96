"""Whether a second account may be asked."""

import msgspec
import pytest

from gateway.upstream.hedging import Denial, Hedging, Question, Rules

MODEL = "claude-sonnet-4-5"
FINE = Question(MODEL, account_free=True, slot_free=True, estimated_micro=10_000)
AT = 1_800_000_000_000
DAY_MS = 86_400_000


def hedging(spent_today_micro: int = 0, **rules: int | float) -> Hedging:
    bounds = msgspec.structs.replace(Rules(), **rules)
    return Hedging(lambda: bounds, spent_today_micro=spent_today_micro, at=AT)


def send(budget: Hedging, times: int, now: float = 0.0) -> None:
    for _ in range(times):
        assert budget.denied(FINE, now, AT) is None
        budget.sent(now)


def test_a_hedge_is_sent_where_nothing_speaks_against_it() -> None:
    assert hedging().denied(FINE, 0.0, AT) is None


@pytest.mark.parametrize(
    ("change", "denial"),
    [
        ({"account_free": False}, Denial.NO_ACCOUNT),
        ({"slot_free": False}, Denial.NO_SLOT),
        ({"estimated_micro": 100_001}, Denial.COST_CAP),
        ({"cold_cache": True}, Denial.COLD_CACHE),
        ({"bound_state": True}, Denial.BOUND_STATE),
    ],
)
def test_a_gate_says_which_one_it_is(change: dict[str, object], denial: Denial) -> None:
    question = msgspec.structs.replace(FINE, **change)
    assert hedging().denied(question, 0.0, AT) is denial
    assert hedging().race_denied(question, 100, False, 0.0, AT) is denial


# The minute ---------------------------------------------------------------------------------------------------------


def test_two_a_minute_are_allowed_however_few_calls_there_are() -> None:
    budget = hedging()
    send(budget, 2)
    assert budget.denied(FINE, 1.0, AT) is Denial.MINUTE_BUDGET


def test_the_minute_slides() -> None:
    budget = hedging()
    send(budget, 1, now=0.0)
    send(budget, 1, now=30.0)
    assert budget.denied(FINE, 59.9, AT) is Denial.MINUTE_BUDGET
    send(budget, 1, now=60.0)
    assert budget.denied(FINE, 61.0, AT) is Denial.MINUTE_BUDGET
    assert budget.denied(FINE, 90.0, AT) is None


def test_of_a_hundred_calls_a_minute_five_are_hedged() -> None:
    budget = hedging()
    for each in range(100):
        budget.counted(each * 0.5)
    send(budget, 5, now=50.0)
    assert budget.denied(FINE, 50.0, AT) is Denial.MINUTE_BUDGET


def test_calls_of_the_minute_before_count_no_more() -> None:
    budget = hedging()
    for each in range(100):
        budget.counted(each * 0.5)
    send(budget, 2, now=115.0)
    assert budget.denied(FINE, 115.0, AT) is Denial.MINUTE_BUDGET


def test_a_changed_rule_holds_for_the_next_question() -> None:
    rules = [Rules()]
    budget = Hedging(lambda: rules[0], at=AT)
    send(budget, 2)
    rules[0] = Rules(least_per_minute=3)
    assert budget.denied(FINE, 0.0, AT) is None


# The day ------------------------------------------------------------------------------------------------------------


def test_losers_are_paid_from_the_days_cap() -> None:
    budget = hedging(day_cap_micro=50_000)
    budget.spent(40_000, AT)
    assert budget.denied(FINE, 0.0, AT) is None
    budget.spent(1, AT)
    assert budget.denied(FINE, 0.0, AT) is Denial.DAY_CAP
    assert budget.race_denied(FINE, 100, False, 0.0, AT) is Denial.DAY_CAP


def test_the_day_begins_again_at_midnight() -> None:
    budget = hedging(day_cap_micro=50_000)
    budget.spent(50_000, AT)
    assert budget.denied(FINE, 0.0, AT + DAY_MS) is None


def test_a_clock_set_back_gives_no_second_cap() -> None:
    budget = hedging(day_cap_micro=50_000)
    budget.spent(50_000, AT)
    assert budget.denied(FINE, 0.0, AT - DAY_MS) is Denial.DAY_CAP


def test_what_was_spent_before_a_restart_counts() -> None:
    assert hedging(spent_today_micro=50_000, day_cap_micro=50_000).denied(FINE, 0.0, AT) is Denial.DAY_CAP


def test_a_drain_that_ended_cheaper_gives_the_difference_back() -> None:
    budget = hedging(day_cap_micro=50_000)
    budget.spent(45_000, AT)
    assert budget.denied(FINE, 0.0, AT) is Denial.DAY_CAP
    budget.corrected(-5_000, AT)
    assert budget.denied(FINE, 0.0, AT) is None


def test_a_drain_that_ended_after_midnight_gives_the_new_day_nothing() -> None:
    budget = hedging(day_cap_micro=50_000)
    budget.spent(45_000, AT)
    budget.spent(45_000, AT + DAY_MS)
    budget.corrected(-45_000, AT)
    assert budget.denied(FINE, 0.0, AT + DAY_MS) is Denial.DAY_CAP


# The throttle -------------------------------------------------------------------------------------------------------


def test_a_burst_stops_at_five() -> None:
    budget = hedging(least_per_minute=1_000)
    send(budget, 5)
    assert budget.denied(FINE, 0.0, AT) is Denial.THROTTLED


def test_ten_answers_earn_one_hedge() -> None:
    budget = hedging(least_per_minute=1_000)
    send(budget, 5)
    for _ in range(10):
        budget.succeeded()
    send(budget, 1)
    assert budget.denied(FINE, 0.0, AT) is Denial.THROTTLED


def test_quiet_days_earn_no_greater_burst() -> None:
    budget = hedging(least_per_minute=1_000)
    for _ in range(10_000):
        budget.succeeded()
    send(budget, 5)
    assert budget.denied(FINE, 0.0, AT) is Denial.THROTTLED


# Overload -----------------------------------------------------------------------------------------------------------


def test_two_overloaded_accounts_stop_the_model_for_half_a_minute() -> None:
    budget = hedging()
    budget.overloaded(MODEL, 1, 0.0)
    assert budget.denied(FINE, 0.0, AT) is None
    budget.overloaded(MODEL, 2, 5.0)
    assert budget.denied(FINE, 34.9, AT) is Denial.OVERLOADED
    assert budget.race_denied(FINE, 100, False, 34.9, AT) is Denial.OVERLOADED
    assert budget.denied(msgspec.structs.replace(FINE, model_id="claude-haiku-4-5"), 34.9, AT) is None
    assert budget.denied(FINE, 35.0, AT) is None


def test_one_account_that_is_overloaded_twice_stops_nothing() -> None:
    budget = hedging()
    budget.overloaded(MODEL, 1, 0.0)
    budget.overloaded(MODEL, 1, 1.0)
    assert budget.denied(FINE, 1.0, AT) is None


def test_two_overloads_far_apart_stop_nothing() -> None:
    budget = hedging()
    budget.overloaded(MODEL, 1, 0.0)
    budget.overloaded(MODEL, 2, 31.0)
    assert budget.denied(FINE, 31.0, AT) is None


def test_overloads_are_remembered_for_a_bounded_number_of_models() -> None:
    budget = hedging()
    budget.overloaded("first", 1, 0.0)
    for each in range(1_000):
        budget.overloaded(f"model-{each}", 1, 0.0)
    budget.overloaded("first", 2, 0.0)
    assert budget.denied(msgspec.structs.replace(FINE, model_id="first"), 0.0, AT) is None


# Races --------------------------------------------------------------------------------------------------------------


def test_a_race_is_for_small_prompts() -> None:
    assert hedging().race_denied(FINE, 2_000, False, 0.0, AT) is None
    assert hedging().race_denied(FINE, 2_001, False, 0.0, AT) is Denial.LARGE_PROMPT


def test_a_race_is_for_prompts_that_no_account_has_cached() -> None:
    assert hedging().race_denied(FINE, 100, True, 0.0, AT) is Denial.COLD_CACHE


def test_neither_minute_nor_throttle_holds_a_race() -> None:
    budget = hedging(least_per_minute=5)
    send(budget, 5)
    assert budget.denied(FINE, 0.0, AT) is Denial.MINUTE_BUDGET
    assert budget.race_denied(FINE, 100, False, 0.0, AT) is None
