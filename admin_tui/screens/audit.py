"""Audit: who changed what, and when; newest first, a page at a time."""

from collections.abc import Iterable
from typing import Any, ClassVar

import msgspec
from textual.binding import BindingType

from admin_tui import format
from admin_tui.filters import parse_words
from admin_tui.format import Cell
from admin_tui.keymap import bindings
from admin_tui.screens.lists import ListScreen
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Column
from gateway.billing.money import format_usd
from gateway.errors import StoreUnavailable
from gateway.store.database import Database
from gateway.store.queries.audit import AuditPage, audit_page
from gateway.store.queries.views import AuditEntry

PAGE = 100
# What one read looks back at most, in steps of 20,000 entries: a word that is nowhere is not looked for for ever.
_STEPS = 10

_EMPTY = """[b]Nothing was changed yet.[/b]

Every change an operator makes stands here: who made it, when, and to what. A secret never does."""


class AuditScreen(ListScreen[AuditEntry]):
    CONTEXT = "audit"
    BINDINGS: ClassVar[list[BindingType]] = bindings("audit")
    NAME = "audit"
    PAGED = True
    LEFT_OUT = frozenset({"list.mark", "list.sort", "list.reverse"})
    COLUMNS = (
        Column[AuditEntry]("TIME", lambda row: Cell(format.instant(row.at)[5:], "dim"), width=14, below_width=100),
        Column[AuditEntry]("TIME", lambda row: Cell(format.instant(row.at), "dim"), width=19, from_width=100),
        Column[AuditEntry]("WHO", lambda row: row.actor, width=13, below_width=100),
        Column[AuditEntry]("WHO", lambda row: row.actor, width=20, from_width=100),
        Column[AuditEntry]("DID", lambda row: Cell(row.action, tone_of(row.action)), width=16),
        Column[AuditEntry]("TO", lambda row: row.subject, width=12, below_width=100),
        Column[AuditEntry]("TO", lambda row: row.subject, width=28, from_width=100),
        Column[AuditEntry]("WITH", lambda row: Cell(details_words(row.details), "dim")),
    )

    def __init__(self) -> None:
        super().__init__()
        # Where older entries go on; None: there are none.
        self._before_id: int | None = None

    def key_of(self, row: AuditEntry) -> int:
        return row.id

    def copied(self, row: AuditEntry) -> str:
        return row.subject

    def filter_hint(self) -> str:
        return "words of who, what, which and with what; !word leaves it out"

    # -- reading: the filter is the database's business

    def read(self, database: Database) -> Any:
        return self.filter, _look_back(database, self.filter, None)

    def show(self, data: Any) -> None:
        text, page = data
        if text != self.filter:
            # Read before another filter was typed; the next read is under way.
            return
        if len(self._all) <= len(page.entries):
            self._before_id = page.before_id
        super().show(page.entries)

    def apply_filter(self) -> None:
        self.table.set_rows(self._all)
        self._show_emptiness()
        self.show_detail()

    def set_filter(self, text: str) -> None:
        before = self.filter
        super().set_filter(text)
        if self.filter != before:
            self._all = []
            self._before_id = None
            self.table.to_top()
            self.reload()

    async def _read_on(self, last: AuditEntry) -> None:
        before_id, text = self._before_id, self.filter
        try:
            if before_id is None:
                return
            page = await self.console.feed.read(lambda database: _look_back(database, text, before_id))
            if text == self.filter and before_id == self._before_id:
                self._before_id = page.before_id
                self._all = [*self._all, *page.entries]
                self.apply_filter()
        except StoreUnavailable:
            # The header says it; the next move towards the end tries again.
            self.renew_bars()
        finally:
            self._paging = False

    # -- showing

    def detail(self, row: AuditEntry) -> Iterable[Fact]:
        yield (row.action, "")
        yield ("to", row.subject)
        yield ("by", row.actor)
        yield ("at", f"{format.instant(row.at)} UTC, {format.ago(row.at, self.console.now())}")
        yield ("entry", str(row.id))
        if row.details:
            yield ("", "")
        for name, value in row.details.items():
            yield (name.removesuffix("_micro").replace("_", " "), value_words(name, value) or '""')

    def empty_text(self) -> str:
        return _EMPTY

    def check_filter(self, text: str) -> None:
        parse_words(text)


def _look_back(database: Database, text: str, before_id: int | None) -> AuditPage:
    """A page; where little matches, what a bounded look back found."""
    words = parse_words(text)
    found: list[AuditEntry] = []
    for _ in range(_STEPS):
        page = audit_page(database, words, before_id=before_id, limit=PAGE - len(found))
        found += page.entries
        before_id = page.before_id
        if before_id is None or len(found) >= PAGE:
            break
    return AuditPage(found, before_id)


_FINAL = ("remove", "revoke", "unalias")
_SWITCHED = ("disable", "drain", "adjust", "unset")


def tone_of(action: str) -> format.Tone:
    """What cannot be taken back stands out."""
    verb = action.partition(".")[2]
    return "bad" if verb in _FINAL else "warn" if verb in _SWITCHED else ""


def details_words(details: dict[str, Any]) -> str:
    """`priority 10, models claude-* gpt-*`: what says something; the page of the entry has all of it."""
    told = {name: value_words(name, value) for name, value in details.items() if value not in (None, "", [], {})}
    return ", ".join(f"{name.removesuffix('_micro')} {words}" for name, words in told.items())


def value_words(name: str, value: Any) -> str:
    """A detail as a person reads it: money in dollars, instants in UTC, lists without brackets."""
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        if name.endswith("_micro"):
            return format_usd(value)
        return format.instant(value) if name.endswith("_at") else f"{value:,}"
    if isinstance(value, list):
        return " ".join(str(each) for each in value) or "none"
    if isinstance(value, dict):
        return msgspec.json.encode(value).decode() if value else "none"
    return str(value)
