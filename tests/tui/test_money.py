"""The Money screen: what customers have, what is done to them, what the gateway earns, what upstreams bill."""

import csv
import stat
from pathlib import Path

import msgspec
import pytest
from textual.widgets import Input

from admin_tui.screens.live import LiveScreen
from gateway.store.database import Database
from gateway.store.jobs import Gauge
from gateway.store.operators import accounts, customers
from gateway.store.queries.ledger import list_entries
from gateway.store.queries.lookups import balance_of
from gateway.store.queries.views import list_audit
from gateway.store.rollups import DAY_MS
from tests.store.making import NOW, make_attempt, make_call, settle
from tests.tui.making import SIZES, Console, Gateway, console_on, matches_snapshot

FEBRUARY = NOW - 20 * DAY_MS


@pytest.fixture
def used(seeded: None, database: Database, gateway_: Gateway) -> None:
    """A gateway that runs and holds money, calls over some days, one counted by estimate, one that lost a race."""
    customers.create(database, "cli:op", "own", unlimited=True)
    customers.create(database, "cli:op", "new")
    gateway_.beat(gauges=[Gauge("held_micro", 1, 420_000)])
    jobs = []
    for number, (customer, days, cost_micro) in enumerate(
        [(1, 0, 2_000_000), (1, 1, 1_000_000), (1, 3, 500_000), (2, 0, 900_000), (2, 2, 300_000), (3, 3, 40_000)]
    ):
        call = make_call(
            number,
            customer_id=customer,
            at=NOW - days * DAY_MS,
            cost_micro=cost_micro,
            upstream_cost_micro=cost_micro // 2,
            usage_basis="estimated" if number == 1 else "reported",
        )
        jobs.append(settle(call, attempts=[make_attempt(call, cost_micro=cost_micro // 2)]))
    raced = make_call(9, at=FEBRUARY, cost_micro=800_000, upstream_cost_micro=500_000)
    lost = make_attempt(raced, 2, account_id=2, outcome="lost", cost_micro=100_000)
    jobs.append(settle(raced, attempts=[make_attempt(raced, cost_micro=400_000), lost]))
    gateway_.write(*jobs)


def audited(database: Database) -> list[tuple[str, str]]:
    """What the console wrote, newest first."""
    return [(each.action, each.subject) for each in list_audit(database) if each.actor.startswith("console:")]


def balance(database: Database, name: str) -> int | None:
    return balance_of(database, customers.find(database, name).id)


def line_of(console: Console, name: str) -> str:
    return next(line for line in console.text.splitlines() if line.split()[:1] == [name])


async def to_field(console: Console, name: str, text: str) -> None:
    """Replace what stands in a form's field."""
    field = console.app.screen.query_one(f"#field-{name}", Input)
    field.focus()
    field.value = ""
    await console.settle()
    await console.type(text)


# -- customers: what is shown


@pytest.mark.parametrize("size", SIZES)
async def test_money_at_every_size(data_dir: Path, used: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4")
        assert matches_snapshot(f"money-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_without_customers_it_says_what_one_is(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4")
        assert "A customer is who pays" in console.text
        assert matches_snapshot(f"money-empty-{size}", console.text)


async def test_a_row_has_balance_held_and_what_was_spent(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4")
        assert line_of(console, "team-alpha").split()[1:6] == ["$45.70", "$0.420", "$2.00", "$3.50", "$4.30"]


async def test_the_runway_is_an_estimate_at_the_pace_of_the_last_days(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4")
        # $45.28 to spend, $3.50 in the four days since the first charge of the week.
        assert line_of(console, "team-alpha").split()[-1] == "~52d"
        assert line_of(console, "own").split()[-1] == "unlimited"
        assert line_of(console, "new").endswith("✕ no credit")


async def test_what_is_held_is_unknown_while_no_gateway_runs(data_dir: Path, used: None) -> None:
    async with console_on(data_dir, at=NOW + 60_000) as console:
        await console.press("4")
        assert line_of(console, "team-alpha").split()[2] == "–"


async def test_the_line_above_has_the_gateways_own_money(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4")
        assert "today charged $2.90  cost $1.45  margin $1.45  30 days charged $5.54" in console.text


async def test_what_was_counted_by_estimate_wears_a_wave(data_dir: Path, used: None) -> None:
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("4")
        assert line_of(console, "2026-03-03").split()[2:6] == ["$1.00", "~$0.500", "$0", "~$0.500"]


async def test_the_shortest_runway_comes_first_when_asked(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", *"sssssss")
        assert "RUNWAY↑" in console.text
        assert console.text.splitlines()[4].split()[0] == "ci"


# -- customers: what is done


async def test_a_top_up_is_an_amount_and_enter(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "dollar_sign")
        await console.type("25.50")
        assert "The balance becomes $30.50." in console.text
        assert matches_snapshot("money-topup-80x24", console.text)
        await console.press("enter")
        assert balance(database, "ci") == 30_500_000
        assert audited(database) == [("customers.topup", "ci")]
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
            await to_field(console, "reference", "pay_1")
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
        assert audited(database) == []


async def test_an_adjustment_takes_money_away_and_says_why(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "a")
        await console.type("-2.50")
        await console.press("enter")
        await console.type("billed twice")
        await console.press("enter")
        entry = list_entries(database, limit=1)[0]
        assert (entry.kind, entry.amount_micro, entry.note) == ("adjust", -2_500_000, "billed twice")
        assert audited(database) == [("customers.adjust", "ci")]
        await console.press("u")
        assert balance(database, "ci") == 5_000_000


async def test_an_adjustment_without_a_reason_is_not_made(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "a")
        await console.type("-2.50")
        await console.press("ctrl+s")
        assert "Note is needed." in console.text
        assert audited(database) == []


async def test_limits_are_changed_and_changed_back(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "e")
        await to_field(console, "month_limit_micro", "40")
        await to_field(console, "day_limit_micro", "")
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
        await to_field(console, "name", "builds")
        await console.press("ctrl+s")
        assert customers.find(database, "builds").day_limit_micro == 2_000_000
        await console.press("u")
        assert customers.find(database, "ci")


async def test_a_customer_is_made_with_its_balance(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "n")
        await console.type("acme")
        await to_field(console, "balance", "100")
        await to_field(console, "day_limit_micro", "5")
        await console.press("ctrl+s")
        assert balance(database, "acme") == 100_000_000
        assert customers.find(database, "acme").day_limit_micro == 5_000_000
        assert audited(database) == [("customers.create", "acme")]


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
        assert audited(database) == [("customers.disable", "team-alpha"), ("customers.disable", "ci")]
        assert console.said[-1] == "2 customers are disabled.  u undoes"


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


async def test_what_is_shown_is_exported_exactly(data_dir: Path, used: None) -> None:
    path = data_dir / "money.csv"
    async with console_on(data_dir) as console:
        await console.press("4", "w")
        await to_field(console, "path", str(path))
        await console.press("ctrl+s")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        found = {row["customer"]: row for row in csv.DictReader(file)}
    assert found["team-alpha"]["balance_usd"] == "45.7"
    assert found["team-alpha"]["held_usd"] == "0.42"
    assert found["new"]["runway_days"] == ""


async def test_a_file_that_is_there_is_not_overwritten(data_dir: Path, used: None) -> None:
    path = data_dir / "money.csv"
    path.write_text("mine")
    async with console_on(data_dir) as console:
        await console.press("4", "w")
        await to_field(console, "path", str(path))
        await console.press("ctrl+s")
        assert "is there already" in " ".join(console.text.replace("│", " ").split())
    assert path.read_text() == "mine"


@pytest.mark.parametrize("key", ["dollar_sign", "n", "e", "a", "x"])
async def test_a_read_only_console_refuses_every_change(
    data_dir: Path, seeded: None, database: Database, key: str
) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("4", key)
        assert "read-only" in console.said[-1]
        assert audited(database) == []


# -- the gateway by day


@pytest.mark.parametrize("size", SIZES)
async def test_days_at_every_size(data_dir: Path, used: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "d")
        assert matches_snapshot(f"money-days-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_days_before_the_first_call(data_dir: Path, seeded: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "d")
        assert "Nothing billed yet." in console.text
        assert matches_snapshot(f"money-days-empty-{size}", console.text)


async def test_a_day_has_charges_cost_races_and_margin(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "d", "G")
        assert console.text.splitlines()[-2].split() == [
            "2026-02-12", "1", "$0.800", "$0.500", "$0.100", "$0.300", "38%",
        ]  # fmt: skip
        await console.press("escape")
        assert console.app.current_mode == "money"
        assert line_of(console, "team-alpha")


async def test_days_are_exported(data_dir: Path, used: None) -> None:
    path = data_dir / "days.json"
    async with console_on(data_dir) as console:
        await console.press("4", "d", "w")
        await to_field(console, "path", str(path))
        await console.press("ctrl+s")
    newest = msgspec.json.decode(path.read_bytes())["rows"][0]
    assert (newest["day"], newest["calls"], newest["margin_usd"]) == ("2026-03-04", 2, "1.45")


# -- against an upstream's invoice


@pytest.mark.parametrize("size", SIZES)
async def test_invoices_at_every_size(data_dir: Path, used: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "i", "e")
        await to_field(console, "amount", "0.50")
        await console.press("ctrl+s")
        assert matches_snapshot(f"money-invoices-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_invoices_without_accounts(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("4", "i")
        assert "No accounts yet." in console.text
        assert matches_snapshot(f"money-invoices-empty-{size}", console.text)


async def test_the_month_before_is_held_against_the_invoice(data_dir: Path, used: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i")
        assert line_of(console, "main").split()[1:] == ["1", "$0.400", "$0", "–", "–", "–"]
        await console.press("e")
        await to_field(console, "amount", "0.50")
        await console.press("ctrl+s")
        assert line_of(console, "main").split()[1:] == ["1", "$0.400", "$0", "$0.500", "+$0.100", "+25.0%"]
        assert audited(database) == []


async def test_an_invoice_stays_while_one_looks_elsewhere(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "e")
        await to_field(console, "amount", "0.50")
        await console.press("ctrl+s", "escape", "i")
        assert "+25.0%" in line_of(console, "main")


async def test_brackets_turn_the_months(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "right_square_bracket")
        assert "2026-03 (UTC), not over yet" in console.text
        # One of its calls was counted by estimate.
        assert line_of(console, "main").split()[2].startswith("~$")
        await console.press("right_square_bracket")
        assert "has not begun" in console.said[-1]
        await console.press("left_square_bracket", "left_square_bracket")
        assert "2026-01 (UTC)" in console.text


async def test_enter_says_what_a_difference_may_mean(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "e")
        await to_field(console, "amount", "0.50")
        await console.press("ctrl+s", "enter")
        assert "The upstream invoiced more than was counted" in console.text


async def test_a_month_that_is_none_is_refused(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "i", "e")
        await to_field(console, "month", "2026-13")
        await console.press("ctrl+s")
        assert "is not a time" in console.text or "is not a month" in console.text


async def test_invoices_are_exported(data_dir: Path, used: None, database: Database) -> None:
    accounts.disable(database, "cli:op", "spare")
    path = data_dir / "invoices.csv"
    async with console_on(data_dir) as console:
        await console.press("4", "i", "w")
        await to_field(console, "path", str(path))
        await console.press("ctrl+s")
    with path.open() as file:
        found = {row["account"]: row for row in csv.DictReader(file)}
    assert (found["main"]["counted_usd"], found["main"]["invoice_usd"]) == ("0.4", "")
    assert found["spare"]["lost_races_usd"] == "0.1"
