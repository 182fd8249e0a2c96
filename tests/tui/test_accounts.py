"""Accounts: what is shown of them, and every change made to them."""

from pathlib import Path
from typing import Any

import pytest

from gateway.catalog import Rates
from gateway.store.database import Database, rows
from gateway.store.jobs import AccountState, Gauge
from gateway.store.operators import accounts
from gateway.store.operators.accounts import AccountChanges
from gateway.vault import load_vault
from tests.store.making import NOW, make_attempt, make_call, settle
from tests.tui.making import SIZES, Gateway, console_on, matches_snapshot
from tests.tui.typing_in import audited, choose, fill, on_the_screen

SECRET = "sk-ant-NOTAREALSECRET"


@pytest.fixture
def busy(database: Database, seeded: None, gateway_: Gateway) -> None:
    """Seven accounts, one in every state, and calls that two of them served."""
    for name, priority in (("anthropic-eu", 20), ("quota", 8), ("key-gone", 7), ("leaving", 6), ("old", -5)):
        accounts.add(
            database, "cli:op", name, kind="simulated", fields=AccountChanges(priority=priority, max_concurrency=8)
        )
    accounts.drain(database, "cli:op", "leaving")
    accounts.disable(database, "cli:op", "old")
    gateway_.beat(
        open_calls=9,
        states=[
            AccountState(1, "", NOW + 41_000, "rate_limited", 1, False, NOW - 1_000),
            AccountState(2, "claude-opus-5-5", NOW + 8_000, "overloaded", 1, False, NOW - 1_000),
            AccountState(4, "", NOW + 3_720_000, "quota", 1, False, NOW - 1_000),
            AccountState(5, "", NOW + 600_000, "credentials", 1, False, NOW - 1_000),
        ],
        gauges=[
            Gauge("in_flight", 1, 2),
            Gauge("in_flight", 3, 8),
            Gauge("ttft_p50_ms", 3, 720),
            Gauge("ttft_p95_ms", 3, 2_400),
        ],
    )
    calls = []
    for number in range(1, 31):
        call = make_call(number, account_id=3, upstream_cost_micro=41_000)
        calls.append(settle(call, attempts=[make_attempt(call, account_id=3, cost_micro=41_000)]))
    failed = make_call(40, account_id=1, outcome="failed", status=429, cost_micro=0, upstream_cost_micro=0)
    calls.append(settle(failed, attempts=[make_attempt(failed, outcome="failed", status=429, cost_micro=0)]))
    gateway_.write(*calls)


# -- what is shown


@pytest.mark.parametrize("size", SIZES)
async def test_the_state_of_every_account(data_dir: Path, busy: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("3")
        assert matches_snapshot(f"accounts-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_without_accounts_it_says_what_one_is(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("3")
        assert "trigate accounts add NAME" in console.text
        assert matches_snapshot(f"accounts-empty-{size}", console.text)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("anthropic-eu", "● ready"),
        ("main", "◌ cooling 41s, rate limited"),
        ("quota", "✕ out of quota 1h02m"),
        ("key-gone", "✕ refused 10m00s, the"),
        ("leaving", "◌ draining"),
        ("spare", "● ready, 1 model cooling"),
        ("old", "◌ disabled"),
    ],
)
async def test_a_state_is_a_word_and_why(data_dir: Path, busy: None, name: str, words: str) -> None:
    async with console_on(data_dir) as console:
        await console.press("3")
        line = next(line for line in console.text.splitlines() if line.startswith(f" {name} "))
        assert words in line


async def test_a_cool_down_counts_down_although_nothing_is_committed(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("3")
        console.app.now = lambda: NOW + 30_500  # type: ignore[method-assign]
        await console.look()
        assert "cooling 11s" in console.text


async def test_in_flight_is_unknown_while_no_gateway_runs(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir, at=NOW + 3_600_000) as console:
        await console.press("3")
        line = next(line for line in console.text.splitlines() if "anthropic-eu" in line)
        assert "– of 8" in line
        assert "0.7s" not in line


async def test_the_page_of_an_account_has_its_settings(data_dir: Path, database: Database) -> None:
    fields = AccountChanges(
        cost_prices={"claude-*": Rates(1_500_000, 7_500_000)},
        model_map={"claude-*": "anthropic/claude-*"},
        proxy="http://me:hidden@proxy:3128",
        extra_headers={"x-team": "hidden"},
    )
    accounts.add(database, "cli:op", "main", kind="simulated", sealed_secret=b"sealed", fields=fields)
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("3", "enter")
        shown = on_the_screen(console)
        for words in (
            "credential stored, sealed",
            "claude-* → anthropic/claude-*",
            "costs you claude-*: $1.50 in, $7.50 out",
            "proxy http://***@proxy:3128",
            "headers x-team",
        ):
            assert words in shown
        assert "hidden" not in shown


# -- what is done


async def test_x_disables_and_u_enables_again(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "x")
        assert not accounts.find(database, "main").enabled
        assert console.said[-1] == "main is disabled.  u undoes"
        await console.press("u")
        assert accounts.find(database, "main").enabled
        assert [row[1] for row in audited(database)[:2]] == ["accounts.enable", "accounts.disable"]
        assert audited(database)[0][0].startswith("console:")


async def test_x_on_a_disabled_account_enables_it(data_dir: Path, seeded: None, database: Database) -> None:
    accounts.disable(database, "cli:op", "main")
    async with console_on(data_dir) as console:
        await console.press("3", "x")
        assert accounts.find(database, "main").enabled


async def test_d_drains_and_ends_it(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "d")
        assert accounts.find(database, "main").draining
        assert "◌ draining" in console.text
        await console.press("d")
        assert not accounts.find(database, "main").draining
        await console.press("u")
        assert accounts.find(database, "main").draining


async def test_marked_accounts_are_drained_together(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "space", "space", "d")
        assert all(accounts.find(database, name).draining for name in ("main", "spare"))
        assert console.said[-1].startswith("2 accounts are draining.")


async def test_r_forgets_the_cool_downs(data_dir: Path, busy: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "j", "r")
        assert console.said[-1] == "The cool-downs of main are forgotten."
        assert audited(database)[0][1:] == ("accounts.reset", "main")


async def test_r_has_nothing_to_forget_where_nothing_cools(data_dir: Path, busy: None, database: Database) -> None:
    before = audited(database)
    async with console_on(data_dir) as console:
        await console.press("3", "r")
        assert "It is not cooling" in console.said[-1]
    assert audited(database) == before


async def test_t_sends_a_real_call(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "t")
        shown = on_the_screen(console)
        assert "One short call to main" in shown
        assert "● it answers" in shown
        assert "status 200" in shown
        await console.press("escape")
        assert "One short call" not in console.text


async def test_t_says_why_an_account_fails(data_dir: Path, database: Database) -> None:
    fields = AccountChanges(base_url="http://127.0.0.1:9/v1", models=("llama-4",), free=True)
    accounts.add(database, "cli:op", "local", kind="openai", fields=fields)
    async with console_on(data_dir) as console:
        await console.press("3", "t")
        assert "✕ it fails" in console.text
        assert "can this machine reach it?" in on_the_screen(console)


async def test_t_works_in_a_read_only_console(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("3", "t")
        assert "● it answers" in console.text


async def test_m_reads_the_list_of_models(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "m")
        assert "● it offers" in console.text
    assert "claude-haiku-4-5" in accounts.find(database, "main").discovered


async def test_n_adds_an_account_with_its_credential_sealed(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "n")
        await fill(console, name="eu", secret=SECRET, models="claude-*", priority="5", max_concurrency="8")
        assert SECRET not in console.text
        form = console.app.screen
        await console.press("ctrl+s")
        assert "Account eu is added." in console.said[-1]
        assert SECRET not in repr(vars(form)) + repr(vars(console.app)) + repr(vars(console.app.actions))
    account = accounts.find(database, "eu")
    assert (account.kind, account.base_url) == ("anthropic", "https://api.anthropic.com/v1")
    assert (account.models, account.priority, account.max_concurrency) == (("claude-*",), 5, 8)
    assert load_vault(data_dir, {}).open(account.sealed_secret) == SECRET
    assert SECRET not in str(rows(database, "SELECT details FROM audit"))


async def test_n_refuses_a_vendor_without_a_credential(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "n")
        await fill(console, name="eu")
        await console.press("ctrl+s")
        assert "need a credential" in on_the_screen(console)
    assert accounts.count_sealed(database) == 0


async def test_n_reads_the_models_of_a_new_account(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "n")
        await fill(console, name="sim")
        choose(console, "kind", "simulated")
        choose(console, "discover", True)
        await console.press("ctrl+s")
        assert "The models that sim lists" in console.text
    assert accounts.find(database, "sim").discovered


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("base_url", "nonsense", "The base URL is a URL such as"),
        ("models", "cl{ude", "is a model id in which"),
        ("priority", "high", "is a whole number"),
        ("weight", "0", "The weight is a number from 1"),
        ("max_concurrency", "0", "The concurrency is a number from 1"),
    ],
)
async def test_what_is_typed_is_checked(data_dir: Path, field: str, text: str, words: str) -> None:
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("3", "n")
        await fill(console, **{field: text})
        assert words in on_the_screen(console)


async def test_e_changes_what_was_typed_and_u_takes_it_back(data_dir: Path, seeded: None, database: Database) -> None:
    before = accounts.find(database, "main")
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("3", "e")
        await fill(
            console,
            name="first",
            priority="30",
            weight="3",
            max_concurrency="16",
            models="claude-* gpt-*",
            model_map="claude-*=anthropic/claude-*",
            cost_prices="claude-*=1.50/7.50/0.15",
        )
        choose(console, "on_cancel", "stops")
        await console.press("ctrl+s")
        after = accounts.find(database, "first")
        assert (after.priority, after.weight, after.max_concurrency) == (30, 3, 16)
        assert after.models == ("claude-*", "gpt-*")
        assert after.model_map == {"claude-*": "anthropic/claude-*"}
        assert after.cost_prices == {"claude-*": Rates(1_500_000, 7_500_000, 150_000)}
        assert after.on_cancel == "stops"
        await console.press("u")
    assert accounts.find(database, "main") == before


async def test_e_writes_nothing_where_nothing_was_changed(data_dir: Path, seeded: None, database: Database) -> None:
    before = audited(database)
    async with console_on(data_dir) as console:
        await console.press("3", "e", "ctrl+s")
        assert console.said[-1] == "Nothing was changed."
    assert audited(database) == before


async def test_rates_that_cannot_be_written_in_a_line_are_left_alone(
    data_dir: Path, seeded: None, database: Database
) -> None:
    costs = {"claude-*": Rates(1_000_000, 5_000_000, 100_000, 1_250_000, 2_000_000)}
    accounts.change(database, "cli:op", "main", AccountChanges(cost_prices=costs))
    async with console_on(data_dir) as console:
        await console.press("3", "e")
        await fill(console, priority="1")
        await console.press("ctrl+s")
    account = accounts.find(database, "main")
    assert (account.priority, account.cost_prices) == (1, costs)


async def test_a_refused_map_stays_in_the_form(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("3", "e")
        await fill(console, model_map="claude-*=*-*")
        await console.press("ctrl+s")
        assert "The model map cannot take" in on_the_screen(console)
    assert accounts.find(database, "main").model_map == {}


async def test_shift_r_stores_another_credential_and_tries_it(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "R")
        await fill(console, secret=SECRET)
        assert SECRET not in console.text
        await console.press("ctrl+s")
        assert "● it answers" in console.text
    assert load_vault(data_dir, {}).open(accounts.find(database, "main").sealed_secret) == SECRET
    assert audited(database)[0][1:] == ("accounts.rotate", "main")


async def test_p_sets_a_proxy_and_a_header_unseen(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "p")
        await fill(console, proxy="http://me:hidden@proxy:3128", header="X-Team", value="hidden too")
        await console.press("ctrl+s")
        assert "hidden" not in console.text
        assert console.app.actions.last is None
    account = accounts.find(database, "main")
    assert account.proxy == "http://me:hidden@proxy:3128"
    assert account.extra_headers == {"x-team": "hidden too"}


async def test_p_takes_both_out_again(data_dir: Path, seeded: None, database: Database) -> None:
    given = AccountChanges(proxy="http://proxy:3128", extra_headers={"x-team": "a", "x-other": "b"})
    accounts.change(database, "cli:op", "main", given)
    async with console_on(data_dir) as console:
        await console.press("3", "p")
        await fill(console, proxy="-", header="x-team")
        await console.press("ctrl+s")
    account = accounts.find(database, "main")
    assert (account.proxy, account.extra_headers) == (None, {"x-other": "b"})


async def test_a_refused_proxy_is_not_repeated(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "p")
        await fill(console, proxy="me:hidden@proxy")
        assert "The proxy is a URL such as" in console.text
        assert "hidden" not in console.text


async def test_shift_d_removes_once_the_name_was_typed(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "D")
        assert "Remove the account main?" in console.text
        await console.press("enter")
        assert accounts.find(database, "main")
        await console.type("main")
        await console.press("enter")
        assert console.said[-1] == "main is removed."
    assert rows(database, "SELECT name FROM accounts") == [("spare",)]
    assert audited(database)[0][1:] == ("accounts.remove", "main")


async def test_shift_d_deletes_the_login_of_a_program(data_dir: Path, database: Database) -> None:
    account = accounts.add(database, "cli:op", "claude", kind="claude-cli")
    folder = data_dir / "claude-cli" / str(account.id) / "config"
    folder.mkdir(parents=True)
    async with console_on(data_dir) as console:
        await console.press("3", "D")
        await console.type("claude")
        await console.press("enter")
    assert not folder.parent.exists()


async def test_l_shows_its_calls(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "l")
        assert console.app.current_mode == "live"
        assert console.app.screen.filter == 'account:"anthropic-eu"'  # type: ignore[attr-defined]


@pytest.mark.parametrize("key", ["n", "e", "x", "d", "r", "R", "p", "m", "D"])
async def test_read_only_changes_nothing(data_dir: Path, busy: None, database: Database, key: str) -> None:
    before = audited(database)
    async with console_on(data_dir, read_only=True) as console:
        await console.press("3", "j", key)
        assert "read-only" in console.said[-1]
    assert audited(database) == before


async def test_rows_are_filtered_by_what_they_are(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "slash")
        await console.type("cooling")
        names = [row.name for row in console.app.screen.query_one("#table").rows]  # type: ignore[attr-defined]
        assert names == ["main", "spare"]


async def test_s_goes_through_the_columns(data_dir: Path, busy: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("3", "s")
        table: Any = console.app.screen.query_one("#table")
        assert [row.name for row in table.rows][:2] == ["anthropic-eu", "key-gone"]
        await console.press("s")
        assert table.sorted_by == "STATE"
