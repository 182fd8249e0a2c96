"""Rate limits in the words of each dialect. Pure; header names and values as they go on the wire.

Formats: protocols of the vendors, https://platform.claude.com/docs/en/api/rate-limits (RFC 3339 instants) and
https://developers.openai.com/api/docs/guides/rate-limits (Go durations: `6m0s`, `20ms`).
"""

import math
from collections.abc import Iterable
from datetime import UTC, datetime

from gateway.limits.gcra import Decision

Headers = list[tuple[bytes, bytes]]


def anthropic_headers(requests: Decision | None, tokens: Decision | None, now_ms: int) -> Headers:
    """`anthropic-ratelimit-{requests,tokens}-{limit,remaining,reset}` for the limits that are set."""
    headers: Headers = []
    for name, decision in _named(requests, tokens):
        headers += (
            (b"anthropic-ratelimit-%s-limit" % name, b"%d" % decision.limit),
            (b"anthropic-ratelimit-%s-remaining" % name, b"%d" % _remaining(decision)),
            (b"anthropic-ratelimit-%s-reset" % name, instant(now_ms, decision.reset_s).encode()),
        )
    return headers


def openai_headers(requests: Decision | None, tokens: Decision | None) -> Headers:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}` for the limits that are set."""
    headers: Headers = []
    for name, decision in _named(requests, tokens):
        headers += (
            (b"x-ratelimit-limit-%s" % name, b"%d" % decision.limit),
            (b"x-ratelimit-remaining-%s" % name, b"%d" % _remaining(decision)),
            (b"x-ratelimit-reset-%s" % name, go_duration(decision.reset_s).encode()),
        )
    return headers


def ip_headers(decision: Decision, burst: int, now_ms: int) -> Headers:
    """`x-ratelimit-limit/remaining/reset` of a keyless caller: requests a minute, how many of them are left, and the
    Unix second at which all are there again. The burst on top is not advertised: who has eaten into it has 0 left."""
    remaining = min(decision.limit, max(0, decision.remaining - burst))
    return [
        (b"x-ratelimit-limit", b"%d" % decision.limit),
        (b"x-ratelimit-remaining", b"%d" % remaining),
        (b"x-ratelimit-reset", b"%d" % math.ceil(now_ms / 1000 + decision.reset_s)),
    ]


def retry_after(seconds: float | None) -> tuple[bytes, bytes]:
    """`retry-after`, which every 429 has: whole seconds, rounded up, at least one."""
    return b"retry-after", b"%d" % max(1, math.ceil((seconds or 0) - 1e-6))


def instant(now_ms: int, later_s: float) -> str:
    """The RFC 3339 instant `later_s` from now, in UTC, rounded up to the second."""
    at = math.ceil(now_ms / 1000 + later_s)
    return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def go_duration(seconds: float) -> str:
    """A duration as Go prints it, rounded up to the millisecond: `0s`, `20ms`, `1.5s`, `6m0s`, `1h0m0s`."""
    millis = max(0, math.ceil(seconds * 1000 - 1e-6))
    if 0 < millis < 1000:
        return f"{millis}ms"
    minutes, rest = divmod(millis, 60_000)
    hours, minutes = divmod(minutes, 60)
    shown = f"{rest / 1000:.3f}".rstrip("0").rstrip(".") + "s"
    if hours:
        return f"{hours}h{minutes}m{shown}"
    return f"{minutes}m{shown}" if minutes else shown


def _named(requests: Decision | None, tokens: Decision | None) -> Iterable[tuple[bytes, Decision]]:
    if requests is not None:
        yield b"requests", requests
    if tokens is not None:
        yield b"tokens", tokens


def _remaining(decision: Decision) -> int:
    return decision.remaining if decision.allowed else 0
