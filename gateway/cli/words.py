"""Instants, durations, money and lists in words. Times are UTC: days and months are billed so."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from gateway.billing.money import format_usd


def plain_usd(micro: int) -> str:
    """`1234.50`: what a program reads as a decimal."""
    return format_usd(micro).replace("$", "").replace(",", "")


def usd(micro: int | None, none: str = "") -> str:
    """`$1,234.50`, or `none` where there is no amount."""
    return none if micro is None else format_usd(micro)


def instant(at: int | None, none: str = "") -> str:
    """`2026-03-04 05:06:07Z`."""
    if at is None:
        return none
    return datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def span(ms: int) -> str:
    """`420 ms`, `1.3 s`, `41 s`, `12 m 05 s`, `3 h 04 m`, `2 d 05 h`."""
    if ms < 1000:
        return f"{ms} ms"
    seconds = ms // 1000
    if seconds < 10:
        return f"{ms / 1000:.1f} s"
    if seconds < 60:
        return f"{seconds} s"
    minutes, hours = seconds // 60, seconds // 3600
    if hours == 0:
        return f"{minutes} m {seconds % 60:02d} s"
    if hours < 24:
        return f"{hours} h {minutes % 60:02d} m"
    return f"{hours // 24} d {hours % 24:02d} h"


def limit(value: int | None, fallback: str = "none") -> str:
    """A limit, or what holds without one."""
    return fallback if value is None else f"{value:,}"


def listed(values: Iterable[Any], empty: str = "") -> str:
    """`a, b`, or what an empty list means."""
    return ", ".join(map(str, values)) or empty


def pairs(values: dict[str, Any]) -> str:
    """`a=1, b=2`."""
    return ", ".join(f"{name}={value}" for name, value in values.items())


def plural(count: int, noun: str) -> str:
    """`1 call`, `2 calls`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def size(count: int) -> str:
    """`512 bytes`, `1.2 MB`: thousands, as disks are sold."""
    for unit, bytes_each in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= bytes_each:
            return f"{count / bytes_each:.1f} {unit}"
    return plural(count, "byte")
