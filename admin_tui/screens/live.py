"""Live: the calls in flight as they move, and beneath them the ones that ended, the newest at the foot."""

from time import monotonic
from typing import Any, ClassVar, NamedTuple, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Static

from admin_tui import filters
from admin_tui.keymap import Command, bindings
from admin_tui.screens import live_rows
from admin_tui.screens.call import CallScreen
from admin_tui.screens.lists import ListScreen
from admin_tui.screens.live_rows import LiveRow
from admin_tui.widgets.facts import Fact
from admin_tui.widgets.table import Table
from gateway.errors import StoreUnavailable
from gateway.how_to_call import DEFAULT_URL, served_at
from gateway.store.database import Database
from gateway.store.queries.call_filter import CallFilter, matches
from gateway.store.queries.calls import call_page
from gateway.store.queries.live import Arrivals, follow_calls, live_cursor
from gateway.store.queries.names import Names, load_names

KEPT = 500
"""Rows that following keeps; what is scrolled back to comes on top of that."""
_PAGE = 100
# As many rows as one look takes in, four times a second: above that it samples.
_AT_ONCE = 100
_NAMES_EVERY_S = 2.0
# Nobody looked for so long that what came meanwhile is past, not present.
_AWAY_S = 10.0


class Look(NamedTuple):
    """What one look found. `page` is the newest past, read once at the beginning; None after that."""

    names: Names
    wanted: CallFilter
    arrivals: Arrivals
    page: list[LiveRow] | None
    older_id: str | None
    filter: str


class LiveScreen(ListScreen[LiveRow]):
    """Follows at the end; any move upwards pauses and counts what waits. Scrolling to the top reads further back."""

    CONTEXT = "live"
    NAME = "live"
    BINDINGS: ClassVar[list[BindingType]] = bindings("live")
    COLUMNS = live_rows.ENDED
    LEFT_OUT = frozenset({"list.mark", "list.sort", "list.reverse"})
    REFRESH_S = 0.2
    AGES_S = 1.0

    def __init__(self) -> None:
        super().__init__()
        self.following = True
        self._waiting: list[LiveRow] = []
        self._missed = 0
        self._sampled = ""
        self._names: Names | None = None
        self._names_at = 0.0
        self._cursor: int | None = None
        self._open_ids: frozenset[str] = frozenset()
        self._older_id: str | None = None
        self._looked_at = monotonic()

    # -- the frame

    def above(self) -> ComposeResult:
        yield Table[LiveRow](live_rows.in_flight(lambda: self.console.now()), self.key_of, id="open")

    def below(self) -> ComposeResult:
        yield Static("", id="banner", classes="banner hidden")

    @property
    def open_table(self) -> Table[LiveRow]:
        return cast(Table[LiveRow], self.query_one("#open", Table))

    @property
    def active(self) -> Table[LiveRow]:
        if self.open_table.has_focus and self.open_table.rows:
            return self.open_table
        return self.table if self.table.rows else self.open_table

    def key_of(self, row: LiveRow) -> object:
        return row.call.id

    def filter_hint(self) -> str:
        return "key:alpha model:sonnet status:5xx account:main >0.10 word; ! before any of them leaves it out"

    def check_filter(self, text: str) -> None:
        filters.parse(text)

    def empty_text(self) -> str:
        if self.open_table.rows:
            return "[dim]None has ended yet.[/dim]"
        beat = self.console.header.beat if self.console.header else None
        return live_rows.how_to_begin(served_at([beat.address] if beat else []) or DEFAULT_URL)

    # -- reading

    def read(self, database: Database) -> Any:
        """What came since the last look; the newest past as well where there was none."""
        names = self._names
        if names is None or monotonic() - self._names_at > _NAMES_EVERY_S:
            names = load_names(database)
        text = self._filter
        wanted = filters.parse(text).resolve(names)
        page: list[LiveRow] | None = None
        older_id: str | None = None
        cursor = self._cursor
        if cursor is None:
            cursor = live_cursor(database)
            page, older_id = _past(database, wanted, names, None)
        arrivals = follow_calls(database, cursor, self._open_ids, limit=_AT_ONCE)
        return Look(names, wanted, arrivals, page, older_id, text)

    def show(self, data: Any) -> None:
        look = cast(Look, data)
        elapsed_s = max(0.05, monotonic() - self._looked_at)
        self._looked_at = monotonic()
        was_away = look.page is None and look.arrivals.skipped > 0 and elapsed_s > _AWAY_S
        if look.filter != self._filter or (was_away and self.following):
            # Rather the newest past anew than a list with a hole in it.
            self._cursor = None
            self.reload()
            return
        if look.names is not self._names:
            self._names, self._names_at = look.names, monotonic()
        first = look.page is not None
        if look.page is not None:
            self._loaded = True
            self._all, self._waiting, self._missed = look.page, [], 0
            self._older_id = look.older_id
        self._cursor, self._open_ids = look.arrivals.cursor, look.arrivals.open_ids
        self._show_open(look)
        fresh = [LiveRow(call, look.names) for call in look.arrivals.settled if matches(look.wanted, call)]
        self._add(fresh, look.arrivals.skipped, first)
        if not self._all:
            # The gateway's address may have become known.
            self._show_emptiness()
        if self.open_table.has_focus and self.active is self.table:
            # The calls it was among have ended.
            self.table.focus()
        self.show_detail()
        self._say_rate(look.arrivals, elapsed_s)
        self._show_banner()

    def _show_open(self, look: Look) -> None:
        rows = [
            LiveRow(story.call, look.names, tuple(story.attempts))
            for story in reversed(look.arrivals.in_flight)
            if matches(look.wanted, story.call)
        ]
        self.open_table.set_rows(rows)
        subtitle = f" {self._in_flight(len(look.arrivals.open_ids))} "
        if self.open_table.border_subtitle != subtitle:
            self.open_table.border_subtitle = subtitle

    def _in_flight(self, rows: int) -> str:
        """As many as the top line says. A call has a row only once it is a second old."""
        header = self.console.header
        if header is None or not header.alive:
            return f"{rows:,} in flight when last heard of" if rows else "nothing in flight"
        if header.open_calls > rows:
            return f"{header.open_calls:,} in flight, {rows:,} for a second or more"
        return f"{rows:,} in flight" if rows else "nothing in flight"

    def _add(self, rows: list[LiveRow], skipped: int, first: bool) -> None:
        known = {row.call.id for row in self._all[-KEPT:]} | {row.call.id for row in self._waiting}
        fresh = [row for row in rows if row.call.id not in known]
        if self.following:
            if fresh or first:
                self._all = [*self._all, *fresh][-KEPT:]
                self._show_rows()
                self.table.to_bottom()
            return
        self._waiting += fresh
        self._missed += max(0, len(self._waiting) - KEPT) + (0 if self._filter else skipped)
        self._waiting = self._waiting[-KEPT:]

    def _show_rows(self) -> None:
        self.table.set_rows(self._all)
        self._show_emptiness()
        self.show_detail()

    def apply_filter(self) -> None:
        """Another filter begins anew, with the newest past that it lets through."""
        self._cursor = None
        self.following = True
        self.reload()

    # -- following and pausing

    def do_follow(self) -> None:
        if self.following:
            self._pause()
        else:
            self._resume()

    def do_bottom(self) -> None:
        if self.active is self.table:
            self._resume()
        else:
            self.open_table.to_bottom()

    def do_switch(self) -> None:
        self.set_focus(self.table if self.active is self.open_table and self.table.rows else self.open_table)
        self.show_detail()

    def _pause(self) -> None:
        self.following = False
        self._show_banner()

    def _resume(self) -> None:
        if self._missed:
            self.apply_filter()
            return
        self.following = True
        self._all = [*self._all, *self._waiting][-KEPT:]
        self._waiting, self._missed = [], 0
        self._show_rows()
        self.table.to_bottom()
        self._show_banner()

    @on(Table.CursorMoved)
    def on_cursor_moved(self, event: Table.CursorMoved) -> None:
        event.prevent_default()
        table = self.table
        if event.table is table:
            if self.following and table.cursor < len(table.rows) - 1:
                self._pause()
            if not self.following and table.cursor < _PAGE // 4 and self._older_id and not self._paging:
                self._paging = True
                self.run_worker(self._read_back(self._older_id), group="page")
        self.show_detail()

    async def _read_back(self, older_id: str) -> None:
        names, text = self._names, self._filter
        assert names is not None
        wanted = filters.parse(text).resolve(names)
        try:
            page, further_id = await self.console.feed.read(lambda database: _past(database, wanted, names, older_id))
        except StoreUnavailable:
            # The header says it; the next move upwards tries again.
            self.renew_bars()
            return
        finally:
            self._paging = False
        if self.is_there and not self.following and text == self._filter:
            self._older_id = further_id
            known = {row.call.id for row in self._all}
            self._all = [*(row for row in page if row.call.id not in known), *self._all]
            self._show_rows()

    def _say_rate(self, arrivals: Arrivals, elapsed_s: float) -> None:
        rate = (len(arrivals.settled) + arrivals.skipped) / elapsed_s
        self._sampled = f"{rate:,.0f} rows/s, sampling" if arrivals.skipped else ""

    def _show_banner(self) -> None:
        text = self._sampled
        if not self.following:
            count = len(self._waiting) + self._missed
            waiting = f" · {count:,} new row{'' if count == 1 else 's'}" if count else ""
            text = f"paused{waiting} · press f to follow" + (f" · {text}" if text else "")
        banner = self.query_one("#banner", Static)
        if banner.content != Content(text):
            banner.update(Content(text), layout=False)
        banner.set_class(not text, "hidden")

    # -- one call

    def detail(self, row: LiveRow) -> list[Fact]:
        return live_rows.summary(row, self.console.now())

    def open(self, row: LiveRow) -> None:
        self.app.push_screen(CallScreen(row.call.id, self._neighbour))

    def _neighbour(self, call_id: str, step: int) -> str | None:
        """The call before (-1) or after (1) this one in the list, which the cursor then stands on."""
        rows = self.table.rows
        at = next((at for at, row in enumerate(rows) if row.call.id == call_id), None)
        if at is None or not 0 <= at + step < len(rows):
            return None
        self.table.move(at + step - self.table.cursor)
        return rows[at + step].call.id

    def refusal(self, each: Command) -> str:
        if each.id == "live.switch" and not self.open_table.rows:
            return "Nothing is in flight for a second or more."
        return ""


def _past(
    database: Database, wanted: CallFilter, names: Names, before_id: str | None
) -> tuple[list[LiveRow], str | None]:
    """A page of calls that ended, the oldest first, and where the one before it begins."""
    page = call_page(database, wanted, before_id=before_id, limit=_PAGE)
    rows = [LiveRow(call, names) for call in reversed(page.calls) if call.state == "settled"]
    return rows, page.before_id
