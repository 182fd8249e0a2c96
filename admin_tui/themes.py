"""The console's own themes. Textual's are there as well, `ansi-dark` and `ansi-light` for a terminal's own colours."""

from textual.color import Color
from textual.theme import Theme

DARK = "trigate-dark"
LIGHT = "trigate-light"

THEMES = (
    Theme(
        name=DARK,
        primary="#7aa2c9",
        secondary="#5b7a99",
        accent="#c9a26a",
        success="#7fb685",
        warning="#d9a85c",
        error="#d4766f",
        foreground="#d5d9de",
        background="#12161b",
        surface="#171c22",
        panel="#1f262e",
        dark=True,
        variables={"block-cursor-background": "#2b3a4a", "block-cursor-foreground": "#eef2f6"},
    ),
    Theme(
        name=LIGHT,
        primary="#2f6391",
        secondary="#5b7a99",
        accent="#8a6116",
        success="#2f7a3d",
        warning="#8a5a00",
        error="#ab2f28",
        foreground="#1e242b",
        background="#f7f8f9",
        surface="#eef0f2",
        panel="#e2e6ea",
        dark=False,
        variables={"block-cursor-background": "#c9d8e6", "block-cursor-foreground": "#10161d"},
    ),
)


def quiet_colours(theme: Theme) -> dict[str, str]:
    """`dim`: labels, headings, hints. `faint`: what cannot be used now."""
    if theme.ansi:
        return {"dim": "ansi_bright_black", "faint": "ansi_bright_black"}
    ground = Color.parse(theme.background or ("#121212" if theme.dark else "#e0e0e0"))
    text = Color.parse(theme.foreground) if theme.foreground else ground.inverse
    return {"dim": ground.blend(text, 0.6).hex, "faint": ground.blend(text, 0.35).hex}
