"""Whatever happens: conversations are recognised, accounts are not overrun, and nobody is left out for ever."""

from typing import Any

import msgspec
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from gateway.dialects import dialect_named
from gateway.dialects.affinity import binding_of
from gateway.records import Account
from gateway.upstream.affinity import HOUR_MS, Affinity
from gateway.upstream.cooldown import Cause, Cooldown, Failure, Phase, next_state, phase_of
from gateway.upstream.pool import Lease, Pool
from gateway.upstream.serving import Seat

MODEL = "m"
TALKS = (b"c one", b"c two", b"t three")
LONGEST_S = 6 * 3600

text = st.text(max_size=40)
blocks = st.one_of(text, st.lists(st.fixed_dictionaries({"type": st.just("text"), "text": text}), max_size=3))
turns = st.lists(st.fixed_dictionaries({"role": st.sampled_from(("user", "assistant")), "content": blocks}), max_size=4)


def named(messages: list[dict[str, Any]], system: str) -> bytes | None:
    body = msgspec.json.encode({"model": "m", "max_tokens": 1, "system": system, "messages": messages})
    return binding_of({}, dialect_named("messages").peek(body), "messages", 1, least_tokens=1)


@given(blocks, turns, text)
def test_a_conversation_is_recognised_however_it_goes_on(first: Any, more: list[dict[str, Any]], system: str) -> None:
    opening = {"role": "user", "content": first}
    marked = opening | {"content": _marked(first)}
    assert named([opening], system) == named([marked, *more], system) is not None


def _marked(content: Any) -> list[Any]:
    """As agents send it: parts, the last with a cache marker."""
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else [dict(part) for part in content]
    return [*parts[:-1], parts[-1] | {"cache_control": {"type": "ephemeral"}}] if parts else parts


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | text, lambda inner: st.lists(inner) | st.dictionaries(text, inner)
    )
)
def test_nothing_in_a_body_makes_naming_fail(junk: Any) -> None:
    members = ("system", "tools", "metadata", "prompt_cache_key", "conversation", "instructions", "include")
    for dialect, field in (("messages", "messages"), ("chat", "messages"), ("responses", "input")):
        fields = {name: msgspec.Raw(msgspec.json.encode(junk)) for name in (*members, field)}
        body = msgspec.json.encode({"model": "m", "max_tokens": 1, field: []})
        peek = dialect_named(dialect).peek(body)
        peek.fields.update(fields)
        binding_of({}, peek, dialect, 1, least_tokens=1)


events = st.lists(
    st.tuples(
        st.sampled_from(("answered", "failed", "failed for good", "slow", "later")),
        st.sampled_from(TALKS),
        st.integers(1, 3),
        st.integers(1, 40 * 60 * 1000),
    ),
    max_size=60,
)


@given(events)
def test_a_binding_is_always_an_account_that_answered_within_the_hour(story: list[tuple[str, bytes, int, int]]) -> None:
    now = 1_800_000_000_000
    affinity = Affinity(lambda: now, most=2)
    answered: dict[bytes, dict[int, int]] = {}
    for what, talk, account, gap in story:
        if what == "later":
            now += gap
        elif what == "answered":
            affinity.answered(talk, MODEL, account)
            answered.setdefault(talk, {})[account] = now
        elif what == "slow":
            affinity.slow(talk, MODEL, account)
        else:
            affinity.failed(talk, MODEL, account, what == "failed")
        for each in TALKS:
            bound = affinity.bound(each, MODEL)
            if bound is not None:
                assert bound in answered[each]
                assert now - max(answered[each].values()) < HOUR_MS
            for number in (1, 2, 3):
                assert not affinity.warm(each, MODEL, number) or number in answered[each]
        assert len(affinity) <= 2


@given(events)
def test_a_process_that_takes_over_knows_what_the_one_before_it_did(story: list[tuple[str, bytes, int, int]]) -> None:
    now = 1_800_000_000_000
    affinity, rows = Affinity(lambda: now), {}
    for what, talk, account, gap in story:
        if what == "later":
            now += gap
        elif what == "answered":
            affinity.answered(talk, MODEL, account)
        rows |= {row[:2]: row for row in affinity.take_changed()}
    after = Affinity(lambda: now)
    after.restore(rows.values())
    assert {talk: after.origin(talk, MODEL) for talk in TALKS} == {talk: affinity.origin(talk, MODEL) for talk in TALKS}


failures = st.lists(
    st.tuples(
        st.sampled_from(list(Cause)), st.one_of(st.none(), st.floats(0, 1e7)), st.integers(0, 400_000), st.booleans()
    ),
    max_size=40,
)


@given(failures, st.integers(-10 * 86_400_000, 10 * 86_400_000))
def test_nothing_cools_for_longer_than_its_cap_whatever_the_clock_does(
    story: list[tuple[Cause, float | None, int, bool]], jump: int
) -> None:
    now = 1_800_000_000_000
    state: Cooldown | None = None
    for cause, hint_s, gap, forgiven in story:
        now += gap
        state = None if forgiven else next_state(state, Failure(cause, retry_after_s=hint_s), now)
    after = now + jump
    if phase_of(state, after) is Phase.COOLING:
        assert phase_of(state, after + (LONGEST_S + 5) * 1000) is not Phase.COOLING


accounts = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 4), st.one_of(st.none(), st.integers(1, 3)), st.booleans()),
    min_size=1,
    max_size=5,
)
moves = st.lists(st.tuples(st.sampled_from(("take", "other", "end", "fail")), st.integers(0, 30)), max_size=60)


@given(accounts, moves, st.randoms(use_true_random=False))
def test_no_account_is_overrun_and_no_place_is_lost(
    offers: list[tuple[int, int, int | None, bool]], story: list[tuple[str, int]], random: Any
) -> None:
    seats = tuple(
        Seat(
            Account(number, "", "simulated", "", priority=-rank, weight=weight, max_concurrency=cap, draining=draining),
            MODEL,
            "messages",
        )
        for number, (rank, weight, cap, draining) in enumerate(sorted(offers, key=lambda offer: offer[0]), start=1)
    )

    async def play() -> None:
        pool = Pool(queue_timeout_s=0.0, random=random.random)
        held: list[Lease] = []
        for what, number in story:
            bound = number % (len(seats) + 2)
            lease = None
            if what == "take":
                lease = await pool.lease(seats, MODEL, set(), bound=bound)
            elif what == "other":
                lease = pool.lease_other(seats, MODEL, {bound})
                assert lease is None or lease.seat.account.id != bound
            elif held:
                ended = held.pop(number % len(held))
                if what == "fail":
                    pool.failed(ended, Failure(Cause.OVERLOADED))
                ended.release()
                ended.release()
            if lease is not None:
                held.append(lease)
                assert not lease.seat.account.draining or lease.seat.account.id == bound
            for seat in seats:
                in_flight = sum(each.seat is seat for each in held)
                assert pool.in_flight().get(seat.account.id, 0) == in_flight
                assert seat.account.max_concurrency is None or in_flight <= seat.account.max_concurrency
        for each in held:
            each.release()
        assert pool.in_flight() == {}

    trio.run(play, clock=trio.testing.MockClock(autojump_threshold=0))
