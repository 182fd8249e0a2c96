"""Budgets and delays under random traffic."""

from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.hedging import Hedging, Question, Rules
from gateway.upstream.latency import LONGEST_DELAY_S, delay_from, quantiles

AT = 1_800_000_000_000
QUESTION = Question("model", account_free=True, slot_free=True, estimated_micro=1)

traffic = st.lists(
    st.tuples(st.sampled_from(("call", "hedge", "answer")), st.floats(0, 8, allow_nan=False)), max_size=300
)


@given(traffic, st.floats(0, 100), st.integers(0, 5))
def test_in_no_minute_are_more_hedges_sent_than_the_share_or_the_least(
    story: list[tuple[str, float]], share_percent: float, least: int
) -> None:
    hedging = Hedging(lambda: Rules(share_percent=share_percent, least_per_minute=least), at=AT)
    now, calls, hedges = 0.0, [], []
    for what, gap in story:
        now += gap
        if what == "call":
            hedging.counted(now)
            calls.append(now)
        elif what == "answer":
            hedging.succeeded()
        elif hedging.denied(QUESTION, now, AT) is None:
            hedging.sent(now)
            hedges.append(now)
            within = sum(now - 60 < each for each in hedges)
            known = sum(now - 61 < each for each in calls)
            assert within <= max(least, known * share_percent / 100)


@given(traffic)
def test_hedges_never_outrun_answers_by_more_than_a_burst(story: list[tuple[str, float]]) -> None:
    hedging = Hedging(lambda: Rules(share_percent=100, least_per_minute=10_000), at=AT)
    answers = hedges = 0
    for what, _ in story:
        if what == "answer":
            hedging.succeeded()
            answers += 1
        elif what == "hedge" and hedging.denied(QUESTION, 0.0, AT) is None:
            hedging.sent(0.0)
            hedges += 1
        # The sixth may go as soon as anything is above 5.
        assert hedges <= 6 + answers / 10


@given(st.lists(st.integers(0, 20_000), max_size=60), st.integers(0, 100_000))
def test_a_hedge_that_is_let_through_fits_into_the_day(costs: list[int], cap: int) -> None:
    hedging = Hedging(lambda: Rules(day_cap_micro=cap, least_per_minute=10_000), at=AT)
    spent = 0
    for cost in costs:
        question = Question("model", account_free=True, slot_free=True, estimated_micro=cost)
        if hedging.denied(question, 0.0, AT) is None:
            hedging.spent(cost, AT)
            spent += cost
            assert spent <= cap


samples = st.lists(st.tuples(st.floats(0.001, 100), st.booleans()), min_size=1, max_size=200)


@given(samples)
def test_censoring_never_makes_an_account_look_faster(observed: list[tuple[float, bool]]) -> None:
    as_answers = [(seconds, False) for seconds, _ in observed]
    for censored, answered in zip(quantiles(observed, (0.5, 0.95)), quantiles(as_answers, (0.5, 0.95)), strict=True):
        assert censored >= answered


@given(samples)
def test_every_delay_is_within_its_bounds_and_waits_for_nineteen_in_twenty(
    observed: list[tuple[float, bool]],
) -> None:
    delay = delay_from(observed)
    assert 2 <= delay <= 20
    if delay < LONGEST_DELAY_S and not any(censored for _, censored in observed):
        assert sum(seconds <= delay for seconds, _ in observed) >= 0.95 * len(observed) - 1e-6
