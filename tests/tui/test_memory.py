"""A console that runs for weeks holds what it shows, and nothing of what was closed."""

import gc
from pathlib import Path
from typing import Any

from textual.strip import Strip

from admin_tui.screens.call import CallScreen
from tests.store.making import NOW, make_call, settle
from tests.tui.making import Console, Gateway, console_on


def held(kind: type[Any]) -> int:
    """How many objects of a kind there are in the process, those that only wait to be collected left out."""
    gc.collect()
    return sum(type(each) is kind for each in gc.get_objects())


def write_calls(gateway: Gateway, first: int, count: int) -> None:
    gateway.write(*[settle(make_call(number, at=NOW - 60_000 + number)) for number in range(first, first + count)])


async def open_and_close(console: Console, times: int) -> None:
    for _ in range(times):
        await console.press("enter", "escape")


async def test_calls_that_were_opened_and_closed_leave_nothing_behind(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    write_calls(gateway_, 0, 30)
    async with console_on(data_dir) as console:
        # Consoles of other tests may still be on their way out.
        before = held(CallScreen)
        await open_and_close(console, 1)
        lines = held(Strip)
        await open_and_close(console, 7)
        # And so may the one that was closed last.
        assert held(CallScreen) <= before + 1
        assert held(Strip) < 2 * lines


async def test_following_holds_no_more_lines_after_hundreds_of_calls(
    data_dir: Path, seeded: None, gateway_: Gateway
) -> None:
    async with console_on(data_dir) as console:
        for batch in range(3):
            write_calls(gateway_, batch * 60, 60)
            await console.look()
        lines = held(Strip)
        for batch in range(3, 11):
            write_calls(gateway_, batch * 60, 60)
            await console.look()
        assert held(Strip) < 1.2 * lines
