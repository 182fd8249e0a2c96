"""Dollars as people write them, and micro-dollars as everything else has them."""

import re

from gateway.errors import UsageError

MICRO = 1_000_000
LARGEST_MICRO = 10**15
"""A thousand million dollars. More is a slip, and stays far from SQLite's 64-bit integers."""

_USD = re.compile(r"(-?)\$?(\d+|\d{1,3}(?:,\d{3})+)(?:\.(\d{1,6}))?", re.ASCII)


def parse_usd(text: str) -> int:
    """`12.34`, `$12.34`, `1,000`, `-0.5` -> micro-dollars. At most six decimals, so that nothing is ever rounded.

    Raises UsageError.
    """
    match = _USD.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{text!r} is not an amount in dollars. Write it like 12.34, with at most six decimals.")
    sign, whole, decimals = match.groups()
    micro = int(whole.replace(",", "")[:20]) * MICRO + int((decimals or "").ljust(6, "0"))
    if micro > LARGEST_MICRO:
        raise UsageError(f"{text!r} is more than {format_usd(LARGEST_MICRO)}.")
    return -micro if sign else micro


def format_usd(micro: int) -> str:
    """Micro-dollars as `$1,234.50`: at least two decimals, and as many more as the amount has. Loses nothing."""
    whole, rest = divmod(abs(micro), MICRO)
    decimals = f"{rest:06d}".rstrip("0").ljust(2, "0")
    return f"{'-' if micro < 0 else ''}${whole:,}.{decimals}"
