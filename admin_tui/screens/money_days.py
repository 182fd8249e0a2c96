"""The gateway's own money by UTC day: charged, what it cost upstream, what of that lost races, margin."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.forms import export
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.bars import Bar, styled
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.store.database import Database
from gateway.store.queries.money import DayMoney, daily_money
from gateway.store.rollups import DAY_MS

DAYS = 90
_EMPTY = (
    "[b]Nothing billed yet.[/b]\n\n"
    "Every day with a call has a line here: what customers were charged, what the accounts cost, what of that went to "
    "attempts that lost a race, and what is left. The first call makes the first line."
)

_MEANING = (
    "Charged is what stands in the ledger; upstream is counted at the accounts' prices. "
    "On Money, i holds it against an invoice."
)


def sum_of(days: Sequence[DayMoney]) -> DayMoney:
    """All of them as one."""
    first, *sums = DayMoney.__struct_fields__
    return DayMoney(getattr(days[0], first), *(sum(getattr(day, name) for day in days) for name in sums))


def days_content(days: Sequence[DayMoney]) -> Content:
    """The newest first, as a small table under the customers."""
    heading = f"{'THE GATEWAY':<12}{'CALLS':>9}{'CHARGED':>11}{'UPSTREAM':>11}{'RACES':>10}{'MARGIN':>11}"
    lines = [styled(heading, "dim")]
    for day in days:
        margin = _margin(day)
        lines.append(
            Content.assemble(
                styled(f"{format.day(day.day_at):<12}", "" if day.calls else "dim"),
                styled(f"{format.number(day.calls):>9}{format.usd(day.charged_micro):>11}", "" if day.calls else "dim"),
                styled(f"{_upstream(day):>11}{_races(day):>10}", "dim"),
                styled(f"{margin.text:>11}", margin.tone),
            )
        )
    return Content("\n").join(lines)


class SumBar(Bar):
    """All days together, and what was charged on each as a line of bars: the newest, as many as there is room for."""

    def line(self, width: int) -> Content:
        days = cast("DaysScreen", self.screen).days
        if not days:
            return Content("")
        whole = sum_of(days)
        text = Content.assemble(
            f"{len(days)} day{'' if len(days) == 1 else 's'}  charged ",
            styled(format.usd(whole.charged_micro), "strong"),
            f"  upstream {_upstream(whole)}  races {_races(whole)}  margin ",
            styled(*_margin(whole)),
            "  ",
        )
        room = max(0, width - text.cell_length)
        newest = [day.charged_micro for day in days[:room][::-1]]
        return Content.assemble(text, styled(format.sparkline(newest, room), "accent"))


class DaysScreen(ListScreen[DayMoney]):
    """The last 90 days, newest first."""

    CONTEXT = "money-days"
    BINDINGS: ClassVar[list[BindingType]] = bindings("money-days")
    NAME = "money-days"
    REFRESH_S = 5.0
    COLUMNS = (
        Column[DayMoney](
            "DAY", lambda row: format.day(row.day_at), width=10, sort=lambda row: row.day_at, falling=True
        ),
        Column[DayMoney](
            "CALLS", lambda row: format.number(row.calls), width=9, right=True, sort=lambda row: row.calls, falling=True
        ),
        Column[DayMoney](
            "CHARGED",
            lambda row: format.usd(row.charged_micro),
            width=10,
            right=True,
            sort=lambda row: row.charged_micro,
            falling=True,
        ),
        Column[DayMoney](
            "UPSTREAM",
            lambda row: _upstream(row),
            width=10,
            right=True,
            sort=lambda row: row.upstream_micro,
            falling=True,
        ),
        Column[DayMoney](
            "RACES",
            lambda row: Cell(_races(row), "dim"),
            width=9,
            right=True,
            sort=lambda row: row.overhead_micro,
            falling=True,
        ),
        Column[DayMoney](
            "MARGIN", lambda row: _margin(row), width=10, right=True, sort=lambda row: row.margin_micro, falling=True
        ),
        Column[DayMoney]("SHARE", lambda row: format.percent(row.margin_share), width=6, right=True),
        Column[DayMoney](" ", lambda row: ""),
    )

    @property
    def days(self) -> Sequence[DayMoney]:
        """Every day there is, the newest first, whatever the filter lets through."""
        return self._all

    def key_of(self, row: DayMoney) -> int:
        return row.day_at

    def copied(self, row: DayMoney) -> str:
        return format.day(row.day_at)

    def above(self) -> ComposeResult:
        yield SumBar("", id="days-sum", classes="headline")

    def note(self) -> str:
        return "  ".join(filter(None, (super().note(), "by day")))

    def read(self, database: Database) -> list[DayMoney]:
        now_at = self.console.now()
        tomorrow = now_at - now_at % DAY_MS + DAY_MS
        days = daily_money(database, since_at=tomorrow - DAYS * DAY_MS, until_at=tomorrow)
        first = next((at for at, day in enumerate(days) if day.calls or day.upstream_micro), len(days))
        return days[first:][::-1]

    def show(self, data: list[DayMoney]) -> None:
        super().show(data)
        line = self.query_one("#days-sum", SumBar)
        line.set_class(not data, "hidden")
        line.renew()

    def empty_text(self) -> str:
        return _EMPTY

    def detail(self, row: DayMoney) -> Iterable[Fact]:
        wave = "~" if row.estimated else ""
        yield (format.day(row.day_at), "")
        yield ("calls", format.number(row.calls))
        yield ("by estimate", f"{row.estimated_calls:,} of them")
        yield ("", "")
        yield ("charged", format_usd(row.charged_micro))
        yield ("upstream", wave + format_usd(row.upstream_micro))
        yield ("of it lost races", wave + format_usd(row.overhead_micro))
        yield ("margin", Cell(wave + format_usd(row.margin_micro), _margin(row).tone))
        yield ("of what was charged", format.percent(row.margin_share))
        yield ("", "")
        yield ("", Cell(_MEANING, "dim"))

    def refusal(self, each: Command) -> str:
        if each.id == "money-days.export" and not self.table.rows:
            return "There is nothing to export."
        return ""

    def do_export(self) -> None:
        headings = ("day", "calls", "estimated_calls", "charged_usd", "upstream_usd", "lost_races_usd", "margin_usd")
        rows: list[list[Any]] = [
            [
                format.day(day.day_at),
                day.calls,
                day.estimated_calls,
                *map(export.usd, (day.charged_micro, day.upstream_micro, day.overhead_micro, day.margin_micro)),
            ]
            for day in self.table.rows
        ]
        export.ask_export(self.console, export.Sheet("days", headings, rows))


def _upstream(day: DayMoney) -> str:
    return format.usd(day.upstream_micro, estimated=day.estimated)


def _races(day: DayMoney) -> str:
    return format.usd(day.overhead_micro, estimated=day.estimated and day.overhead_micro > 0)


def _margin(day: DayMoney) -> Cell:
    tone: format.Tone = "bad" if day.margin_micro < 0 else "good" if day.margin_micro else "dim"
    return Cell(format.usd(day.margin_micro, estimated=day.estimated), tone)
