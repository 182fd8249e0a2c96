"""The Keys screen: what it shows of a key, and what it leads to."""

import csv
import stat
from pathlib import Path

import pytest

from admin_tui.screens.live import LiveScreen
from gateway.store.database import Database
from gateway.store.operators import customers, keys
from gateway.store.queries.lookups import balance_of
from tests.tui.making import SIZES, console_on, matches_snapshot
from tests.tui.typing_in import fill, line_of

# -- what is shown


@pytest.mark.parametrize("size", SIZES)
async def test_keys_at_every_size(data_dir: Path, keys_in_use: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("2", "j")
        assert matches_snapshot(f"keys-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_without_keys_it_says_how_to_make_one(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("2")
        assert "Press n, or trigate keys create NAME" in " ".join(console.text.split())
        assert matches_snapshot(f"keys-empty-{size}", console.text)


async def test_a_row_has_last_use_and_the_calls_and_cost_of_24_hours(data_dir: Path, keys_in_use: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        assert line_of(console, "alpha").split()[5:] == ["40s", "ago", "2", "$1.50"]


@pytest.mark.parametrize(
    ("name", "state"),
    [("alpha", "● active"), ("laptop", "✕ expired"), ("broke", "✕ no credit")],
)
async def test_the_state_says_whether_a_call_would_be_served(
    data_dir: Path, keys_in_use: None, name: str, state: str
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        assert state in line_of(console, name)


async def test_a_key_of_a_disabled_customer_is_refused(data_dir: Path, keys_in_use: None, database: Database) -> None:
    customers.disable(database, "cli:op", "team-alpha")
    async with console_on(data_dir) as console:
        await console.press("2")
        assert "✕ refused" in line_of(console, "alpha")
        await console.press("enter")
        assert "its customer team-alpha is disabled" in console.text


async def test_a_key_that_spent_its_daily_limit_says_so(data_dir: Path, keys_in_use: None, database: Database) -> None:
    keys.change(database, "cli:op", "alpha", keys.KeyChanges(day_limit_micro=1_000_000))
    async with console_on(data_dir) as console:
        await console.press("2")
        assert "✕ at limit" in line_of(console, "alpha")


async def test_revoked_keys_are_shown_when_asked_for(data_dir: Path, keys_in_use: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        assert "gone" not in console.text
        await console.press("a")
        assert "✕ revoked" in line_of(console, "gone")


async def test_enter_opens_the_key_as_a_page_where_it_is_narrow(data_dir: Path, keys_in_use: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "enter")
        assert "40s ago from 10.0.0.7" in console.text
        await console.press("escape")
        assert "COST 24H" in console.text


async def test_the_filter_looks_at_customers_and_states(data_dir: Path, keys_in_use: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "slash")
        await console.type("team-alpha !expired")
        await console.press("enter")
        assert line_of(console, "alpha")
        assert "laptop" not in console.text
        assert "ci-bot" not in console.text


async def test_an_order_is_kept_for_the_next_start(data_dir: Path, keys_in_use: None) -> None:
    for presses in (("2", *"ssssss"), ("2",)):
        async with console_on(data_dir) as console:
            await console.press(*presses)
            assert "CALLS↓" in console.text
            assert console.text.splitlines()[4].split()[0] == "alpha"


# -- from a key to what belongs to it


async def test_dollar_tops_up_its_customer(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "dollar_sign")
        await console.type("25")
        await console.press("enter")
        assert balance_of(database, customers.find(database, "team-alpha").id) == 75_000_000


async def test_c_opens_its_customer(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "c")
        assert "team-alpha  balance $50.00" in console.text


async def test_l_shows_its_calls_on_live(data_dir: Path, keys_in_use: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "l")
        assert isinstance(console.app.screen, LiveScreen)
        assert console.app.screen.filter == 'key:"alpha"'


async def test_what_is_shown_is_exported_for_its_owner_alone(data_dir: Path, keys_in_use: None) -> None:
    path = data_dir / "keys.csv"
    async with console_on(data_dir) as console:
        await console.press("2", "slash")
        await console.type("alpha !laptop")
        await console.press("enter", "w")
        await fill(console, path=str(path))
        await console.press("ctrl+s")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["state"], row["calls_24h"], row["cost_24h_usd"]) == ("alpha", "active", "2", "1.5")
