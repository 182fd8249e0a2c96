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
        await console.until(reading.is_set)
        try:
            await console.pilot.press("ctrl+q")
        finally:
            answered.set()
    assert console.app.return_code == 0


async def test_a_trial_of_an_account_can_be_left_before_it_has_an_answer(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("3")
        console.send("t")
        await console.until(lambda: "Asking …" in console.text)
        await console.press("escape")
        assert "IN USE" in console.text
        assert console.app.is_running
