"""The Keys screen: what it shows of a key, and everything that is done to one."""

import csv
import stat
from pathlib import Path

import pytest
from textual.widgets import Input

from admin_tui.screens.live import LiveScreen
from gateway.keys import hash_secret
from gateway.records import Key
from gateway.store.database import Database, rows
from gateway.store.jobs import KeyState
from gateway.store.operators import customers, keys
from gateway.store.queries.lookups import balance_of
from gateway.store.queries.views import list_audit
from gateway.store.rollups import DAY_MS, HOUR_MS
from tests.store.making import NOW, make_call, settle
from tests.tui.making import SIZES, Console, Gateway, console_on, matches_snapshot


@pytest.fixture
def used(seeded: None, database: Database, gateway_: Gateway) -> None:
    """A gateway that runs, keys of every state, some calls."""
    keys.create(database, "cli:op", "laptop", customer="team-alpha")
    expire(database, "laptop", NOW - 1)
    keys.create(database, "cli:op", "broke", balance_micro=0)
    keys.create(database, "cli:op", "gone", customer="ci")
    keys.revoke(database, "cli:op", "gone")
    gateway_.beat(uses=[KeyState(1, NOW - 40_000, "10.0.0.7")])
    gateway_.write(
        settle(make_call(1, cost_micro=1_200_000)), settle(make_call(2, cost_micro=300_000, at=NOW - HOUR_MS))
    )
    gateway_.write(settle(make_call(3, cost_micro=90_000, at=NOW - 2 * DAY_MS)))


def expire(database: Database, name: str, at: int) -> None:
    """Time has passed since it was given that long."""
    rows(database, "UPDATE keys SET expires_at = ? WHERE name = ?", (at, name))


def audited(database: Database) -> list[tuple[str, str]]:
    """What the console wrote, newest first."""
    return [(each.action, each.subject) for each in list_audit(database) if each.actor.startswith("console:")]


def line_of(console: Console, name: str) -> str:
    return next(line for line in console.text.splitlines() if line.split()[:1] == [name])


def the_key(database: Database, name: str) -> Key:
    return keys.find(database, name)


async def to_field(console: Console, name: str, text: str) -> None:
    """Replace what stands in a form's field."""
    field = console.app.screen.query_one(f"#field-{name}", Input)
    field.focus()
    field.value = ""
    await console.settle()
    await console.type(text)


# -- what is shown


@pytest.mark.parametrize("size", SIZES)
async def test_keys_at_every_size(data_dir: Path, used: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("2", "j")
        assert matches_snapshot(f"keys-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_without_keys_it_says_how_to_make_one(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("2")
        assert "Press n, or trigate keys create NAME" in " ".join(console.text.split())
        assert matches_snapshot(f"keys-empty-{size}", console.text)


async def test_a_row_has_last_use_and_the_calls_and_cost_of_24_hours(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        assert line_of(console, "alpha").split()[5:] == ["40s", "ago", "2", "$1.50"]


@pytest.mark.parametrize(
    ("name", "state"),
    [("alpha", "● active"), ("laptop", "✕ expired"), ("broke", "✕ no credit")],
)
async def test_the_state_says_whether_a_call_would_be_served(data_dir: Path, used: None, name: str, state: str) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        assert state in line_of(console, name)


async def test_a_key_of_a_disabled_customer_is_refused(data_dir: Path, used: None, database: Database) -> None:
    customers.disable(database, "cli:op", "team-alpha")
    async with console_on(data_dir) as console:
        await console.press("2")
        assert "✕ refused" in line_of(console, "alpha")
        await console.press("enter")
        assert "its customer team-alpha is disabled" in console.text


async def test_a_key_that_spent_its_daily_limit_says_so(data_dir: Path, used: None, database: Database) -> None:
    keys.change(database, "cli:op", "alpha", keys.KeyChanges(day_limit_micro=1_000_000))
    async with console_on(data_dir) as console:
        await console.press("2")
        assert "✕ at limit" in line_of(console, "alpha")


async def test_revoked_keys_are_shown_when_asked_for(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        assert "gone" not in console.text
        await console.press("a")
        assert "✕ revoked" in line_of(console, "gone")


async def test_enter_opens_the_key_as_a_page_where_it_is_narrow(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "enter")
        assert "40s ago from 10.0.0.7" in console.text
        await console.press("escape")
        assert "COST 24H" in console.text


async def test_the_filter_looks_at_customers_and_states(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "slash")
        await console.type("team-alpha !expired")
        await console.press("enter")
        assert line_of(console, "alpha")
        assert "laptop" not in console.text
        assert "ci-bot" not in console.text


async def test_an_order_is_kept_for_the_next_start(data_dir: Path, used: None) -> None:
    for presses in (("2", *"ssssss"), ("2",)):
        async with console_on(data_dir) as console:
            await console.press(*presses)
            assert "CALLS↓" in console.text
            assert console.text.splitlines()[4].split()[0] == "alpha"


# -- making


async def test_a_key_is_made_with_its_customer_and_a_balance(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("alice")
        await to_field(console, "balance", "12.50")
        await console.press("ctrl+s")
        key = the_key(database, "alice")
        assert balance_of(database, key.customer_id) == 12_500_000
        assert audited(database) == [("keys.create", "alice"), ("customers.create", "alice")]


async def test_its_secret_is_shown_once_with_lines_to_paste(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir, SIZES["200x60"]) as console:
        await console.press("2", "n")
        await console.type("alice")
        await console.press("ctrl+s")
        secret = next(word for word in console.text.split() if word.startswith("cc_user_") and len(word) > 40)
        assert hash_secret(secret) == the_key(database, "alice").secret_hash
        assert f"export ANTHROPIC_AUTH_TOKEN={secret}" in console.text
        assert "http://127.0.0.1:8000/v1/messages" in console.text
        assert matches_snapshot("keys-secret-200x60", console.text)
        await console.press("y", "escape")
        assert secret not in console.text
        assert secret not in repr(vars(console.app.screen))
        assert "$ tops it up" in console.said[-1]


async def test_a_key_for_a_customer_that_exists(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("second")
        await to_field(console, "customer", "ci")
        assert "ci pays: it has $5.00." in console.text
        await console.press("ctrl+s")
        assert the_key(database, "second").customer_id == customers.find(database, "ci").id
        assert audited(database) == [("keys.create", "second")]


async def test_a_customer_that_exists_gets_no_second_opening_balance(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("second")
        await to_field(console, "customer", "ci")
        await to_field(console, "balance", "10")
        await console.press("ctrl+s")
        assert "Leave Balance empty" in console.text
        assert audited(database) == []


async def test_a_key_is_made_with_every_limit(data_dir: Path, seeded: None, database: Database) -> None:
    typed = {
        "rpm": "60", "tpm": "100,000", "concurrency": "4", "day_limit_micro": "2.50", "month_limit_micro": "40",
        "expires": "30d", "models": "claude-* gpt-5.5", "addresses": "203.0.113.7, 2001:db8::/32",
    }  # fmt: skip
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("narrow")
        for field, text in typed.items():
            await to_field(console, field, text)
        await console.press("ctrl+s")
    key = the_key(database, "narrow")
    assert (key.rpm, key.tpm, key.concurrency) == (60, 100_000, 4)
    assert (key.day_limit_micro, key.month_limit_micro) == (2_500_000, 40_000_000)
    assert key.expires_at == NOW + 30 * DAY_MS
    assert key.models == ("claude-*", "gpt-5.5")
    assert key.ip_allow == ("203.0.113.7/32", "2001:db8::/32")


@pytest.mark.parametrize(
    ("field", "text", "refusal"),
    [
        ("expires", "2026-01-01", "is over already"),
        ("expires", "soon", "is not a time"),
        ("addresses", "300.1.1.1", "is no IP address"),
        ("rpm", "0", "is a number from 1"),
        ("day_limit_micro", "-1", "cannot be negative"),
        ("models", "claude *;", "is a model id"),
    ],
)
async def test_what_makes_no_sense_is_said_and_nothing_is_written(
    data_dir: Path, seeded: None, database: Database, field: str, text: str, refusal: str
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("odd")
        await to_field(console, field, text)
        await console.press("ctrl+s")
        assert refusal in " ".join(console.text.replace("│", " ").split())
        assert audited(database) == []


async def test_a_name_that_is_taken_is_said_in_the_form(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("alpha")
        await console.press("ctrl+s")
        assert "There is a key 'alpha' already" in " ".join(console.text.split())
        assert audited(database) == []


async def test_escape_makes_nothing(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("alice")
        await console.press("escape")
        assert rows(database, "SELECT name FROM keys") == []


# -- changing


async def test_only_what_was_changed_is_written_and_u_takes_it_back(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "e")
        await to_field(console, "rpm", "30")
        await console.press("ctrl+s")
        assert the_key(database, "alpha").rpm == 30
        assert list_audit(database)[0].details.keys() == {"public_id", "rpm"}
        assert console.said[-1] == "alpha is changed.  u undoes"
        await console.press("u")
        assert the_key(database, "alpha").rpm is None


async def test_an_emptied_limit_falls_back_to_the_tier(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "j", "e")
        await to_field(console, "rpm", "")
        await console.press("ctrl+s")
        assert the_key(database, "ci-bot").rpm is None


async def test_a_key_gets_another_name_and_tier(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "e")
        await to_field(console, "name", "alpha-2")
        await console.press("tab", "enter", "down", "enter", "ctrl+s")
        assert the_key(database, "alpha-2").tier != "all"


async def test_an_expiry_that_was_not_touched_stays_to_the_millisecond(
    data_dir: Path, seeded: None, database: Database
) -> None:
    expire(database, "alpha", NOW - 5)
    async with console_on(data_dir) as console:
        await console.press("2", "e")
        await to_field(console, "tpm", "9")
        await console.press("ctrl+s")
        assert (the_key(database, "alpha").tpm, the_key(database, "alpha").expires_at) == (9, NOW - 5)


async def test_a_form_left_as_it_was_writes_nothing(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "e", "ctrl+s")
        assert console.said[-1] == "Nothing was changed."
        assert audited(database) == []


# -- disabling


async def test_x_disables_a_key_and_u_enables_it_again(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "x")
        assert not the_key(database, "alpha").enabled
        assert "◌ disabled" in line_of(console, "alpha")
        assert console.said[-1] == "alpha is disabled.  u undoes"
        await console.press("u")
        assert the_key(database, "alpha").enabled


async def test_x_enables_a_disabled_key(data_dir: Path, seeded: None, database: Database) -> None:
    keys.disable(database, "cli:op", "alpha")
    async with console_on(data_dir) as console:
        await console.press("2", "x")
        assert the_key(database, "alpha").enabled


async def test_marked_keys_are_disabled_together(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "space", "space", "x")
        assert not the_key(database, "alpha").enabled
        assert not the_key(database, "ci-bot").enabled
        assert audited(database) == [("keys.disable", "ci-bot"), ("keys.disable", "alpha")]
        await console.press("u")
        assert the_key(database, "ci-bot").enabled


# -- rotating


async def test_a_rotation_shows_the_new_secret_and_leaves_the_old_one_its_time(
    data_dir: Path, seeded: None, database: Database
) -> None:
    old = the_key(database, "alpha")
    async with console_on(data_dir, SIZES["200x60"]) as console:
        await console.press("2", "R")
        await to_field(console, "grace", "15m")
        await console.press("enter")
        secret = next(word for word in console.text.split() if word.startswith("cc_user_") and len(word) > 40)
    new = the_key(database, "alpha")
    assert new.secret_hash == hash_secret(secret)
    assert (new.previous_hash, new.previous_until) == (old.secret_hash, NOW + 15 * 60_000)


async def test_a_rotation_without_grace_voids_the_old_secret(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "R")
        await to_field(console, "grace", "0")
        await console.press("enter", "y", "escape")
        assert the_key(database, "alpha").previous_hash is None
        assert console.said[-1] == "The old secret of alpha is void."


async def test_a_grace_beyond_90_days_is_refused(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "R")
        await to_field(console, "grace", "91d")
        await console.press("enter")
        assert "90 days at most" in console.text
        assert audited(database) == []


# -- revoking


async def test_revoking_names_the_key_its_use_and_wants_the_name(
    data_dir: Path, used: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "D")
        assert matches_snapshot("keys-revoke-80x24", console.text)
        assert "2 calls, $1.50" in console.text
        await console.type("alph")
        await console.press("enter")
        assert the_key(database, "alpha").revoked_at is None
        await console.type("a")
        await console.press("enter")
        assert the_key(database, "alpha").revoked_at == NOW
        assert audited(database) == [("keys.revoke", "alpha")]


async def test_escape_revokes_nothing(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "D", "escape")
        assert the_key(database, "alpha").revoked_at is None


async def test_several_keys_are_revoked_by_their_number(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "space", "space", "D")
        assert "Revoke 2 keys?" in console.text
        assert "alpha, ci-bot" in console.text
        await console.type("2")
        await console.press("enter")
        assert [key.revoked_at for key in (the_key(database, "alpha"), the_key(database, "ci-bot"))] == [NOW, NOW]


@pytest.mark.parametrize("key", ["e", "x", "R", "D"])
async def test_a_revoked_key_says_that_it_is_final(data_dir: Path, used: None, database: Database, key: str) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "a", "G", key)
        assert "which is final" in console.said[-1]
        assert audited(database) == []


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


async def test_l_shows_its_calls_on_live(data_dir: Path, used: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "l")
        assert isinstance(console.app.screen, LiveScreen)
        assert console.app.screen.filter == 'key:"alpha"'


# -- writing down, and not writing


async def test_what_is_shown_is_exported_for_its_owner_alone(data_dir: Path, used: None) -> None:
    path = data_dir / "keys.csv"
    async with console_on(data_dir) as console:
        await console.press("2", "slash")
        await console.type("alpha !laptop")
        await console.press("enter", "w")
        await to_field(console, "path", str(path))
        await console.press("ctrl+s")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with path.open() as file:
        (row,) = csv.DictReader(file)
    assert (row["name"], row["state"], row["calls_24h"], row["cost_24h_usd"]) == ("alpha", "active", "2", "1.5")


@pytest.mark.parametrize("key", ["n", "e", "x", "R", "D", "dollar_sign"])
async def test_a_read_only_console_refuses_every_change(
    data_dir: Path, seeded: None, database: Database, key: str
) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("2", key)
        assert "read-only" in console.said[-1]
        assert audited(database) == []
