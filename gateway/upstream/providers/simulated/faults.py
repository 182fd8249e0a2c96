"""What goes wrong at a simulated account, and the rate-limit headers it sends while all is well."""

import random
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from gateway.upstream.providers.simulated.wire import Frame, Options, Refusal

Fault = Literal["error", "rate_limit", "overload", "cut", "hang"]

_FAULTS: tuple[Fault, ...] = ("error", "rate_limit", "overload", "cut", "hang")
_WINDOW_S = 60.0
_REQUESTS = 1_000_000
_TOKENS = 1_000_000_000
_LEAST_SENT = 8


def draw_fault(options: Options, source: random.Random) -> Fault | None:
    """The fault that strikes this call, by the rates of the options; None for most."""
    roll = source.random()
    for fault in _FAULTS:
        rate: float = getattr(options, f"{fault}_rate")
        if roll < rate:
            return fault
        roll -= rate
    return None


def refusal_of(fault: Fault | None, *, anthropic: bool, source: random.Random) -> Refusal | None:
    """The error answer of a fault that strikes at the door, as the vendor words it; None for the others."""
    if fault == "error":
        return Refusal("Internal server error", status=500, kind="api_error" if anthropic else "server_error")
    if fault == "rate_limit":
        wait = str(source.randint(1, 20))
        message = "This request would exceed your account's rate limit. Please try again later."
        kind = "rate_limit_error" if anthropic else "requests"
        return Refusal(message, status=429, kind=kind, code="rate_limit_exceeded", headers={"retry-after": wait})
    if fault == "overload" and anthropic:
        return Refusal("Overloaded", status=529, kind="overloaded_error")
    if fault == "overload":
        message = "The server is currently overloaded. Please try again later."
        return Refusal(message, status=503, kind="server_error", code="server_is_overloaded")
    return None


def cut(
    frames: list[Frame], source: random.Random, error: Callable[[Refusal, int], bytes]
) -> tuple[list[Frame], Literal["whole", "reset"]]:
    """The frames before an accident in mid-stream, never the terminal ones: the connection resets, ends without a
    word, or an error event comes. `error` writes that event, given the number of events before it."""
    last = max(1, len(frames) - 3)
    kept = frames[: source.randint(min(_LEAST_SENT, last), last)]
    manner = source.choice(("reset", "end", "event"))
    if manner == "event":
        refusal = Refusal("Internal server error", status=500, kind="api_error", code="server_error")
        kept.append((0.0, error(refusal, sum(1 for _, data in kept if data))))
    return kept, "reset" if manner == "reset" else "whole"


class Headroom:
    """Counts requests and tokens a minute and says what is left of generous limits, in both vendors' headers."""

    def __init__(self) -> None:
        self._window_ends_s = 0.0
        self._requests = 0
        self._tokens = 0

    def anthropic(self, tokens: int, now_s: float, now_ms: int, *, spent: bool = False) -> dict[str, str]:
        """`anthropic-ratelimit-*`; resets are instants. With `spent` nothing is left."""
        left_s = self._count(tokens, now_s)
        instant = datetime.fromtimestamp(now_ms // 1_000 + int(left_s) + 1, UTC)
        reset = instant.strftime("%Y-%m-%dT%H:%M:%SZ")
        requests, remaining = (0, 0) if spent else self._left()
        headers: dict[str, str] = {}
        for name, limit, left in (
            ("requests", _REQUESTS, requests),
            ("tokens", _TOKENS, remaining),
            ("input-tokens", _TOKENS, remaining),
            ("output-tokens", _TOKENS, remaining),
        ):
            headers[f"anthropic-ratelimit-{name}-limit"] = str(limit)
            headers[f"anthropic-ratelimit-{name}-remaining"] = str(
                left if limit == _REQUESTS else left // 1_000 * 1_000
            )
            headers[f"anthropic-ratelimit-{name}-reset"] = reset
        return headers

    def openai(self, tokens: int, now_s: float, *, spent: bool = False) -> dict[str, str]:
        """`x-ratelimit-*`; resets are durations. With `spent` nothing is left."""
        left_s = self._count(tokens, now_s)
        requests, remaining = (0, 0) if spent else self._left()
        return {
            "x-ratelimit-limit-requests": str(_REQUESTS),
            "x-ratelimit-limit-tokens": str(_TOKENS),
            "x-ratelimit-remaining-requests": str(requests),
            "x-ratelimit-remaining-tokens": str(remaining),
            "x-ratelimit-reset-requests": f"{left_s:.3f}s",
            "x-ratelimit-reset-tokens": f"{left_s:.3f}s",
        }

    def _count(self, tokens: int, now_s: float) -> float:
        """Count a request in; seconds until the window ends."""
        if now_s >= self._window_ends_s:
            self._window_ends_s = now_s + _WINDOW_S
            self._requests = self._tokens = 0
        self._requests += 1
        self._tokens += tokens
        return self._window_ends_s - now_s

    def _left(self) -> tuple[int, int]:
        """What is left; never nothing, because these limits are not enforced."""
        return max(1, _REQUESTS - self._requests), max(1_000, _TOKENS - self._tokens)
