"""A call's own page: who asked for what, every attempt on one axis of time, tokens by bucket, the receipt."""

from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from admin_tui.keymap import Command, bindings
from admin_tui.screens import story
from admin_tui.screens.base import ConsoleScreen
from gateway.store.database import Database
from gateway.store.queries.calls import CallDetail, call_detail
from gateway.store.queries.names import Names, load_names

Neighbour = Callable[[str, int], str | None]
"""(call id, -1 or 1) -> the id of the call before or after it."""


class Story(NamedTuple):
    """What was read of a call; `detail` is None where there is no such call any more."""

    detail: CallDetail | None
    names: Names


class CallScreen(ConsoleScreen):
    """Moves while the call does; `n` and `p` go on to its neighbours in the list it was opened from."""

    CONTEXT = "call"
    BINDINGS: ClassVar[list[BindingType]] = bindings("call")
    REFRESH_S = 0.2

    def __init__(self, call_id: str, neighbour: Neighbour | None = None) -> None:
        super().__init__()
        self._call_id = call_id
        self._neighbour = neighbour
        self._story: Story | None = None

    def body(self) -> ComposeResult:
        with VerticalScroll(id="page"):
            yield Static("", id="story")

    def on_mount(self) -> None:
        self.query_one("#page").focus()

    def on_resize(self) -> None:
        self._draw()

    def note(self) -> str:
        return self._call_id

    def read(self, database: Database) -> Story:
        return Story(call_detail(database, self._call_id), load_names(database))

    def show(self, data: Any) -> None:
        self._story = data
        self._draw()

    def pulse(self, *, changed: bool) -> None:
        super().pulse(changed=changed)
        if self._story and self._story.detail and self._story.detail.call.state == "open":
            self._draw()

    def _draw(self) -> None:
        if self._story is None or not self.is_there:
            return
        page = self.query_one("#story", Static)
        if self._story.detail is None:
            page.update(Content(f"There is no call {self._call_id}. Calls are forgotten after prune_days."))
            return
        width = max(40, self.query_one("#page").scrollable_content_region.width)
        page.update(story.told(self._story.detail, self._story.names, self.console.now(), width))

    def refusal(self, each: Command) -> str:
        if each.id in ("call.next", "call.previous") and self._neighbour is None:
            return "This page was not opened from a list of calls."
        return ""

    def do_copy(self) -> None:
        self.console.send_to_clipboard(self._call_id)
        self.console.say(f"{self._call_id} sent to the terminal's clipboard.")

    def do_down(self) -> None:
        self.query_one("#page").scroll_relative(y=1, animate=False)

    def do_up(self) -> None:
        self.query_one("#page").scroll_relative(y=-1, animate=False)

    def do_next(self) -> None:
        self._go(-1, "This is the oldest call in the list.")

    def do_previous(self) -> None:
        self._go(1, "This is the newest call in the list.")

    def _go(self, step: int, otherwise: str) -> None:
        found = self._neighbour(self._call_id, step) if self._neighbour else None
        if found is None:
            self.console.say(otherwise)
            return
        self._call_id = found
        self.query_one("#page").scroll_home(animate=False)
        self.reload()
