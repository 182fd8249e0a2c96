"""The gateway's own money: by day, and against an upstream's invoices."""

import csv
from pathlib import Path

import msgspec
import pytest

from gateway.store.database import Database
from gateway.store.operators import accounts
from tests.tui.making import SIZES, console_on, matches_snapshot
from tests.tui.typing_in import changed_here, fill, line_of

# -- by day


@pytest.mark.parametrize("size", SIZES)
async def test_days_at_every_size(data_dir: Path, earning: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "d")
        assert matches_snapshot(f"money-days-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_days_before_the_first_call(data_dir: Path, seeded: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "d")
        assert "Nothing billed yet." in console.text
        assert matches_snapshot(f"money-days-empty-{size}", console.text)


async def test_a_day_has_charges_cost_races_and_margin(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "d", "G")
        assert console.text.splitlines()[-2].split() == [
            "2026-02-12", "1", "$0.800", "$0.500", "$0.100", "$0.300", "38%",
        ]  # fmt: skip
        await console.press("escape")
        assert console.app.current_mode == "money"
        assert line_of(console, "team-alpha")


async def test_days_are_exported(data_dir: Path, earning: None) -> None:
    path = data_dir / "days.json"
    async with console_on(data_dir) as console:
        await console.press("4", "d", "w")
        await fill(console, path=str(path))
        await console.press("ctrl+s")
    newest = msgspec.json.decode(path.read_bytes())["rows"][0]
    assert (newest["day"], newest["calls"], newest["margin_usd"]) == ("2026-03-04", 2, "1.45")


# -- against an upstream's invoice


@pytest.mark.parametrize("size", SIZES)
async def test_invoices_at_every_size(data_dir: Path, earning: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "i", "e")
        await fill(console, amount="0.50")
        await console.press("ctrl+s")
        assert matches_snapshot(f"money-invoices-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_invoices_without_accounts(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "i")
        assert "No accounts yet." in console.text
        assert matches_snapshot(f"money-invoices-empty-{size}", console.text)


async def test_the_month_before_is_held_against_the_invoice(data_dir: Path, earning: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i")
        assert line_of(console, "main").split()[1:] == ["1", "$0.400", "$0", "–", "–", "–"]
        await console.press("e")
        await fill(console, amount="0.50")
        await console.press("ctrl+s")
        assert line_of(console, "main").split()[1:] == ["1", "$0.400", "$0", "$0.500", "+$0.100", "+25.0%"]
        assert changed_here(database) == []


async def test_an_invoice_stays_while_one_looks_elsewhere(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "e")
        await fill(console, amount="0.50")
        await console.press("ctrl+s", "escape", "i")
        assert "+25.0%" in line_of(console, "main")


async def test_brackets_turn_the_months(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "right_square_bracket")
        assert "2026-03 (UTC), not over yet" in console.text
        # One of its calls was counted by estimate.
        assert line_of(console, "main").split()[2].startswith("~$")
        await console.press("right_square_bracket")
        assert "has not begun" in console.said[-1]
        await console.press("left_square_bracket", "left_square_bracket")
        assert "2026-01 (UTC)" in console.text


async def test_enter_says_what_a_difference_may_mean(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "e")
        await fill(console, amount="0.50")
        await console.press("ctrl+s", "enter")
        assert "The upstream invoiced more than was counted" in console.text


async def test_a_month_that_is_none_is_refused(data_dir: Path, earning: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "e")
        await fill(console, month="2026-13")
        await console.press("ctrl+s")
        assert "is not a time" in console.text or "is not a month" in console.text


async def test_invoices_are_exported(data_dir: Path, earning: None, database: Database) -> None:
    accounts.disable(database, "cli:op", "spare")
    path = data_dir / "invoices.csv"
    async with console_on(data_dir) as console:
        await console.press("4", "i", "w")
        await fill(console, path=str(path))
        await console.press("ctrl+s")
    with path.open() as file:
        found = {row["account"]: row for row in csv.DictReader(file)}
    assert (found["main"]["counted_usd"], found["main"]["invoice_usd"]) == ("0.4", "")
    assert found["spare"]["lost_races_usd"] == "0.1"
