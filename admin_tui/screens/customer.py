"""A customer's own page: what it has, what it may spend, and its ledger as a statement."""

from collections.abc import Iterable
from typing import Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.format import Cell
from admin_tui.keymap import Command, bindings
from admin_tui.screens.base import WIDE
from admin_tui.screens.call import CallScreen
from admin_tui.screens.crossing import to_calls, to_keys
from admin_tui.screens.customer_facts import Payer, balance_tone, customer_facts, held, read_payers, runway
from admin_tui.screens.forms import export
from admin_tui.screens.forms.customer_forms import ask_adjust, ask_edit_customer, ask_topup, switch_customers
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.bars import styled
from admin_tui.widgets.facts import Fact, Facts
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.records import LedgerEntry
from gateway.store.database import Database, read_transaction
from gateway.store.queries.ledger import StatementLine, statement_page
from gateway.store.queries.names import load_names

PAGE = 100
# While a filter lets little through, this many further pages are read to fill the screen.
_FURTHER_PAGES = 20
_KINDS = {"charge": "call", "topup": "top-up", "adjust": "adjusted"}


class Line(NamedTuple):
    """A line of the statement, with the name of the charged call's key ("" for none)."""

    line: StatementLine
    key: str

    @property
    def entry(self) -> LedgerEntry:
        return self.line.entry


class Account(NamedTuple):
    """What was read: `payer` is None where the customer is not there."""

    payer: Payer | None
    lines: list[Line]


class CustomerScreen(ListScreen[Line]):
    """The statement, newest first, a page at a time. Enter on a charge opens its call."""

    CONTEXT = "customers"
    BINDINGS: ClassVar[list[BindingType]] = bindings("customers")
    PAGED = True
    LEFT_OUT = frozenset({"list.sort", "list.reverse", "list.mark"})
    COLUMNS = (
        Column[Line]("TIME", lambda row: Cell(format.instant(row.entry.at)[:16], "dim"), width=16),
        Column[Line]("KIND", lambda row: _kind(row), width=8),
        Column[Line]("AMOUNT", lambda row: _amount(row), width=13, right=True),
        Column[Line]("BALANCE", lambda row: _aligned(format_usd(row.line.balance_micro)), width=16, right=True),
        Column[Line]("WHAT", lambda row: _what(row)),
        Column[Line]("KEY", lambda row: row.key, width=14, from_width=110),
        Column[Line]("BY", lambda row: Cell(row.entry.actor, "dim"), width=14, from_width=110),
    )

    def __init__(self, customer_id: int) -> None:
        super().__init__()
        self._customer_id = customer_id
        self._payer: Payer | None = None
        self._pages_left = 0

    def key_of(self, row: Line) -> int:
        return row.entry.id

    def copied(self, row: Line) -> str:
        return row.entry.call_id or row.entry.note or str(row.entry.id)

    def note(self) -> str:
        return "  ".join(filter(None, (super().note(), self._payer.name if self._payer else "")))

    def filter_hint(self) -> str:
        return "words of the lines read so far: a model, a note, top-up"

    # -- reading

    def read(self, database: Database) -> Any:
        with read_transaction(database):
            payers = read_payers(database, self.console.now(), alive=self.alive)
            payer = next((each for each in payers if each.money.customer.id == self._customer_id), None)
            return Account(payer, self._page_after(database, None))

    def read_page(self, database: Database, after: Line) -> list[Line]:
        return self._page_after(database, after.line)

    def _page_after(self, database: Database, after: StatementLine | None) -> list[Line]:
        names = load_names(database)
        page = statement_page(database, self._customer_id, after=after, limit=PAGE)
        return [Line(line, names.of("key", line.key_id)) for line in page]

    def show(self, data: Any) -> None:
        self._payer = data.payer
        if len(data.lines) < PAGE:
            self._exhausted = True
        # Who looks at the newest line goes on doing so; further down the cursor stays where it is.
        newest = self.table.cursor == 0
        super().show(data.lines)
        if newest:
            self.table.to_top()
        self._show_head()

    def apply_filter(self) -> None:
        super().apply_filter()
        self._read_further()

    def set_filter(self, text: str) -> None:
        self._pages_left = _FURTHER_PAGES
        super().set_filter(text)

    def _read_further(self) -> None:
        """A filter that lets little through would else show less than a screenful of a long statement."""
        wanting = bool(self.filter) and len(self.table.rows) < self.size.height
        if wanting and self._pages_left > 0 and not self._paging and not self._exhausted and self._all:
            self._pages_left -= 1
            self._paging = True
            last = self._all[-1]
            self.call_later(lambda: self.run_worker(self._read_on(last), group="page"))

    async def _read_on(self, last: Line) -> None:
        await super()._read_on(last)
        if self.is_there:
            self._show_head()
            self._read_further()

    # -- showing

    def above(self) -> ComposeResult:
        yield Static("", id="customer-head")

    def on_resize(self) -> None:
        self._show_head()

    def _show_head(self) -> None:
        if self._payer is None:
            return
        line = self.query_one("#customer-head", Static)
        line.update(_head(self._payer, brief=self.size.width >= WIDE, read=self._read_back()))

    def _read_back(self) -> str:
        """How far the statement was read, where that is not all of it."""
        if self._exhausted or not self._all:
            return ""
        return f"back to {format.day(self._all[-1].entry.at)}, G reads on"

    def show_detail(self) -> None:
        super().show_detail()
        if self.selected is None and self._payer is not None:
            self._show_facts(customer_facts(self._payer, width=30))

    def _show_facts(self, facts: Iterable[Fact]) -> None:
        self.query_one("#detail", Facts).show(facts)

    def detail(self, row: Line) -> Iterable[Fact]:
        if self._payer is not None and not self.has_class("-reading"):
            yield from customer_facts(self._payer, width=30)
            yield ("", "")
        entry = row.entry
        yield (f"{_KINDS[entry.kind]} {entry.id}", "")
        facts: list[Fact] = [
            ("time", format.instant(entry.at)),
            ("amount", Cell(format_usd(entry.amount_micro), _amount(row).tone)),
            ("balance after", format_usd(row.line.balance_micro)),
            ("model", row.line.model or ""),
            ("key", row.key),
            ("call", entry.call_id or ""),
            ("note", entry.note),
            ("by", entry.actor),
        ]
        yield from (fact for fact in facts if fact[1])

    def empty_text(self) -> str:
        return (
            "[b]Nothing was booked yet.[/b]\n\nTop-ups, adjustments and the charge of every call stand here, each "
            "with the balance it left.\n\nPress [b]$[/b] to top up, or [b]trigate customers topup NAME USD[/b]."
        )

    def words_of(self, row: Line) -> list[str]:
        entry = row.entry
        return [
            _KINDS[entry.kind],
            entry.kind,
            row.line.model or "",
            row.key,
            entry.note,
            entry.actor,
            format.day(entry.at),
        ]

    # -- commands

    def refusal(self, each: Command) -> str:
        if each.context == "customers" and self._payer is None:
            return "The customer is not read yet."
        return ""

    def open(self, row: Line) -> None:
        if row.entry.call_id:
            self.app.push_screen(CallScreen(row.entry.call_id))
        else:
            super().open(row)
            self.show_detail()

    def do_topup(self) -> None:
        if self._payer is not None:
            ask_topup(self.console, self._payer.money.customer, self._payer.money.balance_micro)

    def do_adjust(self) -> None:
        if self._payer is not None:
            ask_adjust(self.console, self._payer.money.customer, self._payer.money.balance_micro)

    def do_edit(self) -> None:
        if self._payer is not None:
            ask_edit_customer(self.console, self._payer.money.customer)

    async def do_disable(self) -> None:
        if self._payer is not None:
            await switch_customers(self.console, [self._payer.money.customer])

    def do_its_calls(self) -> None:
        if self._payer is not None:
            to_calls(self.console, "customer", self._payer.name)

    def do_its_keys(self) -> None:
        if self._payer is not None:
            to_keys(self.console, self._payer.name)

    def do_export(self) -> None:
        if self._payer is None:
            return
        headings = ("entry", "time", "kind", "amount_usd", "balance_usd", "model", "key", "call", "note", "by")
        sheet = export.Sheet(
            f"statement-{export.file_word(self._payer.name)}", headings, [*map(_exported, self.table.rows)]
        )
        export.ask_export(self.console, sheet, self._read_back())


def _head(payer: Payer, *, brief: bool, read: str) -> Content:
    """Two lines; one where the pane says the rest."""
    money, customer = payer.money, payer.money.customer
    if brief:
        return Content.assemble(styled(payer.name, "strong"), styled(f"  statement  {read}", "dim"))
    first = Content.assemble(
        styled(payer.name, "strong"),
        styled("  balance ", "dim"),
        styled(format_usd(money.balance_micro), balance_tone(payer)),
        styled("  held ", "dim"),
        held(payer),
        styled("  runway ", "dim"),
        styled(*runway(payer)),
    )
    limits = [
        f"{format.usd(micro)}/{unit}"
        for unit, micro in (("d", customer.day_limit_micro), ("m", customer.month_limit_micro))
        if micro is not None
    ]
    limited = f"  at most {', '.join(limits)}" if limits else ""
    second = Content.assemble(
        styled(f"today {format.usd(money.spent_today_micro)}  30 days {format.usd(money.spent_30d_micro)}  ", "dim"),
        styled(format.sparkline(list(money.trend)[-15:], 15), "accent"),
        styled(f"  {read}" if read else limited, "dim"),
    )
    return Content.assemble(first, "\n", second)


def _kind(row: Line) -> Cell:
    tones: dict[str, format.Tone] = {"charge": "dim", "topup": "good", "adjust": "warn"}
    return Cell(_KINDS[row.entry.kind], tones[row.entry.kind])


def _what(row: Line) -> Cell | str:
    if row.entry.kind != "charge":
        return row.entry.note or Cell(f"by {row.entry.actor}" if row.entry.actor else "", "dim")
    return row.line.model or Cell("its call was pruned", "dim")


def _amount(row: Line) -> Cell:
    amount_micro = row.entry.amount_micro
    text = ("+" if amount_micro > 0 else "") + format_usd(amount_micro)
    return Cell(_aligned(text), "good" if amount_micro > 0 else "")


def _aligned(text: str) -> str:
    """An exact amount with room for six decimals, so that points stand under one another."""
    return text + " " * (6 - len(text.rpartition(".")[2]))


def _exported(row: Line) -> list[export.Value]:
    entry = row.entry
    return [
        entry.id,
        format.instant(entry.at),
        entry.kind,
        export.usd(entry.amount_micro),
        export.usd(row.line.balance_micro),
        row.line.model,
        row.key,
        entry.call_id,
        entry.note,
        entry.actor,
    ]
