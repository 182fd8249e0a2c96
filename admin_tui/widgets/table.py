"""A table that draws only the lines in view: thousands of rows cost as much as a screenful."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.reactive import reactive
from textual.scroll_view import ScrollView
from textual.strip import Strip

from admin_tui.format import Cell, clean, cut

Row = TypeVar("Row")

# Between columns; in a narrow table the room is needed for words.
_GAP, _NARROW_GAP, _NARROW = 2, 1, 100
# A further page is asked for when the cursor is this close to the last row.
_NEAR_END = 30
_LEAST_WIDTH = 8


@dataclass(frozen=True)
class Column(Generic[Row]):
    """A column. `cell` makes its text, with a tone where the text means something good or bad.

    `width` is in cells; one without (0) takes what the others leave. It is there when the table is at least
    `from_width` and less than `below_width` wide. `sort` is what rows are ordered by (None: cannot be sorted by);
    `falling` begins with the largest.
    """

    heading: str
    cell: Callable[[Row], Cell | str]
    width: int = 0
    right: bool = False
    from_width: int = 0
    below_width: int = 1_000
    sort: Callable[[Row], Any] | None = None
    falling: bool = False


class Table(ScrollView, Generic[Row], inherit_bindings=False):
    """Rows, a cursor that stays on its row while others come and go, and marks. Keys are the screen's business."""

    can_focus = True
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--heading", "table--cursor", "table--cursor-idle", "table--mark",
        "table--good", "table--warn", "table--bad", "table--dim", "table--accent", "table--strong",
    }  # fmt: skip

    cursor: reactive[int] = reactive(0)

    class CursorMoved(Message):
        """The cursor is on another row. `near_end` where a paged list should read on."""

        def __init__(self, table: "Table[Any]", near_end: bool) -> None:
            super().__init__()
            self.table = table
            self.near_end = near_end

    class Opened(Message):
        """A row was clicked while the cursor was on it."""

        def __init__(self, table: "Table[Any]") -> None:
            super().__init__()
            self.table = table

    def __init__(self, columns: Sequence[Column[Row]], key: Callable[[Row], object], *, id: str | None = None) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self.key = key
        self.rows: list[Row] = []
        self.marked: set[object] = set()
        self.sorted_by: str = ""
        self.falling = False
        self._sought: object = None

    # -- what is in it

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if 0 <= self.cursor < len(self.rows) else None

    def chosen(self) -> list[Row]:
        """The marked rows, or else the one under the cursor."""
        marked = [row for row in self.rows if self.key(row) in self.marked]
        return marked or ([] if self.selected is None else [self.selected])

    def set_rows(self, rows: Sequence[Row]) -> None:
        """Other rows; the cursor stays on the row it was on, or where it was if that one is gone."""
        selected = self.selected
        held = None if selected is None else self.key(selected)
        self.rows = list(rows)
        self._order()
        if self.marked:
            self.marked &= {self.key(row) for row in self.rows}
        self._resize_content()
        self._hold(held)
        self._find()
        self.refresh()

    def append_rows(self, rows: Sequence[Row]) -> None:
        """A further page at the end."""
        if rows:
            self.set_rows([*self.rows, *rows])

    def sort(self, heading: str, *, falling: bool) -> None:
        """Order by a column; "" leaves the order the rows came in."""
        self.sorted_by, self.falling = heading, falling
        self.set_rows(self.rows)

    def _order(self) -> None:
        column = next((each for each in self.columns if each.heading == self.sorted_by and each.sort), None)
        if column is not None and column.sort is not None:
            by = column.sort
            self.rows.sort(key=lambda row: _sortable(by(row)), reverse=self.falling)

    def _hold(self, held: object) -> None:
        if held is not None and (self.selected is None or self.key(self.selected) != held):
            at = next((at for at, row in enumerate(self.rows) if self.key(row) == held), None)
            if at is not None:
                moved = at - self.cursor
                # The row stays at the height where it was seen.
                self.set_reactive(Table.cursor, at)
                self.scroll_to(y=self.scroll_y + moved, animate=False, immediate=True)
                return
        if self.cursor >= len(self.rows):
            self.cursor = max(0, len(self.rows) - 1)

    # -- moving about

    def seek(self, key: object) -> None:
        """The cursor goes to the row of that key, now or once it is there: what was just made is acted on next."""
        self._sought = key
        self._find()

    def _find(self) -> None:
        if self._sought is None:
            return
        at = next((at for at, row in enumerate(self.rows) if self.key(row) == self._sought), None)
        if at is not None:
            self._sought = None
            self.cursor = at

    def move(self, rows: int) -> None:
        self.cursor = max(0, min(len(self.rows) - 1, self.cursor + rows))

    def page(self, direction: int) -> None:
        self.move(direction * max(1, self.size.height - 2))

    def to_top(self) -> None:
        self.cursor = 0

    def to_bottom(self) -> None:
        self.cursor = max(0, len(self.rows) - 1)

    def toggle_mark(self) -> None:
        """Mark or unmark the row under the cursor, and go one down."""
        if self.selected is not None:
            self.marked ^= {self.key(self.selected)}
            self.refresh()
            self.move(1)

    def watch_cursor(self, old: int, new: int) -> None:
        self.scroll_to_region(Region(0, new, 1, 2), animate=False, force=True, immediate=True)
        self.refresh()
        self.post_message(self.CursorMoved(self, len(self.rows) - new < _NEAR_END))

    def on_resize(self) -> None:
        self._resize_content()

    def on_click(self, event: events.Click) -> None:
        at = int(event.y + self.scroll_offset.y - 1)
        if event.y < 1 or at >= len(self.rows):
            return
        if at == self.cursor:
            self.post_message(self.Opened(self))
        self.cursor = at

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop().prevent_default()
        self.move(3)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop().prevent_default()
        self.move(-3)

    def _resize_content(self) -> None:
        self.virtual_size = Size(self.scrollable_content_region.width, len(self.rows) + 1)

    # -- drawing

    def visible_columns(self) -> list[tuple[Column[Row], int]]:
        """The columns that there is room for, and how wide each is."""
        width = self.scrollable_content_region.width
        shown = [column for column in self.columns if column.from_width <= width < column.below_width]
        fixed = sum(column.width for column in shown) + self._gap * (len(shown) - 1) + 2
        flexible = sum(1 for column in shown if not column.width)
        spare = max(0, width - fixed)
        share, more = divmod(spare, flexible) if flexible else (0, 0)
        widths = []
        for column in shown:
            if column.width:
                widths.append(column.width)
            else:
                widths.append(max(_LEAST_WIDTH, share + (1 if more > 0 else 0)))
                more -= 1
        return list(zip(shown, widths, strict=True))

    @property
    def _gap(self) -> int:
        return _GAP if self.scrollable_content_region.width >= _NARROW else _NARROW_GAP

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        if y == 0:
            return self._heading(width)
        at = y - 1 + self.scroll_offset.y
        if at >= len(self.rows):
            return Strip.blank(width, self.rich_style)
        return self._line(at, width)

    def _heading(self, width: int) -> Strip:
        style = self.rich_style + self.get_component_rich_style("table--heading", partial=True)
        segments = [Segment(" ", style)]
        for number, (column, column_width) in enumerate(self.visible_columns()):
            arrow = ("↓" if self.falling else "↑") if column.heading == self.sorted_by else ""
            segments.append(
                Segment(
                    (" " * self._gap if number else "") + _fit(column.heading + arrow, column_width, column.right),
                    style,
                )
            )
        return Strip(segments).adjust_cell_length(width, style)

    def _line(self, at: int, width: int) -> Strip:
        row = self.rows[at]
        base = self.rich_style
        marked = self.key(row) in self.marked
        if at == self.cursor:
            name = "table--cursor" if self.has_focus else "table--cursor-idle"
            base = base + self.get_component_rich_style(name, partial=True)
        mark_style = base + self.get_component_rich_style("table--mark", partial=True)
        segments = [Segment("✓" if marked else " ", mark_style)]
        for number, (column, column_width) in enumerate(self.visible_columns()):
            made = column.cell(row)
            cell = made if isinstance(made, Cell) else Cell(made)
            style = base + self._tone(cell.tone, at == self.cursor)
            segments.append(
                Segment((" " * self._gap if number else "") + _fit(cell.text, column_width, column.right), style)
            )
        return Strip(segments).adjust_cell_length(width, base)

    def _tone(self, tone: str, under_cursor: bool) -> Style:
        if not tone or (tone == "dim" and under_cursor):
            return Style.null()
        return self.get_component_rich_style(f"table--{tone}", partial=True)


def _fit(text: str, width: int, right: bool) -> str:
    shown = cut(clean(text), width)
    room = " " * (width - cell_len(shown))
    return room + shown if right else shown + room


def _sortable(value: Any) -> tuple[bool, Any]:
    """None is the least of all."""
    return (value is not None, value)
