"""A screen with a table: moving, marking, sorting, filtering; a detail pane; what to do where there is nothing."""

from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.content import Content
from textual.widgets import Input, Static

from admin_tui import format
from admin_tui.filters import FilterError, row_filter
from admin_tui.keymap import Command, bindings
from admin_tui.screens.base import ConsoleScreen
from admin_tui.widgets.facts import Fact, Facts
from admin_tui.widgets.still import StillHorizontal, StillScroll, StillVertical, quiet_size
from admin_tui.widgets.table import Column, Table
from gateway.errors import StoreUnavailable
from gateway.store.database import Database

Row = TypeVar("Row")


class FilterLine(Input):
    """Where a filter is typed. Enter holds at once, so that the key behind it is about the rows that are left."""

    virtual_size = quiet_size()

    async def action_submit(self) -> None:
        cast("ListScreen[Any]", self.screen).take_filter(self.value)


class ListScreen(ConsoleScreen, Generic[Row]):
    """A subclass names its `COLUMNS`, gives `key_of` and reads a list of rows in `read`.

    `detail` fills the pane beside the table (from 110 columns on), which `enter` opens as a page: every command goes on
    working there, and j and k turn to the next row.
    A list that is paged sets `PAGED` and implements `read_page`.
    """

    CONTEXT = "list"
    BINDINGS: ClassVar[list[BindingType]] = bindings("list")
    COLUMNS: Sequence[Column[Any]] = ()
    # The screen's name in the user's preferences; filters and sort orders are kept under it. "" keeps none.
    NAME: ClassVar[str] = ""
    SORT: ClassVar[tuple[str, bool]] = ("", False)
    PAGED: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self._all: list[Row] = []
        self._filter = ""
        self._loaded = False
        self._paging = False
        self._exhausted = False

    # -- what a subclass says

    def key_of(self, row: Row) -> object:
        """What tells a row from every other, whatever changes about it."""
        raise NotImplementedError

    def read(self, database: Database) -> list[Row]:
        """Every row, or the first page where the list is paged. Runs in a thread."""
        raise NotImplementedError

    def read_page(self, database: Database, after: Row) -> list[Row]:
        """The rows after `after`; none where it was the last. Runs in a thread."""
        return []

    def detail(self, row: Row) -> Iterable[Fact]:
        """What there is to know of a row."""
        return ()

    def empty_text(self) -> str:
        """What to do where there is nothing. Markup, so that a command stands out."""
        return "Nothing here yet."

    def words_of(self, row: Row) -> list[str]:
        """What the filter looks through: unless said otherwise, what stands in the columns."""
        return [format.plain(column.cell(row)) for column in self.table.columns]

    def copied(self, row: Row) -> str:
        """What `y` copies."""
        return str(self.key_of(row))

    def open(self, row: Row) -> None:
        """What `enter` does: unless said otherwise the pane takes the whole page, until `esc`."""
        self.add_class("-reading")

    # -- the frame

    def body(self) -> ComposeResult:
        with StillHorizontal(id="columns"):
            with StillVertical(id="list"):
                yield from self.above()
                yield Table[Row](self.COLUMNS, self.key_of, id="table")
                yield Static("", id="empty", classes="hidden")
                yield from self.below()
            with StillScroll(id="pane", can_focus=False):
                yield Facts(id="detail")
        yield Static("", id="problem", classes="hidden")
        hint = self.filter_hint()
        yield FilterLine(id="filter", classes="hidden", placeholder=hint, compact=True, select_on_focus=False)

    def above(self) -> ComposeResult:
        """Widgets above the table."""
        yield from ()

    def below(self) -> ComposeResult:
        """Widgets under the table."""
        yield from ()

    def check_filter(self, text: str) -> None:
        """Raises FilterError. A subclass with a filter language of its own overrides this and `apply_filter`."""
        row_filter(text)

    def filter_hint(self) -> str:
        return "words that must be there; !word leaves it out"

    @property
    def table(self) -> Table[Row]:
        return self.query_one("#table", Table)

    @property
    def active(self) -> Table[Row]:
        """The table that keys go to: where a screen has several, the one with the focus."""
        return self.table

    @property
    def selected(self) -> Row | None:
        return self.active.selected if self.is_mounted else None

    @property
    def filter(self) -> str:
        return self._filter

    def on_mount(self) -> None:
        preferences = self.console.preferences
        self._filter = preferences.filters.get(self.NAME, "") if self.NAME else ""
        heading, falling = self.SORT
        kept = preferences.sorts.get(self.NAME, "")
        if kept:
            heading, falling = kept.removeprefix("-"), kept.startswith("-")
        self.table.sorted_by, self.table.falling = heading, falling
        self.table.focus()

    def note(self) -> str:
        parts = [f"/{self._filter}"] if self._filter else []
        marked = len(self.table.marked) if self.is_mounted else 0
        return "  ".join([*parts, f"{marked} marked"] if marked else parts)

    # -- showing

    def show(self, data: list[Row]) -> None:
        if self.PAGED and len(self._all) > len(data):
            # Pages that were read stay: the first page is only put in front of them.
            fresh = {self.key_of(row) for row in data}
            data = [*data, *(row for row in self._all if self.key_of(row) not in fresh)]
        self._loaded = True
        self._all = data
        self.apply_filter()

    def apply_filter(self) -> None:
        """Show the rows that the filter lets through."""
        wanted = row_filter(self._filter)
        self.table.set_rows([row for row in self._all if wanted(self.words_of(row))] if self._filter else self._all)
        self._show_emptiness()
        self.show_detail()

    def _show_emptiness(self) -> None:
        empty = self._loaded and not self.table.rows
        text = f"Nothing matches [b]{Content(self._filter).markup}[/b]. [dim]esc clears the filter.[/dim]"
        if empty:
            line, said = self.query_one("#empty", Static), text if self._filter else self.empty_text()
            if line.content != said:
                line.update(said)
        self.query_one("#empty").set_class(not empty, "hidden")
        appears = self.table.has_class("hidden") and not empty
        self.table.set_class(empty, "hidden")
        if appears and not isinstance(self.focused, Input):
            # What is hidden loses the focus.
            self.table.focus()

    def show_detail(self) -> None:
        """The pane beside the table says what there is to know of the selected row."""
        row = self.selected
        self.query_one("#detail", Facts).show(() if row is None else self.detail(row))

    @on(Table.CursorMoved)
    def on_cursor_moved(self, event: Table.CursorMoved) -> None:
        self.show_detail()
        self.renew_bars()
        if event.near_end and self.PAGED and not self._paging and not self._exhausted and self._all:
            self._paging = True
            self.run_worker(self._read_on(self._all[-1]), group="page")

    async def _read_on(self, last: Row) -> None:
        try:
            page = await self.console.feed.read(lambda database: self.read_page(database, last))
            self._exhausted = not page
            if page and self.is_there:
                self._all = [*self._all, *page]
                self.apply_filter()
        except StoreUnavailable:
            # The header says it; the next move towards the end tries again.
            self.renew_bars()
        finally:
            self._paging = False

    @on(Table.Opened)
    def on_opened(self) -> None:
        self.do_open()

    # -- commands

    def why_not(self, each: Command) -> str:
        if not self.is_mounted:
            return ""
        if each.needs == "row" and self.selected is None:
            return "Nothing is selected."
        return super().why_not(each)

    def do_down(self) -> None:
        self.active.move(1)

    def do_up(self) -> None:
        self.active.move(-1)

    def do_page_down(self) -> None:
        self._page(1)

    def do_page_up(self) -> None:
        self._page(-1)

    def _page(self, direction: int) -> None:
        if self.has_class("-reading"):
            pane = self.query_one("#pane")
            pane.scroll_relative(y=direction * max(1, pane.size.height - 1), animate=False)
        else:
            self.active.page(direction)

    def do_top(self) -> None:
        self.active.to_top()

    def do_bottom(self) -> None:
        self.active.to_bottom()

    def do_open(self) -> None:
        if self.selected is not None:
            self.open(self.selected)

    def do_mark(self) -> None:
        self.table.toggle_mark()

    def do_copy(self) -> None:
        if self.selected is not None:
            text = self.copied(self.selected)
            self.console.send_to_clipboard(text)
            self.console.say(f"{text} sent to the terminal's clipboard.")

    def do_sort(self) -> None:
        """The next column that can be sorted by; after the last one, the order of the list itself."""
        # A column may be there twice, for narrow tables and for wide ones.
        headings = list(dict.fromkeys(["", *(column.heading for column in self.table.columns if column.sort)]))
        current = self.table.sorted_by if self.table.sorted_by in headings else ""
        heading = headings[(headings.index(current) + 1) % len(headings)]
        falling = any(column.falling for column in self.table.columns if column.heading == heading)
        self._sort(heading, falling)

    def do_reverse(self) -> None:
        self._sort(self.table.sorted_by, not self.table.falling)

    def _sort(self, heading: str, falling: bool) -> None:
        self.table.sort(heading, falling=falling)
        if not heading:
            self.apply_filter()
        if self.NAME:
            self.console.remember("sorts", self.NAME, ("-" if falling else "") + heading)
        self.show_detail()

    # -- the filter

    def do_filter(self) -> None:
        line = self.query_one("#filter", Input)
        line.value = self._filter
        line.remove_class("hidden")
        # At once: what is typed next is no command.
        self.set_focus(line)
        line.select_all()

    def do_back(self) -> None:
        """Out of the detail, then of the filter, then of the marks, then of the page."""
        if self.has_class("-reading"):
            self.remove_class("-reading")
        elif not self.query_one("#filter").has_class("hidden") or self._filter:
            self.set_filter("")
            self._close_filter()
        elif self.table.marked:
            self.table.marked.clear()
            self.table.refresh()
        else:
            super().do_back()

    def set_filter(self, text: str) -> None:
        """Filter by this from now on; what cannot be read is said, and the filter before goes on."""
        try:
            self.check_filter(text.strip())
        except FilterError as error:
            self._complain(error.message)
            return
        self._complain("")
        self._filter = text.strip()
        self._exhausted = False
        self.apply_filter()
        self.renew_bars()
        if self.NAME:
            self.console.remember("filters", self.NAME, self._filter)

    @on(Input.Changed, "#filter")
    def on_filter_typed(self, event: Input.Changed) -> None:
        if not event.input.has_class("hidden"):
            self.set_filter(event.value)

    def take_filter(self, text: str) -> None:
        """Enter was pressed in its line."""
        if text.strip() != self._filter:
            self.set_filter(text)
        self._close_filter()

    def _complain(self, problem: str) -> None:
        line = self.query_one("#problem", Static)
        if line.content != Content(problem):
            line.update(Content(problem), layout=False)
        line.set_class(not problem, "hidden")

    def _close_filter(self) -> None:
        self._complain("")
        self.query_one("#filter").add_class("hidden")
        self.set_focus(self.table)
