"""What is kept ready to be drawn is what holds now."""

from pathlib import Path

from textual.color import Color

from admin_tui.themes import DARK, LIGHT, THEMES
from admin_tui.widgets.table import Table
from tests.tui.making import Console, console_on


def grounds(console: Console) -> set[str]:
    """The colours behind the rows of the list."""
    region = console.app.screen.query_one("#table", Table).region
    lines = console.app.screen._compositor.render_strips()[region.y : region.bottom]
    colours = {style.bgcolor for line in lines for _, style, _ in line.crop(0, region.width) if style and style.bgcolor}
    return {Color.from_rich_color(colour).hex.lower() for colour in colours}


def ground_of(theme: str) -> str:
    return str(next(each.background for each in THEMES if each.name == theme)).lower()


async def test_another_theme_colours_lines_that_were_drawn_before(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir, theme=DARK) as console:
        assert ground_of(DARK) in grounds(console)
        console.app.theme = LIGHT
        await console.settle()
        assert ground_of(LIGHT) in grounds(console)
        assert ground_of(DARK) not in grounds(console)


async def test_another_theme_colours_screens_that_were_left(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir, theme=DARK) as console:
        await console.press("3", "1")
        console.app.theme = LIGHT
        await console.settle()
        await console.press("3")
        assert ground_of(LIGHT) in grounds(console)
        assert ground_of(DARK) not in grounds(console)


async def test_a_filter_is_kept_however_soon_the_console_ends(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "slash", "c", "i", "enter", "ctrl+q")
    async with console_on(data_dir) as console:
        await console.press("2")
        assert "/ci" in console.text
