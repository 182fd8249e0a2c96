"""Names and values under one another: the pane beside a list, and pages of one thing."""

import textwrap
from collections.abc import Iterable, Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.widgets import Static

from admin_tui.format import Cell, clean
from admin_tui.widgets.bars import same, styled
from admin_tui.widgets.still import quiet_size

Fact = tuple[str, Cell | str]
"""A label and its value. Without a label it is a line of its own, without a value a heading."""

_NARROWEST = 10


class Facts(Static):
    """What `show` was given last, wrapped so that values stay beside their labels."""

    virtual_size = quiet_size()

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:
        super().__init__(id=id, classes=classes)
        self._facts: list[Fact] = []

    def show(self, facts: Iterable[Fact]) -> None:
        self._facts = list(facts)
        self._write()

    def on_resize(self) -> None:
        self._write()

    def _write(self) -> None:
        size = self.content_size
        content = facts_content(self._facts, size.width)
        if not same(self.content, content):
            # With as many lines as before nothing has to be laid out for it.
            self.update(content, layout=not size.width or content.get_height({}, size.width) != size.height)


def facts_content(facts: Sequence[Fact], width: int = 0) -> Content:
    """Labels in a column of their own, values wrapped to `width` (0: not at all)."""
    pairs = [(label, value if isinstance(value, Cell) else Cell(value)) for label, value in facts]
    margin = max((cell_len(label) for label, value in pairs if label and value.text), default=0) + 2
    lines = []
    for label, value in pairs:
        if label and not value.text:
            lines.append(Content.styled(label, "bold $primary"))
        elif not label:
            lines.append(styled(clean(value.text), value.tone))
        else:
            first, *others = _wrapped(clean(value.text), width - margin)
            gap = " " * (margin - cell_len(label))
            lines.append(Content.assemble(styled(label + gap, "dim"), styled(first, value.tone)))
            lines += [Content.assemble(" " * margin, styled(other, value.tone)) for other in others]
    return Content("\n").join(lines)


def _wrapped(text: str, width: int) -> list[str]:
    return textwrap.wrap(text, width) or [text] if width >= _NARROWEST else [text]
