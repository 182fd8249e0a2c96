"""Limits under random arrivals and random cancels."""

import random

import trio
from hypothesis import given, settings
from hypothesis import strategies as st
from trio.testing import MockClock

from gateway.errors import RateLimited
from gateway.limits.gate import Gates
from gateway.limits.gcra import gcra
from gateway.limits.limiter import Limiter


@given(
    rate=st.integers(1, 6_000),
    burst=st.integers(1, 200),
    gaps=st.lists(st.floats(0, 5, allow_nan=False), max_size=200),
    start=st.floats(0, 1e6),
)
def test_in_no_span_of_time_does_a_bucket_admit_more_than_burst_and_rate(
    rate: int, burst: int, gaps: list[float], start: float
) -> None:
    tat, now, admitted = 0.0, start, []
    for gap in gaps:
        now += gap
        decision = gcra(tat, now, rate, burst)
        tat = decision.tat
        if decision.allowed:
            admitted.append(now)
        else:
            assert decision.retry_after_s > 0
    for first, began in enumerate(admitted):
        for last in range(first, len(admitted)):
            span = admitted[last] - began
            assert last - first + 1 <= burst + span * rate / 60 + 1e-3


@given(st.lists(st.tuples(st.integers(0, 3_000), st.integers(0, 3_000), st.floats(0, 30)), max_size=60))
def test_corrected_tokens_keep_to_the_minute_in_the_long_run(calls: list[tuple[int, int, float]]) -> None:
    """What is used is bounded by the bucket, the time, and the one call that may leave it in debt."""
    limiter, tpm, now, used = Limiter(), 1_000, 0.0, 0
    for estimated, actual, gap in calls:
        now += gap
        if limiter.check_key(1, rpm=None, tpm=tpm, tokens=estimated, now=now).allowed:
            limiter.correct_tokens(1, tpm=tpm, estimated=estimated, actual=actual, now=now)
            used += actual
    assert used <= tpm + now * tpm / 60 + 3_000 + 1


@given(seed=st.integers(0, 2**32), limit=st.integers(1, 4), queue=st.integers(0, 6))
@settings(max_examples=40, deadline=None)
def test_a_gate_never_exceeds_its_limit_and_nothing_leaks(seed: int, limit: int, queue: int) -> None:
    dice = random.Random(seed)
    inside = most = served = refused = cancelled = 0

    async def call(gates: Gates, starts: float, lasts: float, patience: float) -> None:
        nonlocal inside, most, served, refused, cancelled
        await trio.sleep(starts)
        with trio.move_on_after(patience) as scope:
            try:
                async with gates.slot("key", limit):
                    inside += 1
                    most = max(most, inside)
                    try:
                        await trio.sleep(lasts)
                        served += 1
                    finally:
                        inside -= 1
            except RateLimited:
                refused += 1
        cancelled += scope.cancelled_caught

    async def day() -> None:
        gates = Gates(queue=queue, wait_s=1.5)
        async with trio.open_nursery() as nursery:
            for _ in range(40):
                # Tenths, so that arrivals, ends, deadlines and cancels fall on the same instants.
                starts, lasts, patience = (dice.randint(0, 30) / 10 for _ in range(3))
                nursery.start_soon(call, gates, starts, lasts, patience)
        assert (gates.inside("key"), len(gates)) == (0, 0)

    trio.run(day, clock=MockClock(autojump_threshold=0))
    assert most <= limit
    assert served + refused + cancelled == 40
