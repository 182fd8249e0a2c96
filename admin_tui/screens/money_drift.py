"""What the gateway counted at each account in a month beside what the upstream invoiced for it."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.forms import export
from admin_tui.screens.forms.typed import month_at
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.form import Field, Form, Values
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.store.database import Database
from gateway.store.operators import validate
from gateway.store.queries.money import Drift, next_month_start, upstream_drift
from gateway.store.queries.names import load_names
from gateway.store.wallet_reads import month_start

# Rounding and late figures alone make this much.
_SMALL, _LARGE = 0.01, 0.05
_EMPTY = (
    "[b]No accounts yet.[/b]\n\n"
    "Here an upstream's invoice is held against what the gateway counted: a difference means that a price is wrong, "
    "that calls were estimated, or that somebody else uses the credential.\n\n"
    "The screen Accounts ([b]3[/b]) adds one with [b]n[/b]."
)


class Counted(NamedTuple):
    """An account's month. `invoiced` False: nobody typed an invoice's amount, so that there is no difference yet."""

    account: str
    drift: Drift
    invoiced: bool

    @property
    def estimated(self) -> bool:
        return self.drift.estimated_calls > 0 or self.drift.draining_micro > 0

    @property
    def difference_micro(self) -> int | None:
        return self.drift.difference_micro if self.invoiced else None

    @property
    def share(self) -> float | None:
        return self.drift.share if self.invoiced else None


class DriftScreen(ListScreen[Counted]):
    """Amounts of invoices are typed here: `invoices` holds them, (account, month) -> micro-dollars."""

    CONTEXT = "money-drift"
    BINDINGS: ClassVar[list[BindingType]] = bindings("money-drift")
    REFRESH_S = 5.0
    COLUMNS = (
        Column[Counted]("ACCOUNT", lambda row: row.account, sort=lambda row: row.account),
        Column[Counted](
            "CALLS",
            lambda row: format.number(row.drift.calls),
            width=8,
            right=True,
            sort=lambda row: row.drift.calls,
            falling=True,
        ),
        Column[Counted](
            "COUNTED",
            lambda row: format.usd(row.drift.upstream_micro, estimated=row.estimated),
            width=9,
            right=True,
            sort=lambda row: row.drift.upstream_micro,
            falling=True,
        ),
        Column[Counted](
            "RACES",
            lambda row: Cell(format.usd(row.drift.overhead_micro), "dim"),
            width=8,
            right=True,
            sort=lambda row: row.drift.overhead_micro,
            falling=True,
        ),
        Column[Counted](
            "INVOICE",
            lambda row: format.usd(row.drift.invoice_micro if row.invoiced else None),
            width=9,
            right=True,
            sort=lambda row: row.drift.invoice_micro,
            falling=True,
        ),
        Column[Counted](
            "DIFFERENCE",
            lambda row: Cell(_signed(row.difference_micro, estimated=row.estimated), _tone(row)),
            width=11,
            right=True,
            sort=lambda row: row.difference_micro,
            falling=True,
        ),
        Column[Counted](
            "SHARE",
            lambda row: Cell(_share(row.share), _tone(row)),
            width=7,
            right=True,
            sort=lambda row: row.share,
            falling=True,
        ),
    )

    def __init__(self, invoices: dict[tuple[int, int], int]) -> None:
        super().__init__()
        self._month_at = 0
        self._invoices = invoices

    def on_mount(self) -> None:
        # An invoice comes after its month.
        self._month_at = month_start(month_start(self.console.now()) - 1)
        super().on_mount()

    def key_of(self, row: Counted) -> int:
        return row.drift.account_id

    def copied(self, row: Counted) -> str:
        return row.account

    def note(self) -> str:
        return "  ".join(filter(None, (super().note(), "invoices")))

    def above(self) -> ComposeResult:
        yield Static("", id="drift-month", classes="headline")

    def read(self, database: Database) -> list[Counted]:
        month = self._month_at
        found = []
        for account_id, name in sorted(load_names(database).accounts.items(), key=lambda each: each[1]):
            invoice_micro = self._invoices.get((account_id, month))
            drift = upstream_drift(database, account_id, month, invoice_micro or 0)
            found.append(Counted(name, drift, invoice_micro is not None))
        return found

    def show(self, data: list[Counted]) -> None:
        super().show(data)
        month = format.day(self._month_at)[:7]
        over = self._month_at < month_start(self.console.now())
        text = f"{month} (UTC){'' if over else ', not over yet'}   [ ] another month   e types an invoice's amount"
        self.query_one("#drift-month", Static).update(text.replace("[", "\\["))

    def empty_text(self) -> str:
        return _EMPTY

    def detail(self, row: Counted) -> Iterable[Fact]:
        drift, wave = row.drift, "~" if row.estimated else ""
        yield (f"{row.account}  {format.day(drift.month_at)[:7]}", "")
        yield ("calls", format.number(drift.calls))
        yield ("by estimate", f"{drift.estimated_calls:,} of them")
        yield ("", "")
        yield ("counted", wave + format_usd(drift.upstream_micro))
        yield ("of it lost races", format_usd(drift.overhead_micro))
        yield ("still to come", "at most " + format_usd(drift.draining_micro) if drift.draining_micro else "nothing")
        yield ("invoiced", format_usd(drift.invoice_micro) if row.invoiced else format.UNKNOWN)
        yield ("difference", Cell(_signed(row.difference_micro, estimated=row.estimated, exact=True), _tone(row)))
        yield ("of what was counted", _share(row.share))
        yield ("", "")
        yield ("", Cell(_meaning(row), "dim"))

    # -- commands

    def refusal(self, each: Command) -> str:
        if each.id == "money-drift.next" and next_month_start(self._month_at) > self.console.now():
            return "That month has not begun."
        if each.id == "money-drift.export" and not self.table.rows:
            return "There is nothing to export."
        return ""

    def open(self, row: Counted) -> None:
        if row.invoiced:
            super().open(row)
        else:
            self.do_invoice()

    def do_previous(self) -> None:
        self._turn_to(month_start(self._month_at - 1))

    def do_next(self) -> None:
        self._turn_to(next_month_start(self._month_at))

    def _turn_to(self, month: int) -> None:
        self._month_at = month
        self.reload()

    def do_invoice(self) -> None:
        row = self.selected
        if row is None:
            return
        fields = [
            Field("month", "Month", value=format.day(self._month_at)[:7], required=True, check=month_at),
            Field(
                "amount",
                "Invoiced, USD",
                "usd",
                row.drift.invoice_micro if row.invoiced else None,
                check=lambda micro: validate.amount(micro, "invoice", negative=True),
                help="Empty takes it away again.",
            ),
        ]

        async def save(values: Values) -> None:
            month = month_at(values["month"])
            if values["amount"] is None:
                self._invoices.pop((row.drift.account_id, month), None)
            else:
                self._invoices[row.drift.account_id, month] = values["amount"]
            self._turn_to(month)

        note = "It is held against what was counted and kept until this console ends. Nothing is written."
        self.app.push_screen(Form(f"Invoice for {row.account}", fields, save, verb="Compare", note=note))

    def do_export(self) -> None:
        headings = (
            "account", "month", "calls", "estimated_calls", "counted_usd", "lost_races_usd", "still_to_come_usd",
            "invoice_usd", "difference_usd",
        )  # fmt: skip
        rows: list[list[Any]] = [
            [
                row.account,
                format.day(row.drift.month_at)[:7],
                row.drift.calls,
                row.drift.estimated_calls,
                export.usd(row.drift.upstream_micro),
                export.usd(row.drift.overhead_micro),
                export.usd(row.drift.draining_micro),
                export.usd(row.drift.invoice_micro if row.invoiced else None),
                export.usd(row.difference_micro),
            ]
            for row in self.table.rows
        ]
        export.ask_export(self.console, export.Sheet(f"invoices-of-{format.day(self._month_at)[:7]}", headings, rows))


def _signed(micro: int | None, *, estimated: bool, exact: bool = False) -> str:
    if micro is None:
        return format.UNKNOWN
    text = format_usd(micro) if exact else format.usd(micro)
    return ("~" if estimated else "") + ("+" if micro > 0 else "") + text


def _share(share: float | None) -> str:
    if share is None:
        return format.UNKNOWN
    return f"{share * 100:+.1f}%"


def _tone(row: Counted) -> format.Tone:
    if row.share is None:
        return "bad" if row.invoiced and row.drift.invoice_micro else "dim"
    if abs(row.share) <= _SMALL:
        return "good"
    return "warn" if abs(row.share) <= _LARGE else "bad"


def _meaning(row: Counted) -> str:
    """What the difference may come from."""
    if not row.invoiced:
        return "e types the amount of the invoice."
    if row.share is not None and abs(row.share) <= _SMALL:
        return "Within 1%: rounding."
    if row.drift.difference_micro < 0:
        return (
            "The upstream invoiced less than was counted: a price is set too high, or what you pay there is not set "
            "(trigate accounts set --cost)."
        )
    return (
        "The upstream invoiced more than was counted: a price is set too low, estimates were too low, or the "
        "credential is used elsewhere, too."
    )
