"""Rate limits as each dialect writes them."""

import pytest

from gateway.limits.gcra import Decision, gcra
from gateway.limits.headers import anthropic_headers, go_duration, instant, ip_headers, openai_headers, retry_after

NOW_MS = 1_795_000_000_000  # 2026-11-18T11:06:40Z
REQUESTS = Decision(True, 60, 59, 1.0, 0.0, 0.0)
TOKENS = Decision(True, 100_000, 88_000, 7.2, 0.0, 0.0)


def test_anthropic() -> None:
    assert anthropic_headers(REQUESTS, TOKENS, NOW_MS) == [
        (b"anthropic-ratelimit-requests-limit", b"60"),
        (b"anthropic-ratelimit-requests-remaining", b"59"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-18T11:06:41Z"),
        (b"anthropic-ratelimit-tokens-limit", b"100000"),
        (b"anthropic-ratelimit-tokens-remaining", b"88000"),
        (b"anthropic-ratelimit-tokens-reset", b"2026-11-18T11:06:48Z"),
    ]


def test_openai() -> None:
    assert openai_headers(REQUESTS, TOKENS) == [
        (b"x-ratelimit-limit-requests", b"60"),
        (b"x-ratelimit-remaining-requests", b"59"),
        (b"x-ratelimit-reset-requests", b"1s"),
        (b"x-ratelimit-limit-tokens", b"100000"),
        (b"x-ratelimit-remaining-tokens", b"88000"),
        (b"x-ratelimit-reset-tokens", b"7.2s"),
    ]


def test_a_limit_that_is_not_set_has_no_header() -> None:
    assert [name for name, _ in openai_headers(None, TOKENS)] == [
        b"x-ratelimit-limit-tokens",
        b"x-ratelimit-remaining-tokens",
        b"x-ratelimit-reset-tokens",
    ]
    assert anthropic_headers(None, None, NOW_MS) == []


def test_a_keyless_callers_first_request() -> None:
    first = gcra(0.0, 1000.0, 60, 70)
    assert ip_headers(first, 10, NOW_MS) == [
        (b"x-ratelimit-limit", b"60"),
        (b"x-ratelimit-remaining", b"59"),
        (b"x-ratelimit-reset", b"1795000001"),
    ]


@pytest.mark.parametrize(("taken", "remaining"), [(0, b"60"), (1, b"59"), (59, b"1"), (60, b"0"), (70, b"0")])
def test_the_burst_is_not_among_what_a_keyless_caller_has_left(taken: int, remaining: bytes) -> None:
    headers = dict(ip_headers(gcra(0.0, 1000.0, 60, 70, taken), 10, NOW_MS))
    assert headers[b"x-ratelimit-remaining"] == remaining
    assert headers[b"x-ratelimit-reset"] == b"%d" % (NOW_MS // 1000 + taken)


def test_a_refused_caller_has_nothing_left() -> None:
    assert dict(ip_headers(gcra(1070.0, 1000.0, 60, 70), 10, NOW_MS))[b"x-ratelimit-remaining"] == b"0"


@pytest.mark.parametrize(
    ("seconds", "value"), [(None, b"1"), (0.0, b"1"), (0.2, b"1"), (1.0, b"1"), (1.01, b"2"), (59.4, b"60")]
)
def test_retry_after_is_whole_seconds_rounded_up(seconds: float | None, value: bytes) -> None:
    assert retry_after(seconds) == (b"retry-after", value)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (0.02, "20ms"),
        (0.0001, "1ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (360, "6m0s"),
        (61.25, "1m1.25s"),
        (3600, "1h0m0s"),
        (-5, "0s"),
        (0.9999, "1s"),
    ],
)
def test_go_durations(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


def test_an_instant_is_never_too_early() -> None:
    assert instant(NOW_MS, 0.001) == "2026-11-18T11:06:41Z"
