"""Instants, durations and addresses as they are typed into a form."""

import re
from datetime import UTC, datetime, timedelta

from gateway.errors import UsageError
from gateway.store.operators import validate

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
_MONTH = re.compile(r"\d{4}-\d{2}", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def span_s(text: str) -> int:
    """`90s`, `15m`, `24h`, `30d`, `2w` as seconds; `0` and nothing are none. Raises UsageError."""
    text = text.strip()
    if text in ("", "0"):
        return 0
    found = _SPAN.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is not a duration such as 90s, 15m, 24h, 30d or 2w.")
    return int(found[1]) * _SECONDS[found[2]]


def instant_at(text: str, now_at: int) -> int:
    """A UTC date or time, or how far from now, in milliseconds since the epoch. Raises UsageError."""
    text = text.strip()
    try:
        if _SPAN.fullmatch(text):
            moment = _EPOCH + timedelta(milliseconds=now_at, seconds=span_s(text))
        else:
            moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return (moment - _EPOCH) // timedelta(milliseconds=1)
    except (ValueError, OverflowError):
        raise UsageError(f"{text!r} is not a time such as 2026-12-31, 2026-12-31T18:00 (UTC) or 30d.") from None


def future_at(text: str, now_at: int) -> int:
    """`instant_at`, but one that is still to come."""
    at = instant_at(text, now_at)
    if at <= now_at:
        raise UsageError(f"{text.strip()} is over already.")
    return at


def month_at(text: str) -> int:
    """`2026-03`: the UTC month's first millisecond. Raises UsageError."""
    if not _MONTH.fullmatch(text.strip()):
        raise UsageError(f"{text.strip()!r} is not a month such as 2026-03.")
    return instant_at(f"{text.strip()}-01", 0)


def written_instant(at: int | None) -> str:
    """What `instant_at` reads back as the same instant; "" for none."""
    if at is None:
        return ""
    moment = _EPOCH + timedelta(milliseconds=at)
    if at % 60_000:
        return moment.replace(tzinfo=None).isoformat(timespec="milliseconds" if at % 1000 else "seconds")
    return moment.strftime("%Y-%m-%dT%H:%M" if at % 86_400_000 else "%Y-%m-%d")


def dialects(text: str) -> tuple[str, ...]:
    """At least one, with spaces or commas between them. Raises UsageError."""
    return validate.dialects(text.replace(",", " ").split())


def networks(text: str) -> tuple[str, ...]:
    """Addresses and networks with spaces or commas between them. Raises UsageError."""
    return validate.networks(text.replace(",", " ").split())
