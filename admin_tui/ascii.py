"""For terminals and fonts without the symbols: every line that is drawn passes here with `--ascii`."""

from rich.cells import cell_len
from rich.segment import Segment
from textual.color import Color
from textual.filter import LineFilter

_PLAIN = str.maketrans(
    {
        "●": "*", "◌": "o", "✕": "x", "–": "-", "—": "-", "…": ".", "→": ">", "←": "<", "↑": "^", "↓": "v",
        "✓": "+", "×": "x", "·": ".", "▸": ">", "▾": "v", "’": "'", "≥": ">", "≤": "<", "µ": "u",
        "▁": "_", "▂": ".", "▃": ".", "▄": ":", "▅": ":", "▆": "|", "▇": "|", "█": "#", "░": ".", "▒": ":", "▓": "#",
        "─": "-", "━": "-", "│": "|", "┃": "|", "┆": "|", "┊": "|", "╌": "-", "╍": "-", "╴": "-", "╶": "-", "╺": "-",
        "╸": "-", "▔": "-", "▕": "|", "▏": "|", "▎": "|", "▌": "|", "▐": "|", "▀": "-", "■": "#", "◼": "#", "◆": "*",
        "╲": "\\", "○": "o",
    }
)  # fmt: skip


def plain(text: str) -> str:
    """The text in ASCII, as many cells wide. Box corners and whatever else is left become `+` and `?`."""
    if text.isascii():
        return text
    text = text.translate(_PLAIN)
    return "".join(each if each.isascii() else "+" if "─" <= each <= "╿" else "?" * cell_len(each) for each in text)


class AsciiFilter(LineFilter):
    """Replaces what is not ASCII. Borders, scroll bars and plots included, which no screen has to know of."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        return [
            Segment(plain(text), style, control) if text else Segment(text, style, control)
            for text, style, control in segments
        ]
