"""What a failure does to an account, and for how long. Pure: values in, values out.

A failure stops an account for one model where the cause is the model's, for every model where it is the account's:

| cause         | scope   | cools from strike | first  | doubles to | the provider's own hint counts up to |
|---------------|---------|-------------------|--------|------------|--------------------------------------|
| rate_limited  | model   | 1                 | 5 s    | 5 min      | 1 h                                  |
| quota         | account | 1                 | 15 min | 6 h        | 6 h                                  |
| credentials   | account | 1                 | 1 min  | 30 min     | ignored                              |
| model_missing | model   | 1                 | 5 min  | 1 h        | ignored                              |
| overloaded    | model   | 1                 | 2 s    | 1 min      | 5 min                                |
| server_error  | model   | 3 within 60 s     | 5 s    | 1 min      | 5 min                                |
| network       | account | 3 within 60 s     | 5 s    | 1 min      | ignored                              |
| garbage       | either  | 3 within 60 s     | 5 s    | 1 min      | ignored                              |
| timeout       | model   | 2 within 10 min   | 15 s   | 2 min      | ignored                              |
| unavailable   | account | 1                 | 5 s    | 1 min      | ignored                              |
| client        | -       | never             |        |            |                                      |

Strikes are counted per state. Failures that arrive while the account is cooling belong to calls that were under way
when it began: they may lengthen it by a provider's hint but are no strikes, so that fifty calls refused at once count
as one. A success clears the strikes, and so does a quiet time after the last failure. Once `until_at` has passed the
account is half open: one real call at a time goes through until one succeeds.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import StrEnum
from math import isfinite
from typing import Literal

from msgspec import Struct

EVERY_MODEL = "*"
"""The model part of a key that stands for the whole account."""

QUIET_MS = 15 * 60 * 1000
"""After a cool-down and this long without another failure, strikes begin again at one."""


class Cause(StrEnum):
    """Why an attempt failed."""

    RATE_LIMITED = "rate_limited"
    QUOTA = "quota"
    CREDENTIALS = "credentials"
    MODEL_MISSING = "model_missing"
    OVERLOADED = "overloaded"
    SERVER_ERROR = "server_error"
    NETWORK = "network"
    GARBAGE = "garbage"
    TIMEOUT = "timeout"
    UNAVAILABLE = "unavailable"
    CLIENT = "client"
    CONTEXT_TOO_LONG = "context_too_long"


class Failure(Struct, frozen=True):
    """What one failed attempt means.

    `status` is the upstream's, or what HTTP would call a failure without one (502 network, 504 timeout).
    `retry_after_s` is the provider's own hint. With `client_fault` no other account can help; `public_message` is
    then about the caller's own request, and `code` and `field` are the provider's where it gave them. Otherwise
    `public_message` names the kind of failure and nothing of the upstream.
    """

    cause: Cause
    scope: Literal["account", "model"] = "model"
    retry_after_s: float | None = None
    client_fault: bool = False
    status: int = 502
    public_message: str = ""
    code: str = ""
    field: str = ""


class Cooldown(Struct, frozen=True):
    """The state of one (account, model) or (account, "*"). `until_at` 0: it never cooled since the last success.

    `half_open` is true from the beginning of a cool-down until a success; `failed_at` is the last failure.
    """

    until_at: int = 0
    reason: str = ""
    strikes: int = 0
    half_open: bool = False
    failed_at: int = 0


class Phase(StrEnum):
    """What a state means now: `open` takes calls, `half_open` one at a time, `cooling` none."""

    OPEN = "open"
    HALF_OPEN = "half_open"
    COOLING = "cooling"


class _Rule(Struct, frozen=True):
    first_s: float
    longest_s: float
    threshold: int = 1
    window_s: float = QUIET_MS / 1000
    longest_hint_s: float = 0.0


_RULES: dict[Cause, _Rule] = {
    Cause.RATE_LIMITED: _Rule(5, 300, longest_hint_s=3_600),
    Cause.QUOTA: _Rule(900, 21_600, longest_hint_s=21_600),
    Cause.CREDENTIALS: _Rule(60, 1_800),
    Cause.MODEL_MISSING: _Rule(300, 3_600),
    Cause.OVERLOADED: _Rule(2, 60, longest_hint_s=300),
    Cause.SERVER_ERROR: _Rule(5, 60, threshold=3, window_s=60, longest_hint_s=300),
    Cause.NETWORK: _Rule(5, 60, threshold=3, window_s=60),
    Cause.GARBAGE: _Rule(5, 60, threshold=3, window_s=60),
    Cause.TIMEOUT: _Rule(15, 120, threshold=2, window_s=600),
    Cause.UNAVAILABLE: _Rule(5, 60),
}
_CLOCK_SLIP_MS = 5_000
_LONGEST_MS: dict[str, int] = {
    cause.value: round(max(rule.longest_s, rule.longest_hint_s) * 1000) + _CLOCK_SLIP_MS
    for cause, rule in _RULES.items()
}


def state_key(account_id: int, model: str, failure: Failure) -> tuple[int, str]:
    """Where the failure of a call for `model` is remembered."""
    return account_id, EVERY_MODEL if failure.scope == "account" else model


def phase_of(state: Cooldown | None, now_ms: int) -> Phase:
    """Whether calls may go through. The caller counts the one call that a half-open account is given.

    A cool-down that has further to go than its cause allows at all was begun before the clock was set back: it is over.
    """
    if state is None or not state.half_open:
        return Phase.OPEN
    left_ms = state.until_at - now_ms
    return Phase.COOLING if 0 < left_ms <= _LONGEST_MS.get(state.reason, left_ms) else Phase.HALF_OPEN


def next_state(previous: Cooldown | None, failure: Failure, now_ms: int) -> Cooldown:
    """The state after a failure. A failure of the caller's own making changes nothing."""
    state = previous or Cooldown()
    rule = _RULES.get(failure.cause)
    if rule is None or failure.client_fault:
        return state
    hint_s = min(failure.retry_after_s or 0.0, rule.longest_hint_s)
    if phase_of(state, now_ms) is Phase.COOLING:
        return _prolonged(state, failure, now_ms, hint_s)
    strikes = state.strikes + 1 if _counts_on(state, rule, now_ms) else 1
    cools = strikes >= rule.threshold or state.half_open or hint_s > 0
    if not cools:
        return Cooldown(state.until_at, failure.cause.value, strikes, state.half_open, now_ms)
    doublings = min(max(strikes - rule.threshold, 0), 32)
    seconds = hint_s or min(rule.first_s * 2**doublings, rule.longest_s)
    return Cooldown(now_ms + round(seconds * 1000), failure.cause.value, strikes, True, now_ms)


def _prolonged(state: Cooldown, failure: Failure, now_ms: int, hint_s: float) -> Cooldown:
    """The state while it cools: no new strike, but a provider's later instant counts."""
    hinted_at = now_ms + round(hint_s * 1000)
    if hint_s <= 0 or hinted_at <= state.until_at:
        return state
    return Cooldown(hinted_at, failure.cause.value, state.strikes, True, now_ms)


def _counts_on(state: Cooldown, rule: _Rule, now_ms: int) -> bool:
    """True if this failure follows the earlier ones closely enough. While half open the pause is the cool-down's."""
    if state.half_open:
        return now_ms - state.until_at <= QUIET_MS
    return now_ms - state.failed_at <= rule.window_s * 1000


def state_after_success(previous: Cooldown | None, now_ms: int) -> Cooldown | None:
    """The state after a success: None, unless it is cooling now (the call began before the refusal)."""
    return previous if phase_of(previous, now_ms) is Phase.COOLING else None


def unless_reset(state: Cooldown | None, reset_at: int) -> Cooldown | None:
    """The state, or None if the operator reset the account after its last failure."""
    return None if state is None or state.failed_at <= reset_at else state


_RESET = re.compile(r"(?:anthropic-[a-z-]+-reset|x-ratelimit-reset[a-z-]*|ratelimit-reset)\Z")
_GO_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ns|us|µs|μs|ms|s|m|h|d))+\Z")
_GO_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h|d)")
_SECONDS_IN = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1, "m": 60, "h": 3600, "d": 86400}


def reset_after(headers: Mapping[str, str], now_ms: int) -> float | None:
    """Seconds until the provider wants to be asked again, ≥ 0; None if it does not say.

    `headers` have lower-case names. `retry-after-ms` counts before `retry-after` (seconds or an HTTP date), both
    before the limits' own resets: `anthropic-ratelimit-*-reset` (RFC 3339), `x-ratelimit-reset-*` (Go durations such
    as `6m0s`; seconds; an epoch in seconds or milliseconds). Of those, the latest among the exhausted ones, and if
    none says that it is exhausted (token counts are rounded), the earliest.
    """
    milliseconds = _number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    seconds = _instant_or_duration(headers.get("retry-after", ""), now_ms)
    if seconds is not None:
        return seconds
    exhausted: list[float] = []
    others: list[float] = []
    for name, value in headers.items():
        if _RESET.match(name) is None:
            continue
        seconds = _instant_or_duration(value, now_ms)
        if seconds is not None:
            remaining = _number(headers.get(name.replace("reset", "remaining"), ""))
            (exhausted if remaining == 0 else others).append(seconds)
    return max(exhausted) if exhausted else min(others, default=None)


def _instant_or_duration(text: str, now_ms: int) -> float | None:
    text = text.strip()
    if len(text) > 64:
        return None
    number = _number(text)
    if number is not None:
        if number >= 1e11:
            return max(0.0, (number - now_ms) / 1000)
        return max(0.0, number - now_ms / 1000) if number >= 1e9 else number
    if _GO_DURATION.match(text):
        return sum(float(amount) * _SECONDS_IN[unit] for amount, unit in _GO_PART.findall(text))
    instant = _instant(text)
    return None if instant is None else max(0.0, instant.timestamp() - now_ms / 1000)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if isfinite(number) and number >= 0 else None


def _instant(text: str) -> datetime | None:
    for parse in (datetime.fromisoformat, parsedate_to_datetime):
        try:
            instant = parse(text)
            return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
    return None
