"""What hedging promises, shown by the gateway's own policy code on made-up traffic."""

from random import Random

import pytest
from msgspec.structs import replace

from gateway.records import RacePolicy
from gateway.simulation.figures import Outcome
from gateway.simulation.play import Traffic, simulate
from gateway.simulation.weather import PATTERN_S, SCENARIOS, Episode, Scenario, Shape, answer_of
from gateway.upstream.hedging import Rules

TRAFFIC = Traffic(calls=4_000, seed=7)
RULES = Rules(day_cap_micro=10**15)
HEALTHY, HEAVY_TAIL, BROWN_OUT = (SCENARIOS[name] for name in ("healthy", "heavy-tail", "brown-out"))


def play(scenario: Scenario, policy: RacePolicy, rules: Rules = RULES, **traffic: object) -> Outcome:
    return simulate(scenario, policy, replace(TRAFFIC, **traffic), rules)


# The promises -------------------------------------------------------------------------------------------------------


def test_on_a_heavy_tail_hedging_halves_the_p99_for_five_calls_in_a_hundred_at_most() -> None:
    assert HEAVY_TAIL.shape == Shape(0.8, 0.6, tail_percent=3.0, tail_alpha=1.1, tail_from_s=8.0)
    alone, hedged = play(HEAVY_TAIL, "failover"), play(HEAVY_TAIL, "hedge")
    assert hedged.quantile_s(0.99) <= alone.quantile_s(0.99) / 2
    assert 1 <= hedged.extra_calls_percent <= 5


def test_on_a_healthy_pool_hedging_is_rare_and_makes_nothing_slower() -> None:
    assert HEALTHY.shape == Shape(0.8, 0.6)
    alone, hedged = play(HEALTHY, "failover"), play(HEALTHY, "hedge")
    assert 0 < hedged.extra_calls_percent <= 2
    assert hedged.quantile_s(0.99) <= alone.quantile_s(0.99)


def test_when_everybody_is_slow_the_budget_holds() -> None:
    """Calls that are all slow would all be hedged: the minute lets 1 in 20 through, and 2 at least."""
    minutes = TRAFFIC.calls / TRAFFIC.rate / 60
    hedged = play(BROWN_OUT, "hedge")
    assert hedged.denied["minute_budget"] > hedged.extra
    assert hedged.extra <= TRAFFIC.calls * 0.05 + 2 * minutes


# The policies -------------------------------------------------------------------------------------------------------


def test_a_race_asks_as_many_accounts_as_its_width_and_pays_for_it() -> None:
    raced = play(HEALTHY, "race", calls=300)
    assert raced.extra == 2 * 300
    assert raced.extra_cost_percent == pytest.approx(200)


def test_an_upstream_that_stops_when_cancelled_makes_races_cheap() -> None:
    raced = play(HEALTHY, "race", calls=300, on_cancel="stops")
    prompt, answer = 1_500 * 3, 1_500 * 3 + 400 * 15
    assert raced.extra_cost_percent == pytest.approx(200 * prompt / answer)


def test_the_cap_of_a_day_ends_races() -> None:
    raced = play(HEALTHY, "race", Rules(day_cap_micro=100_000), calls=300)
    assert raced.denied["day_cap"] > 250
    assert raced.lost_micro <= 130_000


def test_accounts_that_are_full_are_not_hedged_to() -> None:
    hedged = play(HEAVY_TAIL, "hedge", calls=600, accounts=2, concurrency=8)
    assert hedged.denied["no_slot"] > 0


def test_refused_calls_go_to_another_account_whatever_the_policy() -> None:
    for policy in ("failover", "hedge"):
        stormy = play(SCENARIOS["rate-limits"], policy, calls=1_500)
        assert stormy.retries > 0
        assert stormy.failed == 0


def test_an_overloaded_model_is_not_hedged() -> None:
    assert play(SCENARIOS["overload"], "hedge", calls=1_500).denied["overloaded"] > 0


def test_the_same_seed_gives_the_same_figures_and_another_others() -> None:
    first = play(HEAVY_TAIL, "hedge", calls=300)
    assert play(HEAVY_TAIL, "hedge", calls=300) == first
    assert play(HEAVY_TAIL, "hedge", calls=300, seed=8) != first


def test_seeds_are_pooled() -> None:
    one, two = play(HEALTHY, "hedge", calls=200, seed=1), play(HEALTHY, "hedge", calls=200, seed=2)
    slowest = max(one.quantile_s(1), two.quantile_s(1))
    one.add(two)
    assert (one.calls, len(one.waits_s), one.quantile_s(1)) == (400, 400, slowest)


# The weather --------------------------------------------------------------------------------------------------------


def drawn(scenario: Scenario, place: int = 0, now_s: float = 0.0) -> list[float]:
    return sorted(answer_of(scenario, Random(each), place, now_s).seconds for each in range(4_000))


def test_the_body_is_lognormal() -> None:
    seconds = drawn(HEALTHY)
    assert seconds[2_000] == pytest.approx(0.8, rel=0.05)
    assert seconds[3_800] == pytest.approx(2.147, rel=0.06)


def test_three_in_a_hundred_come_from_the_tail() -> None:
    assert sum(each >= 8 for each in drawn(HEAVY_TAIL)) == pytest.approx(120, rel=0.25)


def test_an_episode_hits_its_accounts_in_its_time_alone() -> None:
    slow = Scenario("slow", "", episode=Episode(60, (1,), 10))
    assert drawn(slow, place=1, now_s=PATTERN_S - 1)[2_000] == pytest.approx(8, rel=0.05)
    assert drawn(slow, place=1, now_s=PATTERN_S - 61)[2_000] == pytest.approx(0.8, rel=0.05)
    assert drawn(slow, place=0, now_s=PATTERN_S - 1)[2_000] == pytest.approx(0.8, rel=0.05)


def test_a_storm_refuses_its_share() -> None:
    answers = [answer_of(SCENARIOS["rate-limits"], Random(each), 0, PATTERN_S - 1) for each in range(1_000)]
    assert sum(each.status == 429 for each in answers) == pytest.approx(600, rel=0.1)
