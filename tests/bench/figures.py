"""What a row of the table is made of, the table itself, and what is asked of each figure (docs/performance.md)."""

from collections.abc import Sequence

from msgspec import Struct, field

from tests.bench.measure import spread

GATEWAY = "trigate"
DIRECT = "direct"


class Figure(Struct):
    """One figure: a value per round and target. `must` and `aim` are the most it may be for the gateway."""

    name: str
    unit: str
    must: float | None = None
    aim: float | None = None
    rounds: dict[str, list[float]] = field(default_factory=dict)

    def add(self, target: str, value: float) -> None:
        """Notes what one round measured."""
        self.rounds.setdefault(target, []).append(value)

    @property
    def verdict(self) -> str:
        """How the gateway's median stands to what is asked."""
        if self.must is None or GATEWAY not in self.rounds:
            return ""
        median, _, _ = spread(self.rounds[GATEWAY])
        if median > self.must:
            return "over"
        return "aim" if self.aim is not None and median <= self.aim else "ok"


def table(figures: Sequence[Figure]) -> str:
    """The figures as aligned text: medians, the gateway's least and greatest round, every target measured."""
    targets = list(dict.fromkeys(target for figure in figures for target in figure.rounds if target != GATEWAY))
    rows = [["figure", "unit", GATEWAY, "rounds", "must", "aim", "", *targets]]
    for figure in figures:
        own = figure.rounds.get(GATEWAY)
        median, least, greatest = spread(own) if own else (None, None, None)
        between = "" if own is None or len(own) < 2 else f"{_short(least)} - {_short(greatest)}"
        others = [_short(spread(figure.rounds[name])[0]) if name in figure.rounds else "" for name in targets]
        asked = [_short(figure.must), _short(figure.aim)]
        rows.append([figure.name, figure.unit, _short(median), between, *asked, figure.verdict, *others])
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * max(map(len, lines)), *lines[1:]])


def _short(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
