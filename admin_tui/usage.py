"""What the Usage screen shows: its views and periods, its rows, and what is exported. Pure but for `load`."""

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct

from admin_tui import format
from gateway.billing.money import format_usd
from gateway.store.database import Database, read_transaction
from gateway.store.queries.names import Names, load_names
from gateway.store.queries.usage import HourSum, Total, hourly, totals
from gateway.store.rollups import DAY_MS, HOUR_MS

View = Literal["model", "key", "account", "customer", "day", "hour"]
VIEWS: tuple[View, ...] = ("model", "key", "account", "customer", "day", "hour")
_HEAT = " ░▒▓█"


class Period(NamedTuple):
    """Whole UTC days, today's the last."""

    label: str
    days: int

    def window(self, now_at: int) -> tuple[int, int]:
        """(its first instant, the first after it)."""
        tomorrow = now_at - now_at % DAY_MS + DAY_MS
        return tomorrow - self.days * DAY_MS, tomorrow


PERIODS = (Period("today", 1), Period("7 days", 7), Period("30 days", 30), Period("90 days", 90))


class Part(Struct, frozen=True):
    """One row: a model, key, account, customer or day and what it comes to."""

    name: str
    total: Total
    share: float

    @property
    def identity(self) -> str | int:
        return self.total.group


class Hours(Struct, frozen=True):
    """One day by the hour, or with `day_at` None all days together. `most` is the calls of the busiest hour."""

    day_at: int | None
    name: str
    calls: tuple[int, ...]
    charged_micro: int
    most: int

    @property
    def identity(self) -> int:
        return self.day_at or 0

    def heat(self) -> str:
        """Two cells an hour, the darker the busier; blank where there was nothing."""
        return "".join(_HEAT[-(-count * 4 // self.most) if self.most else 0] * 2 for count in self.calls)


Row = Part | Hours


class Whole(Struct, frozen=True):
    """The period as a whole. `trend` are the charges by day, or by hour where it is one day."""

    total: Total
    trend: tuple[int, ...]


class UsageData(Struct, frozen=True):
    """One read of the screen."""

    view: View
    period: Period
    since_at: int
    until_at: int
    rows: list[Row]
    whole: Whole


def load(database: Database, view: View, period: Period, now_at: int) -> UsageData:
    """Everything the screen shows, as of one state. A read of 20 to 100 ms on a million calls."""
    since_at, until_at = period.window(now_at)
    with read_transaction(database):
        days = totals(database, "day", since_at=since_at, until_at=until_at)
        hours = hourly(database, since_at=since_at, until_at=until_at) if view == "hour" or period.days == 1 else []
        names = load_names(database)
        if view == "hour":
            rows: list[Row] = list(_by_hour(hours))
        elif view == "day":
            rows = _parts(view, days[::-1], names)
        else:
            rows = _parts(view, totals(database, view, since_at=since_at, until_at=until_at), names)
    return UsageData(view, period, since_at, until_at, rows, _whole(days, hours, period, since_at))


def _parts(view: View, found: Sequence[Total], names: Names) -> list[Row]:
    charged_micro = sum(each.charged_micro for each in found)
    return [
        Part(_name(view, each.group, names), each, each.charged_micro / charged_micro if charged_micro else 0.0)
        for each in found
        if each.calls or each.upstream_micro
    ]


def _name(view: View, group: str | int, names: Names) -> str:
    if view == "day":
        return format.day(int(group))
    if view == "key":
        return names.of("key", int(group)) or "(no key)"
    if view == "account":
        return names.of("account", int(group)) or "(none)"
    if view == "customer":
        return names.of("customer", int(group))
    return str(group) or "(none)"


def _by_hour(hours: Sequence[HourSum]) -> list[Hours]:
    """All days together first, then each that has calls, the newest first."""
    days: dict[int, list[int]] = {}
    charged: dict[int, int] = {}
    for each in hours:
        day_at = each.hour_at - each.hour_at % DAY_MS
        days.setdefault(day_at, [0] * 24)[(each.hour_at - day_at) // HOUR_MS] = each.calls
        charged[day_at] = charged.get(day_at, 0) + each.charged_micro
    if not days:
        return []
    most = max(max(counts) for counts in days.values())
    together = tuple(map(sum, zip(*days.values(), strict=True)))
    all_days = Hours(None, "all days", together, sum(charged.values()), max(together))
    newest_first = sorted(days, reverse=True)
    each_day = [Hours(at, format.day(at), tuple(days[at]), charged[at], most) for at in newest_first]
    return [all_days, *each_day]


def _whole(days: Sequence[Total], hours: Sequence[HourSum], period: Period, since_at: int) -> Whole:
    if period.days == 1:
        step_ms, count = HOUR_MS, 24
        charged = {each.hour_at: each.charged_micro for each in hours}
    else:
        step_ms, count = DAY_MS, period.days
        charged = {int(each.group): each.charged_micro for each in days}
    _, *sums = Total.__struct_fields__
    whole = Total("", *(sum(getattr(each, name) for each in days) for name in sums))
    return Whole(whole, tuple(charged.get(since_at + number * step_ms, 0) for number in range(count)))


def facts(row: Row) -> list[tuple[str, str]]:
    """A row exactly, for the pane beside the table."""
    if isinstance(row, Hours):
        lines = [(f"{hour:02}:00", f"{count:,}") for hour, count in enumerate(row.calls) if count]
        found = [(row.name, ""), ("calls", f"{sum(row.calls):,}"), ("charged", format_usd(row.charged_micro))]
        return [*found, ("calls by the hour, UTC", ""), *lines]
    total = row.total
    wave = "~" if total.estimated else ""
    return [
        (row.name, ""),
        ("calls", f"{total.calls:,}"),
        ("failed", f"{total.failed_calls:,}"),
        *([("by estimate", f"{total.estimated_calls:,}")] if total.estimated else []),
        ("read", f"{total.prompt_tokens:,} tokens"),
        ("from a cache", f"{total.cache_read_tokens:,} tokens, {format.percent(total.cache_share)}"),
        ("written", f"{total.output_tokens:,} tokens"),
        ("charged", format_usd(total.charged_micro)),
        ("upstream", wave + format_usd(total.upstream_micro)),
        ("of it lost races", format_usd(total.overhead_micro)),
        ("margin", wave + format_usd(total.margin_micro)),
    ]


def exported(view: View, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The rows as they are written to a file: exact figures, one record a row, or a day and hour."""
    found: list[dict[str, Any]] = []
    for row in rows:
        if isinstance(row, Hours):
            found += [{"day": row.name, "hour": hour, "calls": count} for hour, count in enumerate(row.calls)]
        else:
            record = msgspec.structs.asdict(row.total)
            del record["group"]
            found.append({view: row.name, **record})
    return found
