"""An upstream's rate limits in the words of the client's dialect, for answers of a gateway that enforces none itself.

Anthropic gives the instant of a reset (RFC 3339), OpenAI the time until it (a Go duration: `6m0s`, `20ms`).
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from math import ceil

from gateway.records import DialectName

Headers = list[tuple[str, str]]

_FACTS = ("limit", "remaining", "reset")
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|h|m|s)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


def translated_limits(client: DialectName, headers: Mapping[str, str], now_s: int) -> Headers:
    """What the upstream's answer says of requests and tokens. What cannot be read is left out."""
    if client == "messages":
        names = [(f"x-ratelimit-{fact}-{kind}", kind, fact) for kind in ("requests", "tokens") for fact in _FACTS]
        return [
            (f"anthropic-ratelimit-{kind}-{fact}", said)
            for name, kind, fact in names
            if (said := _for_anthropic(fact, headers.get(name), now_s)) is not None
        ]
    tokens = "input-tokens" if "anthropic-ratelimit-input-tokens-limit" in headers else "tokens"
    sources = [
        (kind, source, fact) for kind, source in (("requests", "requests"), ("tokens", tokens)) for fact in _FACTS
    ]
    return [
        (f"x-ratelimit-{fact}-{kind}", said)
        for kind, source, fact in sources
        if (said := _for_openai(fact, headers.get(f"anthropic-ratelimit-{source}-{fact}"), now_s)) is not None
    ]


def _for_anthropic(fact: str, value: str | None, now_s: int) -> str | None:
    if value is None or fact != "reset":
        return value
    parts = _PART.findall(value)
    if not parts:
        return None
    later_s = sum(float(number) * _SECONDS[unit] for number, unit in parts)
    return datetime.fromtimestamp(ceil(now_s + later_s), tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _for_openai(fact: str, value: str | None, now_s: int) -> str | None:
    if value is None or fact != "reset":
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return None
    later_s = max(0, ceil(at.replace(tzinfo=at.tzinfo or UTC).timestamp() - now_s))
    minutes, seconds = divmod(later_s, 60)
    hours, minutes = divmod(minutes, 60)
    shown = f"{minutes}m{seconds}s" if minutes or hours else f"{seconds}s"
    return f"{hours}h{shown}" if hours else shown
