"""What is typed to change accounts: added, edited, given a credential or a proxy, removed."""

from pathlib import Path

import pytest

from gateway.catalog import Rates
from gateway.store.database import Database, rows
from gateway.store.operators import accounts
from gateway.store.operators.accounts import AccountChanges
from gateway.vault import load_vault
from tests.tui.making import SIZES, console_on
from tests.tui.typing_in import audited, choose, fill, on_the_screen

SECRET = "sk-ant-NOTAREALSECRET"


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
