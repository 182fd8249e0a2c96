"""The lines around every screen: how the gateway is, where one is, what the keys do."""

from typing import TYPE_CHECKING, ClassVar, cast

from rich.cells import cell_len
from textual import events
from textual.content import Content
from textual.widgets import Static

from admin_tui import format
from admin_tui.keymap import Command, written
from admin_tui.widgets.still import quiet_size
from gateway.store.queries.live import ALIVE_MS

if TYPE_CHECKING:
    from admin_tui.app import ConsoleApp
    from admin_tui.screens.base import ConsoleScreen

MODES = {
    "live": "Live",
    "keys": "Keys",
    "accounts": "Accounts",
    "money": "Money",
    "usage": "Usage",
    "models": "Models",
    "audit": "Audit",
}
"""The main screens in the order of their keys 1 to 7."""

# From this many columns on the lines are not packed.
_ROOMY = 100
_TONES = {
    "": "",
    "good": "$text-success",
    "warn": "$text-warning",
    "bad": "$text-error",
    "dim": "$dim",
    "accent": "$text-accent",
    "strong": "bold",
}


def styled(text: str, tone: str = "") -> Content:
    """Text with a tone, for everything that is not a table."""
    return Content.styled(text, _TONES[tone])


def same(shown: object, content: Content) -> bool:
    """Whether a widget shows that already, tones included. Drawing it again would lay out the whole screen."""
    return isinstance(shown, Content) and shown.is_same(content)


class Bar(Static):
    """One line that is made anew whenever something it shows may have changed."""

    ALLOW_SELECT = False

    virtual_size = quiet_size()

    @property
    def console(self) -> "ConsoleApp":
        return cast("ConsoleApp", self.app)

    def on_mount(self) -> None:
        self.renew()

    def on_resize(self, _event: events.Resize) -> None:
        self.renew()

    def renew(self) -> None:
        line = self.line(self.size.width)
        if not same(self.content, line):
            # One line before and after: nothing has to be laid out for it.
            self.update(line, layout=False)

    def line(self, width: int) -> Content:
        raise NotImplementedError


class Header(Bar):
    """The gateway at a glance. Says when it is not running, and as of when the figures are."""

    def line(self, width: int) -> Content:
        parts = self._parts()
        gap = 3 if width >= _ROOMY else 2
        last = "read-only" if self.console.actions.read_only else ""
        if width >= _ROOMY:
            last = f"{last}   {format.minute(self.console.now())} UTC"
        name = Content.styled(" trigate ", "bold $primary")
        room = width - cell_len(name.plain) - (cell_len(last) + 1 if last else 0)
        shown: list[Content] = []
        for part in parts:
            size = cell_len(part.plain) + (gap if shown else 0)
            if size > room:
                if not shown:
                    shown.append(part.truncate(max(1, room), ellipsis=True))
                break
            room -= size
            shown.append(part)
        left = Content(" " * gap).join(shown)
        spare = max(0, width - cell_len(name.plain) - cell_len(left.plain) - cell_len(last) - 1)
        return Content.assemble(name, left, " " * spare, styled(last, "dim"))

    def _parts(self) -> list[Content]:
        """The most important first: what there is no room for is left out from the end."""
        trouble, found = self.console.feed.trouble, self.console.header
        if trouble:
            as_of = f" - data as of {format.minute(self.console.read_at)}" if self.console.read_at else ""
            return [styled(f"{format.OFF} {trouble.removesuffix('.')}; trying again{as_of}", "bad")]
        if found is None:
            return [styled("reading the database …", "dim")]
        if not found.alive:
            if found.beat is None:
                return [styled(f"{format.OFF} gateway not running - it has not run here yet", "bad")]
            at = found.beat.at
            if found.locked_at is not None and self.console.now() - found.locked_at <= ALIVE_MS:
                words = f"the database is locked - gateway last heard of at {format.clock(at)}"
                return [styled(f"{format.OPEN} {words}", "warn"), self._today()]
            same_day = self.console.now() - at < 86_400_000
            as_of = format.minute(at) if same_day else format.instant(at)[:16]
            return [styled(f"{format.OFF} gateway not running - data as of {as_of}", "bad"), self._today()]
        assert found.beat is not None
        parts = [self._up(found.beat.state, self.console.now() - found.beat.started_at)]
        parts.append(_figure(format.per_second(found.calls_per_s), " req/s"))
        parts.append(_figure(str(found.open_calls), " open"))
        parts.append(_figure(format.seconds(found.ttft_p50_ms), "", "ttft p50 "))
        parts.append(self._today())
        failed = found.failed_share
        tone = "bad" if (failed or 0) >= 0.05 else "warn" if (failed or 0) >= 0.01 else ""
        parts.append(Content.assemble(styled("err ", "dim"), styled(format.percent(failed), tone)))
        return parts

    def _up(self, state: str, up_ms: int) -> Content:
        if state == "ready":
            return Content.assemble(styled(format.ON, "good"), " up ", format.seconds(up_ms))
        return styled(f"{format.OPEN} {format.clean(state)}", "warn")

    def _today(self) -> Content:
        found = self.console.header
        return _figure(format.usd(found.charged_today_micro if found else None), "", "today ")


def _figure(text: str, after: str, before: str = "") -> Content:
    return Content.assemble(styled(before, "dim"), text, styled(after, "dim"))


class Nav(Bar):
    """The main screens with their keys, and the filter that is on."""

    def line(self, width: int) -> Content:
        current = self.console.current_mode
        parts = []
        for number, (mode, title) in enumerate(MODES.items(), 1):
            text = f" {number} {title} "
            if mode == current:
                parts.append(Content.styled(text, "bold reverse $primary"))
            else:
                parts.append(Content.assemble(Content.styled(f" {number} ", "$dim"), f"{title} "))
        note = cast("ConsoleScreen", self.screen).note()
        line = Content("").join(parts)
        if not note:
            return line
        room = width - cell_len(line.plain) - 2
        shown = format.cut(format.clean(note), room)
        return Content.assemble(line, " " * max(1, room - cell_len(shown) + 1), styled(shown, "accent"))

    def on_click(self, event: events.Click) -> None:
        at = 0
        for number, (mode, title) in enumerate(MODES.items(), 1):
            at += len(f" {number} {title} ")
            if event.x < at:
                self.console.go(mode)
                return


class Footer(Bar):
    """What the keys do here, as many as there is room for; those that cannot be used now are grey. Can be clicked."""

    _ALWAYS: ClassVar[tuple[str, ...]] = ("app.palette", "app.help", "app.back")

    def __init__(self) -> None:
        super().__init__()
        self._ends: list[tuple[int, Command]] = []

    def line(self, width: int) -> Content:
        screen = cast("ConsoleScreen", self.screen)
        commands = [each for each in screen.commands() if each.label]
        last = sorted(
            (each for each in commands if each.id in self._ALWAYS), key=lambda each: self._ALWAYS.index(each.id)
        )
        spare = width - 1 - sum(cell_len(self._text(each)) for each in last)
        shown = []
        for each in commands:
            if each not in last:
                spare -= cell_len(self._text(each))
                if spare < 0:
                    break
                shown.append(each)
        at, self._ends = 1, []
        for each in (*shown, *last):
            at += cell_len(self._text(each))
            self._ends.append((at, each))
        return Content.assemble(" ", *(self._part(each) for _, each in self._ends))

    def _text(self, each: Command) -> str:
        return f"{written(self.console.keys_of(each))[0]} {each.label}  "

    def _part(self, each: Command) -> Content:
        able = cast("ConsoleScreen", self.screen).why_not(each) == ""
        key, _, label = self._text(each).partition(" ")
        return Content.assemble(
            Content.styled(key, "bold $primary" if able else "$faint"),
            Content.styled(f" {label}", "$dim" if able else "$faint"),
        )

    async def on_click(self, event: events.Click) -> None:
        for end, each in self._ends:
            if event.x < end:
                await cast("ConsoleScreen", self.screen).action_command(each.id)
                return
