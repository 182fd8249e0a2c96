"""What failures do to an account, and when it is asked again."""

import msgspec
import pytest

from gateway.upstream.cooldown import (
    EVERY_MODEL,
    Cause,
    Cooldown,
    Failure,
    Phase,
    next_state,
    phase_of,
    reset_after,
    state_after_success,
    state_key,
    unless_reset,
)

NOW = 1_795_230_000_000
RATE_LIMITED = Failure(Cause.RATE_LIMITED)
SERVER_ERROR = Failure(Cause.SERVER_ERROR)


def seconds(state: Cooldown, now: int = NOW) -> float:
    return max(0, state.until_at - now) / 1000


def lengths(failure: Failure, count: int) -> list[float]:
    """How long an account cools each time it fails again as soon as it is asked again."""
    state: Cooldown | None = None
    now = NOW
    found = []
    for _ in range(count):
        state = next_state(state, failure, now)
        found.append(seconds(state, now))
        now = max(now, state.until_at) + 1
    return found


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (Cause.RATE_LIMITED, [5, 10, 20, 40, 80, 160, 300, 300]),
        (Cause.QUOTA, [900, 1800, 3600, 7200, 14400, 21600, 21600]),
        (Cause.CREDENTIALS, [60, 120, 240, 480, 960, 1800, 1800]),
        (Cause.MODEL_MISSING, [300, 600, 1200, 2400, 3600, 3600]),
        (Cause.OVERLOADED, [2, 4, 8, 16, 32, 60, 60]),
        (Cause.SERVER_ERROR, [0, 0, 5, 10, 20, 40, 60, 60]),
        (Cause.NETWORK, [0, 0, 5, 10, 20, 40, 60, 60]),
        (Cause.GARBAGE, [0, 0, 5, 10, 20, 40, 60, 60]),
        (Cause.TIMEOUT, [0, 15, 30, 60, 120, 120]),
        (Cause.CLIENT, [0, 0, 0]),
        (Cause.CONTEXT_TOO_LONG, [0, 0, 0]),
    ],
)
def test_durations_grow_to_their_cap_and_no_further(cause: Cause, expected: list[float]) -> None:
    assert lengths(Failure(cause), len(expected)) == expected


@pytest.mark.parametrize(
    ("cause", "hint", "expected"),
    [
        (Cause.RATE_LIMITED, 42, 42),
        (Cause.RATE_LIMITED, 0.25, 0.25),
        (Cause.RATE_LIMITED, 86_400, 3_600),
        (Cause.OVERLOADED, 3_600, 300),
        (Cause.SERVER_ERROR, 20, 20),
        (Cause.CREDENTIALS, 86_400, 60),
        (Cause.NETWORK, 86_400, 0),
    ],
)
def test_a_providers_hint_is_taken_up_to_a_cap(cause: Cause, hint: float, expected: float) -> None:
    assert seconds(next_state(None, Failure(cause, retry_after_s=hint), NOW)) == expected


def test_a_fault_of_the_caller_never_cools() -> None:
    state = next_state(None, Failure(Cause.QUOTA, "account", 60, client_fault=True), NOW)
    assert phase_of(state, NOW) is Phase.OPEN


def test_fifty_calls_refused_at_once_are_one_strike() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    for later in range(1, 50):
        state = next_state(state, RATE_LIMITED, NOW + later)
    assert (state.strikes, seconds(state)) == (1, 5)


def test_a_later_instant_named_while_cooling_counts() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    state = next_state(state, Failure(Cause.RATE_LIMITED, retry_after_s=60), NOW + 1_000)
    assert seconds(state) == 61


def test_an_earlier_instant_named_while_cooling_does_not_shorten_it() -> None:
    state = next_state(None, Failure(Cause.RATE_LIMITED, retry_after_s=60), NOW)
    assert next_state(state, Failure(Cause.RATE_LIMITED, retry_after_s=1), NOW + 1_000) == state


def test_errors_far_apart_never_cool() -> None:
    state: Cooldown | None = None
    for minute in range(10):
        state = next_state(state, SERVER_ERROR, NOW + minute * 61_000)
        assert phase_of(state, NOW + minute * 61_000) is Phase.OPEN


def test_a_success_between_errors_forgives_them() -> None:
    state = next_state(next_state(None, SERVER_ERROR, NOW), SERVER_ERROR, NOW + 1)
    state = next_state(state_after_success(state, NOW + 2), SERVER_ERROR, NOW + 3)
    assert (state.strikes, phase_of(state, NOW + 3)) == (1, Phase.OPEN)


def test_strikes_are_forgotten_after_a_quiet_time() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    later = state.until_at + 16 * 60_000
    assert seconds(next_state(state, RATE_LIMITED, later), later) == 5


def test_an_account_cools_then_is_half_open_then_open_again() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    phases = [phase_of(state, at) for at in (NOW, NOW + 4_999, NOW + 5_000)]
    assert phases == [Phase.COOLING, Phase.COOLING, Phase.HALF_OPEN]
    assert phase_of(state_after_success(state, NOW + 6_000), NOW + 6_000) is Phase.OPEN


def test_one_failure_of_any_kind_while_half_open_cools_again() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    state = next_state(state, SERVER_ERROR, NOW + 6_000)
    assert phase_of(state, NOW + 6_001) is Phase.COOLING


def test_a_call_that_began_before_the_refusal_does_not_end_the_cool_down() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    assert state_after_success(state, NOW + 1_000) == state


def test_a_reset_by_the_operator_outranks_older_states_only() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    assert unless_reset(state, NOW + 1) is None
    assert unless_reset(state, NOW - 1) == state


def test_scope_decides_where_a_failure_is_remembered() -> None:
    assert state_key(7, "claude-x", RATE_LIMITED) == (7, "claude-x")
    assert state_key(7, "claude-x", Failure(Cause.CREDENTIALS, "account")) == (7, EVERY_MODEL)


def test_states_survive_the_database() -> None:
    state = next_state(None, RATE_LIMITED, NOW)
    assert msgspec.json.decode(msgspec.json.encode(state), type=Cooldown) == state


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, None),
        ({"retry-after": "20"}, 20),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0),
        ({"retry-after-ms": "250", "retry-after": "60"}, 0.25),
        ({"retry-after": "Sat, 21 Nov 2026 03:01:40 GMT"}, 100),
        ({"retry-after": "Sat, 21 Nov 2026 01:00:00 GMT"}, 0),
        ({"retry-after": "5", "anthropic-ratelimit-tokens-reset": "2026-11-21T04:00:00Z"}, 5),
        ({"anthropic-ratelimit-requests-reset": "2026-11-21T03:00:30Z"}, 30),
        (
            {
                "anthropic-ratelimit-requests-remaining": "12",
                "anthropic-ratelimit-requests-reset": "2026-11-21T03:00:01Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-11-21T03:00:45Z",
                "anthropic-ratelimit-output-tokens-remaining": "8000",
                "anthropic-ratelimit-output-tokens-reset": "2026-11-21T03:05:00Z",
            },
            45,
        ),
        ({"anthropic-priority-input-tokens-reset": "2026-11-21T05:00:10+02:00"}, 10),
        ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 1),
        (
            {
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-requests": "8.64s",
                "x-ratelimit-remaining-tokens": "0",
                "x-ratelimit-reset-tokens": "1h2m3.5s",
            },
            3723.5,
        ),
        ({"x-ratelimit-reset-requests": "20ms"}, 0.02),
        ({"x-ratelimit-reset-requests": "60"}, 60),
        ({"x-ratelimit-reset": "1795230090000"}, 90),
        ({"x-ratelimit-reset": "1795230030"}, 30),
        ({"ratelimit-reset": "12"}, 12),
        ({"retry-after": "soon", "x-ratelimit-reset-tokens": "2s"}, 2),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "9" * 400}, None),
        ({"x-ratelimit-reset-tokens": "1x2y"}, None),
        ({"x-ratelimit-limit-tokens": "5"}, None),
    ],
)
def test_every_vendors_reset_header_is_read(headers: dict[str, str], expected: float | None) -> None:
    found = reset_after(headers, NOW)
    assert found == (None if expected is None else pytest.approx(expected))
