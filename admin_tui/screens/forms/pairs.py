"""Pairs, factors and rates as they are typed into a form: `claude-*=1.50/7.50 gpt-*=2/8`."""

from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from gateway.billing.money import format_usd, parse_usd
from gateway.catalog import Rates
from gateway.errors import UsageError

Value = TypeVar("Value")


def pairs(text: str, read: Callable[[str], Value], example: str) -> dict[str, Value]:
    """`NAME=VALUE` with spaces between. Raises UsageError."""
    found: dict[str, Value] = {}
    for part in text.split():
        name, equals, value = part.partition("=")
        if not (name and equals and value):
            raise UsageError(f"{part!r} is not a pair such as {example}.")
        if name in found:
            raise UsageError(f"{name!r} is there twice.")
        found[name] = read(value)
    return found


def written_pairs(values: Mapping[str, Value], write: Callable[[Value], str] = str) -> str:
    """What `pairs` reads back."""
    return " ".join(f"{name}={write(value)}" for name, value in values.items())


def factor_bp(text: str) -> int:
    """`1.2` as 12000 basis points. Raises UsageError."""
    try:
        basis_points = Decimal(text.strip()) * 10_000
    except InvalidOperation:
        basis_points = Decimal("NaN")
    if not basis_points.is_finite() or basis_points != basis_points.to_integral_value():
        raise UsageError(f"{text.strip()!r} is not a factor such as 1.2, with at most four decimals.")
    return int(basis_points)


def written_factor(basis_points: int) -> str:
    """`1.2`."""
    return f"{Decimal(basis_points) / 10_000:f}"


def rates(text: str) -> Rates:
    """`IN/OUT`, `IN/OUT/READ` or `IN/OUT/READ/WRITE`, in dollars per million tokens. Raises UsageError."""
    parts = text.split("/")
    if not 2 <= len(parts) <= 4:
        raise UsageError(f"{text!r} is not IN/OUT, IN/OUT/READ or IN/OUT/READ/WRITE, such as 1.50/7.50.")
    input_, output, *caches = [parse_usd(part) for part in parts]
    read = caches[0] if caches else None
    write = caches[1] if len(caches) > 1 else None
    return Rates(input_, output, read, write, write, write, write)


def written_rates(found: Rates) -> str:
    """What `rates` reads back."""
    amounts = [found.input, found.output, found.cache_read, found.cache_write_5m]
    return "/".join(dollars(amount) for amount in amounts if amount is not None)


def dollars(micro: int) -> str:
    """`1.50`: as `parse_usd` reads it."""
    return format_usd(micro).replace("$", "").replace(",", "")
