"""A table that makes only the lines in view and draws only those that changed, however many rows there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, NamedTuple, TypeVar

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
    """A column. `cell` makes its text, with a tone where the text means something good or bad. It is asked once for a
    row: what it depends on besides, the time for example, is part of the row.

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


class _Shape(NamedTuple):
    """The columns that there is room for in `width` cells, how wide each is, and how far apart they are."""

    columns: tuple[Column[Any], ...]
    width: int
    visible: list[tuple[Column[Any], int]]
    gap: int


class _Line(NamedTuple):
    """A line ready to be drawn. It holds its row, so that no other row can have that one's id."""

    row: object
    at_cursor: bool
    focused: bool
    marked: bool
    strip: Strip


class Table(ScrollView, Generic[Row], inherit_bindings=False):
    """Rows, a cursor that stays on its row while others come and go, and marks. Keys are the screen's business."""

    can_focus = True
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "table--heading", "table--cursor", "table--cursor-idle", "table--mark",
        "table--good", "table--warn", "table--bad", "table--dim", "table--accent", "table--strong",
    }  # fmt: skip

    cursor: reactive[int] = reactive(0, repaint=False)

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
        self._styles_made: dict[str, Style] = {}
        self._lines: dict[int, _Line] = {}
        self._drawn: dict[int, Strip] = {}
        self._shape: _Shape | None = None
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
        self._draw_changes()

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
            self._draw_changes()
            self.move(1)

    def watch_cursor(self, old: int, new: int) -> None:
        self.scroll_to_region(Region(0, new, 1, 2), animate=False, force=True, immediate=True)
        self._draw_changes()
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
        room = self.scrollable_content_region
        size = Size(room.width, len(self.rows) + 1)
        bar_stays = (size.height > room.height) == self.show_vertical_scrollbar
        if not self.is_mounted or not bar_stays or size.width != self.virtual_size.width:
            # Lays out the whole screen.
            self.virtual_size = size
        elif size != self.virtual_size:
            self.set_reactive(Table.virtual_size, size)
            if self.show_vertical_scrollbar:
                self.vertical_scrollbar.window_virtual_size = size.height
            # No further down than there are rows.
            self.scroll_y = min(self.scroll_y, self.max_scroll_y)

    # -- drawing

    def notify_style_update(self) -> None:
        """Other colours: every line is made anew."""
        super().notify_style_update()
        self._styles_made.clear()
        self._lines.clear()

    def render_line(self, y: int) -> Strip:
        strip = self._made(y, self._shaped())
        self._drawn[y] = strip
        return strip

    def _draw_changes(self) -> None:
        """Have those lines drawn that differ from what was drawn last."""
        if not self.is_mounted or not self._drawn:
            self.refresh()
            return
        shape, (width, height), top = self._shaped(), self.size, self.scroll_offset.y
        changed = [y for y in range(height) if self._drawn.get(y) != self._made(y, shape)]
        in_view = {id(row) for row in self.rows[top : top + height]}
        self._lines = {row: line for row, line in self._lines.items() if row in in_view}
        if changed:
            self.refresh(*(Region(0, y, width, 1) for y in changed))

    def _made(self, y: int, shape: _Shape) -> Strip:
        if y == 0:
            return self._heading(shape)
        at = y - 1 + self.scroll_offset.y
        if at >= len(self.rows):
            return Strip.blank(shape.width, self._style(""))
        return self._line(at, shape)

    def _shaped(self) -> _Shape:
        width, shape = self.scrollable_content_region.width, self._shape
        if shape is None or shape.width != width or shape.columns is not self.columns:
            self._lines.clear()
            self._shape = shape = self._shape_for(width)
        return shape

    def _shape_for(self, width: int) -> _Shape:
        gap = _GAP if width >= _NARROW else _NARROW_GAP
        shown = [column for column in self.columns if column.from_width <= width < column.below_width]
        fixed = sum(column.width for column in shown) + gap * (len(shown) - 1) + 2
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
        return _Shape(self.columns, width, list(zip(shown, widths, strict=True)), gap)

    def _heading(self, shape: _Shape) -> Strip:
        style = self._style("") + self._style("heading")
        segments = [Segment(" ", style)]
        for number, (column, width) in enumerate(shape.visible):
            arrow = ("↓" if self.falling else "↑") if column.heading == self.sorted_by else ""
            gap = " " * shape.gap if number else ""
            segments.append(Segment(gap + _fit(column.heading + arrow, width, column.right), style))
        return Strip(segments).adjust_cell_length(shape.width, style)

    def _line(self, at: int, shape: _Shape) -> Strip:
        row = self.rows[at]
        at_cursor = at == self.cursor
        focused = at_cursor and self.has_focus
        marked = bool(self.marked) and self.key(row) in self.marked
        ready = self._lines.get(id(row))
        if ready is None or ready.row is not row or ready[1:4] != (at_cursor, focused, marked):
            ready = _Line(row, at_cursor, focused, marked, self._strip(row, at_cursor, focused, marked, shape))
            self._lines[id(row)] = ready
        return ready.strip

    def _strip(self, row: Row, at_cursor: bool, focused: bool, marked: bool, shape: _Shape) -> Strip:
        base = self._style("")
        if at_cursor:
            base = base + self._style("cursor" if focused else "cursor-idle")
        segments = [Segment("✓" if marked else " ", base + self._style("mark"))]
        for number, (column, width) in enumerate(shape.visible):
            made = column.cell(row)
            cell = made if isinstance(made, Cell) else Cell(made)
            plain = not cell.tone or (cell.tone == "dim" and at_cursor)
            gap = " " * shape.gap if number else ""
            text = gap + _fit(cell.text, width, column.right)
            segments.append(Segment(text, base if plain else base + self._style(cell.tone)))
        return Strip(segments).adjust_cell_length(shape.width, base)

    def _style(self, name: str) -> Style:
        """The table's own style, or what a part of it adds to that."""
        style = self._styles_made.get(name)
        if style is None:
            style = self.get_component_rich_style(f"table--{name}", partial=True) if name else self.rich_style
            self._styles_made[name] = style
        return style


def _fit(text: str, width: int, right: bool) -> str:
    shown = cut(clean(text), width)
    room = " " * (width - cell_len(shown))
    return room + shown if right else shown + room


def _sortable(value: Any) -> tuple[bool, Any]:
    """None is the least of all."""
    return (value is not None, value)
