"""How figures, instants and states are written on every screen.

What is unknown is `–`, never 0; estimates wear `~`. Instants are UTC, because days and months are billed so. Symbols
are one cell wide, so that columns stay aligned; `ascii.py` replaces them where a terminal lacks them.
"""

from datetime import UTC, datetime
from typing import Literal, NamedTuple

from rich.cells import cell_len, set_cell_size

from gateway.billing.money import MICRO, format_usd
from gateway.catalog import Rates

Tone = Literal["", "good", "warn", "bad", "dim", "accent", "strong"]

UNKNOWN = "–"
ON, OPEN, OFF = "●", "◌", "✕"
_BARS = "▁▂▃▄▅▆▇█"
_GOOD = {"ready", "active", "completed", "won", "running", "ok", "enabled", "200"}
_BAD = {"failed", "revoked", "refused", "expired", "out of quota", "not running", "lost call"}
_WAITING = {"open", "cooling", "draining", "trying", "partial", "cancelled", "lost"}


class Cell(NamedTuple):
    """Text with a tone: a meaning that the theme gives a colour to. Colour alone never says anything."""

    text: str
    tone: Tone = ""


def plain(value: Cell | str) -> str:
    """Its text."""
    return value.text if isinstance(value, Cell) else value


def usd(micro: int | None, *, estimated: bool = False) -> str:
    """`$12.40`, `$1,234`, `$0.410`, `$0.0132`, `$0`, `<$0.0001`; `~` before an estimate. To look at, not to add up."""
    if micro is None:
        return UNKNOWN
    sign, amount = ("-" if micro < 0 else ""), abs(micro)
    if amount == 0:
        text = "$0"
    elif amount < 100:
        text = f"<{sign}$0.0001"
        sign = ""
    elif amount < MICRO:
        few = amount >= (MICRO // 100 if estimated else MICRO // 10)
        text = f"${amount / MICRO:.{3 if few else 4}f}"
    elif amount < 1_000 * MICRO:
        text = f"${amount / MICRO:.2f}"
    elif amount < 10_000_000 * MICRO:
        text = f"${amount / MICRO:,.0f}"
    else:
        text = f"${amount / MICRO / 1_000_000:,.1f}M"
    return f"{'~' if estimated else ''}{sign}{text}"


def rates(each: Rates) -> str:
    """`$1.50 in, $7.50 out`."""
    return f"{format_usd(each.input)} in, {format_usd(each.output)} out"


def tokens(count: int | None, *, estimated: bool = False) -> str:
    """`640`, `1.2k`, `18k`, `1.2M`."""
    if count is None:
        return UNKNOWN
    return f"{'~' if estimated else ''}{_short(count)}"


def number(count: int | None) -> str:
    """`1,234`."""
    return UNKNOWN if count is None else f"{count:,}"


def _short(count: int) -> str:
    size = abs(count)
    for unit, name in ((10**9, "G"), (10**6, "M"), (10**3, "k")):
        if size >= unit:
            value = count / unit
            return f"{value:.1f}{name}" if abs(value) < 9.95 else f"{value:.0f}{name}"
    return str(count)


def seconds(ms: int | None) -> str:
    """A duration as a column has it: `0.7s`, `12s`, `3m05s`, `3h04m`, `3d04h`."""
    if ms is None:
        return UNKNOWN
    total = ms // 1000
    if ms < 9_950:
        return f"{ms / 1000:.1f}s"
    if total < 60:
        return f"{total}s"
    if total < 3_600:
        return f"{total // 60}m{total % 60:02d}s"
    if total < 86_400:
        return f"{total // 3_600}h{total // 60 % 60:02d}m"
    return f"{total // 86_400}d{total // 3_600 % 24:02d}h"


def clock(at: int | None) -> str:
    """`14:02:11`."""
    return UNKNOWN if at is None else _moment(at).strftime("%H:%M:%S")


def minute(at: int | None) -> str:
    """`14:02`."""
    return UNKNOWN if at is None else _moment(at).strftime("%H:%M")


def day(at: int | None) -> str:
    """`2026-03-04`."""
    return UNKNOWN if at is None else _moment(at).strftime("%Y-%m-%d")


def instant(at: int | None) -> str:
    """`2026-03-04 14:02:11`."""
    return UNKNOWN if at is None else _moment(at).strftime("%Y-%m-%d %H:%M:%S")


def ago(at: int | None, now_at: int) -> str:
    """`now`, `41s ago`, `3m ago`, `5h ago`, `12d ago`; `never` where it never was."""
    if at is None:
        return "never"
    elapsed = max(0, now_at - at) // 1000
    if elapsed < 2:
        return "now"
    for unit, name in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if elapsed >= unit:
            return f"{elapsed // unit}{name} ago"
    return f"{elapsed}s ago"


def percent(share: float | None) -> str:
    """A share of 1 as `0.6%`, `12%`; `<0.1%` for what is not nothing."""
    if share is None:
        return UNKNOWN
    value = share * 100
    if value == 0 or value >= 9.95:
        return f"{value:.0f}%"
    return "<0.1%" if 0 < value < 0.05 else f"{value:.1f}%"


def per_second(rate: float | None) -> str:
    """`4.2`, `0`, `120`; `<0.1` for what is not nothing."""
    if rate is None:
        return UNKNOWN
    if 0 < rate < 0.05:
        return "<0.1"
    return f"{rate:.0f}" if rate == 0 or rate >= 9.95 else f"{rate:.1f}"


def limit(value: int | None) -> str:
    """A limit, or `none`."""
    return "none" if value is None else f"{value:,}"


def tone_of(word: str) -> Tone:
    """The tone of a state's word."""
    if word in _GOOD:
        return "good"
    if word in _BAD:
        return "bad"
    return "warn" if word in _WAITING else "dim"


def state(word: str) -> Cell:
    """A state: its symbol and its word, so that it reads without colour."""
    tone = tone_of(word)
    symbol = {"good": ON, "bad": OFF, "warn": OPEN}.get(tone, OPEN)
    return Cell(f"{symbol} {word}", tone)


def sparkline(values: list[float] | list[int], width: int) -> str:
    """The values as a line of bars, the newest at the right; groups of values are summed to fit `width`."""
    if not values or width < 1:
        return ""
    size = -(-len(values) // width)
    lead = len(values) % size
    groups = [values[:lead]] if lead else []
    groups += [values[at : at + size] for at in range(lead, len(values), size)]
    sums = [sum(group) for group in groups]
    most = max(sums)
    if most <= 0:
        return _BARS[0] * len(sums)
    return "".join(_BARS[min(7, int(value / most * 7.999))] if value > 0 else _BARS[0] for value in sums)


def bar(share: float, width: int) -> str:
    """A share of 1 as a bar of `width` cells."""
    full = round(max(0.0, min(1.0, share)) * width)
    return "█" * full + "░" * (width - full)


def cut(text: str, width: int) -> str:
    """The text in at most `width` cells, `…` where some of it is missing."""
    if cell_len(text) <= width:
        return text
    return set_cell_size(text, width - 1) + "…" if width > 0 else ""


def clean(text: str) -> str:
    """The text without what a terminal would act on: names come from clients and from upstreams."""
    return text if text.isprintable() else "".join(each if each.isprintable() else "·" for each in text)


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
