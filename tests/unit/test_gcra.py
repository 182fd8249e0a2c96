"""The token bucket that is one number."""

import pytest

from gateway.limits.gcra import gcra, give_back


def test_a_burst_is_admitted_and_the_next_waits_for_one_interval() -> None:
    tat = 0.0
    for remaining in range(9, -1, -1):
        decision = gcra(tat, 1000.0, 60, 10)
        assert (decision.allowed, decision.remaining) == (True, remaining)
        tat = decision.tat
    refused = gcra(tat, 1000.0, 60, 10)
    assert (refused.allowed, refused.remaining) == (False, 0)
    assert refused.retry_after_s == pytest.approx(1.0)
    assert refused.reset_s == pytest.approx(10.0)


def test_waiting_as_long_as_told_is_enough() -> None:
    tat = 1007.3
    refused = gcra(tat, 1000.0, 7, 1)
    assert not refused.allowed
    assert gcra(tat, 1000.0 + refused.retry_after_s, 7, 1).allowed


def test_a_refusal_costs_nothing() -> None:
    assert gcra(1010.0, 1000.0, 60, 10).tat == 1010.0


def test_idle_time_fills_the_bucket_and_no_more() -> None:
    assert gcra(0.0, 1_000_000.0, 60, 10).remaining == 9


def test_a_cost_above_the_burst_passes_a_full_bucket_and_leaves_it_in_debt() -> None:
    decision = gcra(0.0, 1000.0, 1000, 1000, 5000)
    assert (decision.allowed, decision.remaining) == (True, 0)
    assert gcra(decision.tat, 1000.0, 1000, 1000, 1).retry_after_s == pytest.approx(240.06)


def test_what_was_not_used_is_given_back() -> None:
    taken = gcra(0.0, 1000.0, 1000, 1000, 800)
    assert gcra(give_back(taken.tat, 1000, 700), 1000.0, 1000, 1000, 0).remaining == 900
