"""A customer's page: its ledger as a statement, and everything that is done from there."""

import csv
import stat
from pathlib import Path

import pytest

from admin_tui.screens.live import LiveScreen
from gateway.store.database import Database
from gateway.store.jobs import Gauge
from gateway.store.operators import customers, keys
from gateway.store.queries.lookups import balance_of
from tests.store.making import NOW, make_call, settle
from tests.tui.making import SIZES, Console, Gateway, console_on, matches_snapshot
from tests.tui.typing_in import fill

# A scroll bar at the end of a line.
_BAR = " ▁▂▃▄▅▆▇█"


@pytest.fixture
def used(seeded: None, database: Database, gateway_: Gateway) -> None:
    """`ci`, the first on Money: a top-up, an adjustment, two calls."""
    customers.topup(database, "cli:op", "ci", 20_000_000, note="invoice 7")
    customers.adjust(database, "cli:op", "ci", -1_500_000, note="billed twice")
    gateway_.beat(gauges=[Gauge("held_micro", 2, 10_000)])
    gateway_.write(
        settle(make_call(1, customer_id=2, key_id=2, cost_micro=120_345)),
        settle(make_call(2, customer_id=2, key_id=2, cost_micro=900_000, model="gpt-5.5")),
    )


def lines(console: Console) -> list[list[str]]:
    """The statement's lines as words, without the time, newest first."""
    return [line.rstrip(_BAR).split()[2:] for line in console.text.splitlines() if line.startswith(" 2026-")]


@pytest.mark.parametrize("size", SIZES)
async def test_a_customer_at_every_size(data_dir: Path, used: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "enter")
        assert matches_snapshot(f"customer-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_a_customer_without_an_entry(data_dir: Path, database: Database, size: str) -> None:
    customers.create(database, "cli:op", "new")
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "enter")
        assert "Nothing was booked yet." in console.text
        assert matches_snapshot(f"customer-empty-{size}", console.text)


async def test_every_line_has_the_balance_it_left(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter")
        assert lines(console) == [
            ["call", "-$0.90", "$22.479655", "gpt-5.5"],
            ["call", "-$0.120345", "$23.379655", "claude-sonnet-4-6"],
            ["adjusted", "-$1.50", "$23.50", "billed", "twice"],
            ["top-up", "+$20.00", "$25.00", "invoice", "7"],
            ["top-up", "+$5.00", "$5.00", "opening", "balance"],
        ]


async def test_enter_on_a_charge_opens_its_call(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "enter")
        assert "gpt-5.5" in console.text
        assert "WHAT" not in console.text
        await console.press("escape")
        assert "WHAT" in console.text


async def test_enter_on_a_top_up_opens_the_entry(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "G", "enter")
        assert "balance after  $5.00" in console.text
        assert "cli:op" in console.text


async def test_escape_goes_back_to_the_customers(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "escape")
        assert "30 DAYS" in console.text


@pytest.fixture
def long(seeded: None, gateway_: Gateway) -> None:
    """450 charges; the oldest is the only one of its model."""
    calls = [make_call(number, customer_id=2, key_id=2, cost_micro=1_000, at=NOW + number) for number in range(1, 451)]
    odd = make_call(0, customer_id=2, key_id=2, cost_micro=7, model="gpt-5.5", at=NOW)
    gateway_.beat()
    gateway_.write(settle(odd), *map(settle, calls))


async def test_a_long_statement_is_read_page_by_page_to_its_beginning(data_dir: Path, long: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter")
        assert "back to 2026-03-04, G reads on" in console.text
        await console.press("G", "G", "G", "G", "G", "G")
        assert lines(console)[-1] == ["top-up", "+$5.00", "$5.00", "opening", "balance"]
        assert "reads on" not in console.text


async def test_a_filter_reads_on_until_it_found_something(data_dir: Path, long: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "slash")
        await console.type("gpt-5.5")
        await console.press("enter")
        assert lines(console) == [["call", "-$0.000007", "$4.999993", "gpt-5.5"]]


async def test_a_new_entry_appears_on_top_of_the_pages_that_were_read(
    data_dir: Path, long: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "G")
        customers.topup(database, "cli:op", "ci", 1_000_000, note="late")
        await console.look()
        await console.press("home")
        assert lines(console)[0] == ["top-up", "+$1.00", "$5.549993", "late"]
        assert lines(console)[1][2] == "$4.549993"


async def test_a_top_up_stands_in_the_statement_at_once(data_dir: Path, used: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "dollar_sign")
        await console.type("25")
        await console.press("enter")
        assert lines(console)[0][:3] == ["top-up", "+$25.00", "$47.479655"]
        await console.press("u")
        assert lines(console)[0][:2] == ["adjusted", "-$25.00"]
        assert balance_of(database, 2) == 22_479_655


async def test_it_is_adjusted_from_its_page(data_dir: Path, used: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "a")
        await console.type("0.52")
        await fill(console, note="goodwill")
        await console.press("ctrl+s")
        assert lines(console)[0] == ["adjusted", "+$0.52", "$22.999655", "goodwill"]


async def test_its_limits_are_changed_from_its_page(data_dir: Path, used: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "e")
        await fill(console, month_limit_micro="60")
        await console.press("ctrl+s")
        assert customers.find(database, "ci").month_limit_micro == 60_000_000
        assert "at most $2.00/d, $60.00/m" in console.text


async def test_it_is_disabled_and_enabled_from_its_page(data_dir: Path, used: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "x")
        assert not customers.find(database, "ci").enabled
        assert "◌ disabled" in console.text
        await console.press("x")
        assert customers.find(database, "ci").enabled


async def test_o_and_l_lead_to_its_keys_and_calls(data_dir: Path, used: None, database: Database) -> None:
    keys.create(database, "cli:op", "other", customer="team-alpha")
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "o")
        assert console.app.current_mode == "keys"
        assert "ci-bot" in console.text
        assert "other" not in console.text
        await console.press("4", "l")
        assert isinstance(console.app.screen, LiveScreen)
        assert console.app.screen.filter == 'customer:"ci"'


async def test_the_statement_is_exported_with_exact_amounts(data_dir: Path, used: None) -> None:
    path = data_dir / "statement.csv"
    async with console_on(data_dir) as console:
        await console.press("4", "enter", "w")
        await fill(console, path=str(path))
        await console.press("ctrl+s")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        found = list(csv.DictReader(file))
    assert [(row["kind"], row["amount_usd"], row["balance_usd"]) for row in found][:3] == [
        ("charge", "-0.9", "22.479655"),
        ("charge", "-0.120345", "23.379655"),
        ("adjust", "-1.5", "23.5"),
    ]
    assert found[0]["key"] == "ci-bot"


@pytest.mark.parametrize("key", ["dollar_sign", "e", "a", "x"])
async def test_a_read_only_console_refuses_every_change(data_dir: Path, used: None, key: str) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("4", "enter", key)
        assert "read-only" in console.said[-1]
