"""A plot of one series: bars by name or over time."""

from collections.abc import Sequence

from rich.cells import cell_len
from textual.app import RenderResult
from textual.color import Color, ColorParseError
from textual.content import Content
from textual_plotext import PlotextPlot

from admin_tui.format import clean, cut
from admin_tui.widgets.bars import styled

_NAME_WIDTH = 22
# A bar and the space to the next.
_ROWS_A_BAR = 2
_VALUE_WIDTH = 12


class Plot(PlotextPlot):
    """`draw` says what; how many bars there is room for is known when it is drawn."""

    def __init__(self, *, id: str | None = None) -> None:
        super().__init__(id=id)
        self._title = ""
        self._bars: list[tuple[str, float]] = []
        self._over_time = False

    def draw(self, title: str, bars: Sequence[tuple[str, float]], *, over_time: bool) -> None:
        """Bars with their names: side by side in the order of time, or under one another, the first at the top."""
        self._title, self._bars, self._over_time = title, list(bars), over_time
        self._arrange()

    def on_resize(self) -> None:
        self._arrange()

    def _arrange(self) -> None:
        plot, width, height = self.plt, self.size.width, self.size.height
        plot.clear_figure()
        if self._bars and width > 20 and height > 5:
            plot.title(self._title)
            if self._over_time:
                self._beside_one_another(width)
        self.refresh()

    def render(self) -> RenderResult:
        """Bars under one another are drawn here: plotext would place them at fractions of a row, some touching."""
        return super().render() if self._over_time else self._under_one_another(self.size.width, self.size.height)

    def _under_one_another(self, width: int, height: int) -> Content:
        shown = self._bars[: max(1, (height - 2) // _ROWS_A_BAR)]
        longest = max((value for _, value in shown), default=0.0)
        room = width - _NAME_WIDTH - _VALUE_WIDTH - 2
        lines = [styled(self._title, "dim"), styled("")]
        for name, value in shown:
            length = round(value / longest * room) if longest > 0 else 0
            lines += [
                Content.assemble(
                    styled(f"{cut(clean(name), _NAME_WIDTH):>{_NAME_WIDTH}} "),
                    Content.styled("█" * length, "$primary"),
                    styled(f" {value:,.2f}", "dim"),
                ),
                styled(""),
            ]
        return Content("\n").join(lines)

    def _beside_one_another(self, width: int) -> None:
        places = range(len(self._bars))
        self.plt.bar(list(places), [value for _, value in self._bars], color=self._colour(), width=0.6)
        widest = max(cell_len(name) for name, _ in self._bars) + 2
        every = max(1, -(-len(self._bars) * widest // max(1, width - 12)))
        ticks = list(places)[::every]
        self.plt.xticks([float(place) for place in ticks], [self._bars[place][0] for place in ticks])

    def _colour(self) -> str | tuple[int, int, int]:
        """The theme's own, or the terminal's blue where the theme leaves colours to the terminal."""
        try:
            return Color.parse(self.app.theme_variables["primary"]).rgb
        except (ColorParseError, KeyError):
            return "blue"
