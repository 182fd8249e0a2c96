"""How long to wait for an account before a second one is asked."""

import random
from math import inf

import pytest

from gateway.upstream.latency import Latencies, delay_from, quantiles

MODEL = "claude-sonnet-4-5"


def observed(*seconds: float, account_id: int = 1, input_tokens: int = 100) -> Latencies:
    latencies = Latencies()
    for each in seconds:
        latencies.observe(account_id, MODEL, input_tokens, each)
    return latencies


def test_an_account_nobody_knows_gets_eight_seconds() -> None:
    assert Latencies().delay_s(1, MODEL, 100) == 8.0


def test_forty_nine_answers_are_too_few_to_judge_by() -> None:
    latencies = observed(*[1.0] * 49)
    assert latencies.delay_s(1, MODEL, 100) == 8.0
    latencies.observe(1, MODEL, 100, 1.0)
    assert latencies.delay_s(1, MODEL, 100) == 4.0


def test_the_delay_is_four_medians_where_answers_are_alike() -> None:
    assert observed(*[1.5] * 200).delay_s(1, MODEL, 100) == pytest.approx(6.0)


def test_the_delay_is_the_p95_where_that_is_later() -> None:
    assert observed(*[1.0] * 180, *[9.0] * 20).delay_s(1, MODEL, 100) == 9.0


@pytest.mark.parametrize(("seconds", "delay_s"), [(0.05, 2.0), (30.0, 20.0)])
def test_the_delay_stays_between_two_and_twenty_seconds(seconds: float, delay_s: float) -> None:
    assert observed(*[seconds] * 200).delay_s(1, MODEL, 100) == delay_s


def test_what_is_long_ago_is_forgotten() -> None:
    assert observed(*[5.0] * 200, *[0.6] * 200).delay_s(1, MODEL, 100) == pytest.approx(2.4)


def test_accounts_models_and_sizes_of_prompts_are_told_apart() -> None:
    latencies = observed(*[0.6] * 100)
    assert latencies.delay_s(2, MODEL, 100) == 8.0
    assert latencies.delay_s(1, "claude-haiku-4-5", 100) == 8.0
    assert latencies.delay_s(1, MODEL, 50_000) == 8.0


def test_a_loser_is_known_to_have_taken_longer_than_it_was_waited_for() -> None:
    """Half of the calls were lost at 4 s: left out, they would make the account look twice as fast as it is."""
    latencies = observed(*[1.0] * 100)
    for _ in range(100):
        latencies.censored(1, MODEL, 100, 4.0)
    assert latencies.delay_s(1, MODEL, 100) == 20.0


def test_censored_quantiles_agree_with_what_was_censored() -> None:
    draw = random.Random(4)
    waits = [draw.lognormvariate(0, 0.6) for _ in range(2_000)]
    given_up = [(min(wait, limit), wait > limit) for wait in waits for limit in (draw.uniform(0.5, 6),)]
    known = quantiles([(wait, False) for wait in waits], (0.5, 0.9))
    assert quantiles(given_up, (0.5, 0.9)) == pytest.approx(known, rel=0.08)


def test_quantiles_beyond_the_last_answer_are_not_invented() -> None:
    assert quantiles([(1.0, False), (2.0, True)], (0.5, 0.95)) == [1.0, inf]


def test_nothing_but_losers_is_the_longest_delay() -> None:
    assert delay_from([(2.0, True)] * 60) == 20.0


def test_gauges_are_of_the_newest_answers_of_an_account() -> None:
    latencies = observed(*[0.1 * each for each in range(1, 101)])
    latencies.censored(1, MODEL, 100, 60.0)
    assert latencies.by_account() == {1: (5_000, 9_500)}


def test_memory_is_bounded_whatever_is_asked() -> None:
    latencies = Latencies()
    for each in range(5_000):
        latencies.observe(each, f"model-{each}", 100, 1.0)
    for _ in range(500):
        latencies.observe(4_999, "model-4999", 100, 1.0)
    assert len(latencies.by_account()) == 1_000
    assert latencies.delay_s(4_999, "model-4999", 100) == pytest.approx(4.0)
