"""What is done to customers from Money: topped up, adjusted, limited, made, disabled."""

from pathlib import Path

import pytest
from textual.widgets import Input

from gateway.store.database import Database
from gateway.store.operators import customers
from gateway.store.queries.ledger import list_entries
from gateway.store.queries.lookups import balance_of
from tests.tui.making import console_on, matches_snapshot
from tests.tui.typing_in import changed_here, fill, line_of


def balance(database: Database, name: str) -> int | None:
    return balance_of(database, customers.find(database, name).id)


async def test_a_top_up_is_an_amount_and_enter(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "dollar_sign")
        await console.type("25.50")
        assert "The balance becomes $30.50." in console.text
        assert matches_snapshot("money-topup-80x24", console.text)
        await console.press("enter")
        assert balance(database, "ci") == 30_500_000
        assert changed_here(database) == [("customers.topup", "ci")]
        assert console.said[-1] == "$25.50 added to ci.  u undoes"


async def test_a_top_up_is_taken_back_by_an_adjustment(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "dollar_sign")
        await console.type("25")
        await console.press("enter", "u")
        assert balance(database, "ci") == 5_000_000
        entry = list_entries(database, limit=1)[0]
        assert (entry.kind, entry.amount_micro, entry.note) == ("adjust", -25_000_000, "taken back: topup")


async def test_a_top_up_carries_its_note(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "dollar_sign")
        await console.type("10")
        await console.press("tab")
        await console.type("invoice 7")
        await console.press("enter")
        assert list_entries(database, limit=1)[0].note == "invoice 7"


async def test_the_same_reference_adds_nothing_twice(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        for _ in range(2):
            await console.press("4", "dollar_sign")
            await console.type("10")
            await fill(console, reference="pay_1")
            await console.press("enter")
        assert balance(database, "ci") == 15_000_000
        assert "Nothing was added" in console.said[-1]


@pytest.mark.parametrize("text", ["0", "-5", "ten", "1.0000001", "99999999999"])
async def test_an_amount_that_makes_no_sense_adds_nothing(
    data_dir: Path, seeded: None, database: Database, text: str
) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "dollar_sign")
        await console.type(text)
        await console.press("enter")
        assert console.app.screen.query_one("#field-amount", Input).value == text
        assert changed_here(database) == []


async def test_an_adjustment_takes_money_away_and_says_why(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "a")
        await console.type("-2.50")
        await console.press("enter")
        await console.type("billed twice")
        await console.press("enter")
        entry = list_entries(database, limit=1)[0]
        assert (entry.kind, entry.amount_micro, entry.note) == ("adjust", -2_500_000, "billed twice")
        assert changed_here(database) == [("customers.adjust", "ci")]
        await console.press("u")
        assert balance(database, "ci") == 5_000_000


async def test_an_adjustment_without_a_reason_is_not_made(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "a")
        await console.type("-2.50")
        await console.press("ctrl+s")
        assert "Note is needed." in console.text
        assert changed_here(database) == []


async def test_limits_are_changed_and_changed_back(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "e")
        await fill(console, month_limit_micro="40")
        await fill(console, day_limit_micro="")
        await console.press("ctrl+s")
        changed = customers.find(database, "ci")
        assert (changed.day_limit_micro, changed.month_limit_micro) == (None, 40_000_000)
        await console.press("u")
        changed = customers.find(database, "ci")
        assert (changed.day_limit_micro, changed.month_limit_micro) == (2_000_000, None)


async def test_a_customer_becomes_unlimited(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "e")
        console.app.screen.query_one("#field-unlimited").focus()
        await console.press("space", "ctrl+s")
        assert customers.find(database, "ci").unlimited


async def test_a_customer_gets_another_name(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "e")
        await fill(console, name="builds")
        await console.press("ctrl+s")
        assert customers.find(database, "builds").day_limit_micro == 2_000_000
        await console.press("u")
        assert customers.find(database, "ci")


async def test_a_customer_is_made_with_its_balance(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "n")
        await console.type("acme")
        await fill(console, balance="100")
        await fill(console, day_limit_micro="5")
        await console.press("ctrl+s")
        assert balance(database, "acme") == 100_000_000
        assert customers.find(database, "acme").day_limit_micro == 5_000_000
        assert changed_here(database) == [("customers.create", "acme")]


async def test_x_disables_a_customer_and_u_enables_it_again(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "x")
        assert not customers.find(database, "ci").enabled
        assert "◌ disabled" in line_of(console, "ci")
        await console.press("u")
        assert customers.find(database, "ci").enabled


async def test_marked_customers_are_disabled_together(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "space", "space", "x")
        assert changed_here(database) == [("customers.disable", "team-alpha"), ("customers.disable", "ci")]
        assert console.said[-1] == "2 customers are disabled.  u undoes"


@pytest.mark.parametrize("key", ["dollar_sign", "n", "e", "a", "x"])
async def test_a_read_only_console_refuses_every_change(
    data_dir: Path, seeded: None, database: Database, key: str
) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("4", key)
        assert "read-only" in console.said[-1]
        assert changed_here(database) == []
