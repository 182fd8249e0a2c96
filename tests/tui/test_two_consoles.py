"""Two operators at once: what one of them wrote is not lost by what the other one saves or takes back."""

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.store.database import Database
from gateway.store.operators import accounts, customers, keys, settings, tiers
from gateway.store.operators.accounts import AccountChanges
from gateway.store.operators.customers import CustomerChanges
from gateway.store.operators.keys import KeyChanges
from gateway.store.operators.tiers import TierChanges
from tests.tui.making import console_on
from tests.tui.typing_in import changed_here, fill, on_the_screen

OTHER = "cli:other"


def key_rpm(database: Database, rpm: int) -> None:
    keys.change(database, OTHER, "alpha", KeyChanges(rpm=rpm))


def customer_limit(database: Database, dollars: int) -> None:
    customers.change(database, OTHER, "ci", CustomerChanges(month_limit_micro=dollars * 1_000_000))


def account_weight(database: Database, weight: int) -> None:
    accounts.change(database, OTHER, "main", AccountChanges(weight=weight))


def tier_rpm(database: Database, rpm: int) -> None:
    tiers.change(database, OTHER, "all", TierChanges(rpm=rpm))


def days_kept(database: Database, days: int) -> None:
    settings.change(database, OTHER, "prune_days", str(days))


EDITS = [
    (("2", "e"), "rpm", key_rpm),
    (("4", "e"), "month_limit_micro", customer_limit),
    (("3", "e"), "weight", account_weight),
    (("6", "t", "e"), "rpm", tier_rpm),
    (("6", "o", "e"), "value", days_kept),
]


@pytest.mark.parametrize(("way", "field", "change"), EDITS)
async def test_a_field_that_another_console_changed_meanwhile_is_not_overwritten(
    data_dir: Path, seeded: None, database: Database, way: tuple[str, ...], field: str, change: Callable[..., None]
) -> None:
    async with console_on(data_dir) as console:
        await console.press(*way)
        change(database, 50)
        await fill(console, **{field: "60"})
        await console.press("ctrl+s")
        assert "Somebody else has changed" in on_the_screen(console)
    assert changed_here(database) == []


@pytest.mark.parametrize(("way", "field", "change"), EDITS)
async def test_what_another_console_changed_since_is_not_taken_back(
    data_dir: Path, seeded: None, database: Database, way: tuple[str, ...], field: str, change: Callable[..., None]
) -> None:
    async with console_on(data_dir) as console:
        await console.press(*way)
        await fill(console, **{field: "60"})
        await console.press("ctrl+s")
        change(database, 50)
        await console.press("u")
        assert "Somebody else has changed" in console.said[-1]
    assert len(changed_here(database)) == 1


async def test_other_fields_are_left_to_others(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "e")
        key_rpm(database, 50)
        await fill(console, tpm="1000")
        await console.press("ctrl+s")
    key = keys.find(database, "alpha")
    assert (key.rpm, key.tpm) == (50, 1_000)


async def test_a_header_that_another_console_added_stays(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "p")
        accounts.change(database, OTHER, "main", AccountChanges(extra_headers={"x-theirs": "1"}))
        await fill(console, header="x-mine", value="2")
        await console.press("ctrl+s")
    assert accounts.find(database, "main").extra_headers == {"x-theirs": "1", "x-mine": "2"}


async def test_a_policy_that_another_console_turned_stays(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "t")
        tiers.change(database, OTHER, "all", TierChanges(policy="race"))
        await console.press("p")
        assert "Somebody else has changed all meanwhile (policy)" in console.said[-1]
    assert tiers.find(database, "all").policy == "race"
