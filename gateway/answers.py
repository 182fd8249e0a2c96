"""The headers of answers: ids, money, limits, warnings. Pure."""

from collections.abc import Sequence

from gateway.errors import CallError
from gateway.limits.headers import retry_after

Headers = list[tuple[bytes, bytes]]

JSON_TYPE = (b"content-type", b"application/json")
STREAM_HEADERS: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    # Tells nginx and those like it to pass events on as they come.
    (b"x-accel-buffering", b"no"),
]


def id_headers(call_id: str) -> Headers:
    """Anthropic's SDKs read `request-id`, OpenAI's `x-request-id`; both are the receipt's id."""
    value = call_id.encode()
    return [(b"request-id", value), (b"x-request-id", value)]


def money_headers(cost_micro: int, balance_micro: int | None) -> Headers:
    """What the call cost and what is left; an unlimited customer has no balance to speak of."""
    headers = [(b"x-gateway-cost-micro", b"%d" % cost_micro)]
    if balance_micro is not None:
        headers.append((b"x-gateway-balance-micro", b"%d" % balance_micro))
    return headers


def call_headers(attempts: int, warnings: Sequence[str]) -> Headers:
    """How many accounts were tried, and what the gateway changed about the request."""
    headers = [(b"x-gateway-attempts", b"%d" % attempts)]
    if warnings:
        headers.append((b"x-gateway-warnings", ", ".join(warnings).encode()))
    return headers


def error_headers(error: CallError, call_id: str) -> Headers:
    """`x-should-retry: false` stops every SDK and Claude Code from repeating what cannot succeed."""
    headers = [JSON_TYPE, *id_headers(call_id), *error.headers]
    if not error.retryable:
        headers.append((b"x-should-retry", b"false"))
    elif error.retry_after_s is not None or error.status == 429:
        headers.append(retry_after(error.retry_after_s))
    return headers
