"""Ending the console at an awkward moment."""

import threading
from pathlib import Path

import pytest

from admin_tui.screens.usage import UsageScreen
from tests.tui.making import console_on


async def test_a_read_that_is_under_way_is_given_up(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reading, answered = threading.Event(), threading.Event()

    def read(screen: UsageScreen, database: object) -> None:
        reading.set()
        answered.wait(5)

    async with console_on(data_dir) as console:
        monkeypatch.setattr(UsageScreen, "read", read)
        console.app.switch_mode("usage")
        while not reading.is_set():
            await console.pilot.pause(0)
        try:
            await console.pilot.press("ctrl+q")
        finally:
            answered.set()
    assert console.app.return_code == 0
