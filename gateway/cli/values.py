"""What operators type as arguments and options, turned into values or refused with an example."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, TypeVar

import click
from msgspec import UNSET, UnsetType

from gateway.billing.money import parse_usd
from gateway.clock import now_ms
from gateway.errors import UsageError

Value = TypeVar("Value")
NoLimit = Literal["none"]

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}
_SPAN = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)


def as_usd(text: str | int) -> int:
    """Dollars, as micro-dollars."""
    if isinstance(text, int):
        return text
    try:
        return parse_usd(text)
    except UsageError as error:
        raise click.BadParameter(error.message) from None


def as_limit(text: str) -> int | NoLimit:
    """A whole number, or `none`."""
    if text == "none":
        return "none"
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither a whole number nor none.") from None


def as_usd_limit(text: str) -> int | NoLimit:
    """Dollars as micro-dollars, or `none`."""
    return "none" if text == "none" else as_usd(text)


def as_seconds(text: str | int) -> int:
    """`90s`, `15m`, `24h`, `30d`, `2w`, as seconds."""
    if isinstance(text, int):
        return text
    found = _SPAN.fullmatch(text)
    if found is None:
        raise click.BadParameter(f"{text!r} is not a duration such as 90s, 15m, 24h, 30d or 2w.")
    return int(found[1]) * _SECONDS[found[2]]


def as_past(text: str | int) -> int:
    """A UTC date or time, or how long ago."""
    return _instant(text, -1)


def as_future(text: str | int) -> int:
    """A UTC date or time, or how far from now."""
    return _instant(text, 1)


def as_future_limit(text: str) -> int | NoLimit:
    """A time to come, or `none`."""
    return "none" if text == "none" else as_future(text)


def _instant(text: str | int, direction: int) -> int:
    """Milliseconds since the epoch."""
    if isinstance(text, int):
        return text
    if _SPAN.fullmatch(text):
        return max(0, now_ms() + direction * as_seconds(text) * 1000)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2026-12-31, 2026-12-31T18:00 (UTC) or 30d.") from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0, (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1))


def given(value: Value | None) -> Value | UnsetType:
    """An option's value for the store's changes; absent where the option was."""
    return UNSET if value is None else value


def limit_given(value: int | NoLimit | None) -> int | UnsetType | None:
    """A limit's: `none` takes it away."""
    return UNSET if value is None else None if value == "none" else value


def list_option(name: str, help_text: str, metavar: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """An option that may be repeated or hold commas; '' empties the list. None where it was not given."""
    return click.option(name, multiple=True, callback=_split, metavar=metavar, help=help_text)


def pair_option(name: str, help_text: str, metavar: str = "NAME=VALUE") -> Callable[..., Any]:
    """An option NAME=VALUE that may be repeated, as a dict of what was given."""
    return click.option(name, multiple=True, callback=_pairs, metavar=metavar, help=help_text)


def merged(before: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """`before` with the pairs given; one with an empty value takes its entry out."""
    return {name: value for name, value in {**before, **changes}.items() if value != ""}


def scalar(text: str) -> str | int | float | bool:
    """An account option as the type it looks like."""
    if text in ("true", "false"):
        return text == "true"
    if re.fullmatch(r"-?\d{1,18}", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?\d{1,18}\.\d{1,18}", text, re.ASCII):
        return float(text)
    return text


def _split(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...] | None:
    if not values:
        return None
    return tuple(part for value in values for part in (each.strip() for each in value.split(",")) if part)


def _pairs(_context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    found = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name.strip():
            # The value is not repeated: it may be half of a credential.
            raise click.BadParameter(f"is written {parameter.metavar}.", param=parameter)
        found[name.strip()] = text.strip()
    return found
