"""The Money screen: what customers have and spend, what the gateway earns, and what it leads to."""

import csv
import stat
from pathlib import Path

import pytest

from admin_tui.screens.live import LiveScreen
from tests.store.making import NOW
from tests.tui.making import SIZES, console_on, matches_snapshot
from tests.tui.typing_in import fill, line_of


@pytest.mark.parametrize("size", SIZES)
async def test_money_at_every_size(data_dir: Path, earning: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4")
        assert matches_snapshot(f"money-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_without_customers_it_says_what_one_is(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4")
        assert "A customer is who pays" in console.text
        assert matches_snapshot(f"money-empty-{size}", console.text)


async def test_a_row_has_balance_held_and_what_was_spent(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4")
        assert line_of(console, "team-alpha").split()[1:6] == ["$45.70", "$0.420", "$2.00", "$3.50", "$4.30"]


async def test_the_runway_is_an_estimate_at_the_pace_of_the_last_days(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4")
        # $45.28 to spend, $3.50 in the four days since the first charge of the week.
        assert line_of(console, "team-alpha").split()[-1] == "~52d"
        assert line_of(console, "own").split()[-1] == "unlimited"
        assert line_of(console, "new").endswith("✕ no credit")


async def test_what_is_held_is_unknown_while_no_gateway_runs(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir, at=NOW + 60_000) as console:
        await console.press("4")
        assert line_of(console, "team-alpha").split()[2] == "–"


async def test_the_line_above_has_the_gateways_own_money(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4")
        assert "today charged $2.90  cost $1.45  margin $1.45  30 days charged $5.54" in console.text


async def test_what_was_counted_by_estimate_wears_a_wave(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("4")
        assert line_of(console, "2026-03-03").split()[2:6] == ["$1.00", "~$0.500", "$0", "~$0.500"]


async def test_the_shortest_runway_comes_first_when_asked(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", *"sssssss")
        assert "RUNWAY↑" in console.text
        assert console.text.splitlines()[4].split()[0] == "ci"


async def test_o_shows_the_customers_keys(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "o")
        assert console.app.current_mode == "keys"
        assert line_of(console, "ci-bot")
        assert not any(line.startswith(" alpha") for line in console.text.splitlines())


async def test_l_shows_the_customers_calls(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "l")
        assert isinstance(console.app.screen, LiveScreen)
        assert console.app.screen.filter == 'customer:"ci"'


async def test_what_is_shown_is_exported_exactly(data_dir: Path, earning: None) -> None:
    path = data_dir / "money.csv"
    async with console_on(data_dir) as console:
        await console.press("4", "w")
        await fill(console, path=str(path))
        await console.press("ctrl+s")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        found = {row["customer"]: row for row in csv.DictReader(file)}
    assert found["team-alpha"]["balance_usd"] == "45.7"
    assert found["team-alpha"]["held_usd"] == "0.42"
    assert found["new"]["runway_days"] == ""


async def test_a_file_that_is_there_is_not_overwritten(data_dir: Path, earning: None) -> None:
    path = data_dir / "money.csv"
    path.write_text("mine")
    async with console_on(data_dir) as console:
        await console.press("4", "w")
        await fill(console, path=str(path))
        await console.press("ctrl+s")
        assert "is there already" in " ".join(console.text.replace("│", " ").split())
    assert path.read_text() == "mine"
