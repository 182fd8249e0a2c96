"""Usage: calls, tokens and money by model, key, account, customer, day and hour of the day."""

from collections.abc import Iterable
from typing import Any, ClassVar, cast

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.forms.export import Sheet, ask_export
from admin_tui.screens.lists import ListScreen
from admin_tui.usage import PERIODS, VIEWS, Hours, Part, Period, Row, UsageData, View, exported, facts, load
from admin_tui.widgets.bars import Bar, styled
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.store.database import Database
from gateway.store.queries.usage import Total

_MOST_BARS = 20


def _failed(row: Part) -> Cell:
    share = row.total.failed_share
    return Cell(format.percent(share), "bad" if (share or 0) >= 0.05 else "warn" if (share or 0) >= 0.01 else "")


def _cost(total: Total, micro: int) -> str:
    """An amount that an account's cost is part of."""
    return format.usd(micro, estimated=total.estimated)


# What follows the name. The last ones appear where there is room.
_PARTS: tuple[Column[Any], ...] = (
    Column[Part]("CALLS", lambda row: format.number(row.total.calls), width=10, right=True,
                 sort=lambda row: row.total.calls, falling=True),
    Column[Part]("FAILED", _failed, width=6, right=True,
                 sort=lambda row: row.total.failed_share, falling=True),
    Column[Part]("IN", lambda row: format.tokens(row.total.prompt_tokens), width=6, right=True,
                 sort=lambda row: row.total.prompt_tokens, falling=True),
    Column[Part]("CACHED", lambda row: format.percent(row.total.cache_share), width=6, right=True,
                 sort=lambda row: row.total.cache_share, falling=True),
    Column[Part]("OUT", lambda row: format.tokens(row.total.output_tokens), width=6, right=True,
                 sort=lambda row: row.total.output_tokens, falling=True),
    Column[Part]("CHARGED", lambda row: format.usd(row.total.charged_micro), width=9, right=True,
                 sort=lambda row: row.total.charged_micro, falling=True),
    Column[Part]("UPSTREAM", lambda row: _cost(row.total, row.total.upstream_micro), width=9, right=True,
                 from_width=100, sort=lambda row: row.total.upstream_micro, falling=True),
    Column[Part]("RACES", lambda row: format.usd(row.total.overhead_micro), width=9, right=True, from_width=110,
                 sort=lambda row: row.total.overhead_micro, falling=True),
    Column[Part]("MARGIN", lambda row: _cost(row.total, row.total.margin_micro), width=9, right=True, from_width=110,
                 sort=lambda row: row.total.margin_micro, falling=True),
    Column[Part]("SHARE", lambda row: Cell(format.bar(row.share, 12), "accent"), width=12, from_width=125),
)  # fmt: skip
_HOURS: tuple[Column[Any], ...] = (
    Column[Hours]("DAY", lambda row: row.name, width=10),
    Column[Hours]("0 1 2 3 4 5 6 7 8 9 1011121314151617181920212223", lambda row: Cell(row.heat(), "accent"), width=48),
    Column[Hours]("CALLS", lambda row: format.number(sum(row.calls)), right=True),
    Column[Hours]("CHARGED", lambda row: format.usd(row.charged_micro), width=9, right=True, from_width=82),
)


class WholeBar(Bar):
    """The period in figures, as many as there is room for."""

    def line(self, width: int) -> Content:
        data = cast("UsageScreen", self.screen).data
        if data is None:
            return Content("")
        parts: list[str] = []
        for part in _figures(data.whole.total):
            if len(" · ".join((*parts, part))) > width:
                break
            parts.append(part)
        return Content(" · ".join(parts))


class TrendBar(Bar):
    """The period's charges as a line of bars."""

    def line(self, width: int) -> Content:
        data = cast("UsageScreen", self.screen).data
        if data is None:
            return Content("")
        label = "charged an hour  " if data.period.days == 1 else "charged a day  "
        bars = format.sparkline(list(data.whole.trend), max(1, width - len(label)))
        return Content.assemble(styled(label), styled(bars, "accent"))


def _figures(whole: Total) -> list[str]:
    """The most important first."""
    return [
        f"{whole.calls:,} {'call' if whole.calls == 1 else 'calls'}",
        f"{format.percent(whole.failed_share)} failed",
        f"{format.tokens(whole.prompt_tokens)} in, {format.percent(whole.cache_share)} cached",
        f"{format.tokens(whole.output_tokens)} out",
        f"{format.usd(whole.charged_micro)} charged",
        f"{_cost(whole, whole.upstream_micro)} upstream",
        f"{format.usd(whole.overhead_micro)} lost races",
        f"{_cost(whole, whole.margin_micro)} margin",
    ]


class UsageScreen(ListScreen[Row]):
    CONTEXT = "usage"
    BINDINGS: ClassVar[list[BindingType]] = bindings("usage")
    NAME = "usage"
    # Sums over a long history cost tens of milliseconds; a second more or less changes nothing in them.
    REFRESH_S = 5.0

    def __init__(self) -> None:
        super().__init__()
        self.view: View = "model"
        self.period: Period = PERIODS[2]
        self.data: UsageData | None = None

    # -- what is shown

    def above(self) -> ComposeResult:
        yield Static("", id="views", classes="headline")
        yield WholeBar("", id="whole", classes="headline")
        yield TrendBar("", id="trend", classes="headline")

    def below(self) -> ComposeResult:
        # plotext takes a tenth of a second to import: not before this screen is opened.
        from admin_tui.widgets.plot import Plot

        yield Plot(id="plot")

    def on_mount(self) -> None:
        self._set_columns()

    def key_of(self, row: Row) -> object:
        return row.identity

    def read(self, database: Database) -> Any:
        return load(database, self.view, self.period, self.console.now())

    def show(self, data: Any) -> None:
        read: UsageData = data
        if (read.view, read.period) != (self.view, self.period):
            # Read before another view was chosen; the next read is under way.
            return
        self.data = read
        super().show(read.rows)
        for line in ("#whole", "#trend", "#plot"):
            self.query_one(line).set_class(not read.rows, "hidden")
        self._draw()

    def detail(self, row: Row) -> Iterable[Fact]:
        return facts(row)

    def copied(self, row: Row) -> str:
        return row.name

    def empty_text(self) -> str:
        since_at, _ = self.period.window(self.console.now())
        longer = "[b]p[/b] shows a longer period." if self.period is not PERIODS[-1] else "[b]p[/b] shows another."
        return (
            f"Nothing billed since {format.day(since_at)}. {longer}\n\nCalls are seen as they come on [b]1[/b], Live."
        )

    def note(self) -> str:
        return "  ".join(filter(None, [self.period.label, super().note()]))

    def _set_columns(self) -> None:
        hours = self.view == "hour"
        table = self.table
        name: Column[Any] = Column[Part](self.view.upper(), lambda row: row.name)
        table.columns = _HOURS if hours else (name, *_PARTS)
        if hours:
            table.sorted_by = ""
        views = [styled(f" {view} ", "strong" if view == self.view else "dim") for view in VIEWS]
        here = VIEWS.index(self.view)
        views[here] = Content.styled(f" {self.view} ", "bold reverse $primary")
        self.query_one("#views", Static).update(Content.assemble(styled("by "), *views))

    def _draw(self) -> None:
        from admin_tui.widgets.plot import Plot

        plot = self.query_one("#plot", Plot)
        rows = self._all
        if rows and isinstance(rows[0], Hours):
            bars = [(f"{hour:02}", float(count)) for hour, count in enumerate(rows[0].calls)]
            plot.draw("calls by hour of the day (UTC)", bars, over_time=True)
            return
        parts = [row for row in rows if isinstance(row, Part)]
        bars = [(row.name, row.total.charged_micro / 1_000_000) for row in parts]
        if self.view == "day":
            plot.draw("charged a day, $", [(name[5:], value) for name, value in reversed(bars)], over_time=True)
        else:
            plot.draw(f"charged by {self.view}, $", bars[:_MOST_BARS], over_time=False)

    # -- commands

    def refusal(self, each: Command) -> str:
        if each.id == "usage.export" and not (self.is_mounted and self.table.rows):
            return "Nothing is shown."
        return super().refusal(each)

    def do_by(self) -> None:
        self._turn_to(VIEWS[(VIEWS.index(self.view) + 1) % len(VIEWS)])

    def do_by_before(self) -> None:
        self._turn_to(VIEWS[VIEWS.index(self.view) - 1])

    def do_period(self) -> None:
        self._go_over(PERIODS[(PERIODS.index(self.period) + 1) % len(PERIODS)])

    def do_period_before(self) -> None:
        self._go_over(PERIODS[PERIODS.index(self.period) - 1])

    def _turn_to(self, view: View) -> None:
        self.view = view
        # The rows of another view have no place under these columns.
        self.table.set_rows([])
        self._set_columns()
        self.table.to_top()
        self.reload()

    def _go_over(self, period: Period) -> None:
        self.period = period
        self.renew_bars()
        self.reload()

    def do_export(self) -> None:
        if self.data is None:
            return
        records = exported(self.data.view, self.table.rows)
        # The days before the date that the file's name ends with.
        name = f"usage-by-{self.data.view}-{self.data.period.days}d"
        ask_export(self.console, Sheet(name, tuple(records[0]), [tuple(each.values()) for each in records]))
