"""The first steps: offered where there is nothing, each done by a key, each to be left for later."""

from pathlib import Path

import pytest

from admin_tui.screens.accounts import AccountsScreen
from admin_tui.screens.live import LiveScreen
from admin_tui.screens.setup_wizard import SetupScreen
from gateway.store.database import Database, rows
from gateway.store.operators import accounts, customers, keys
from gateway.store.operators.accounts import AccountChanges
from gateway.vault import load_vault
from tests.store.making import make_call, settle
from tests.tui.making import SIZES, Console, Gateway, console_on, matches_snapshot
from tests.tui.typing_in import audited, choose, fill, on_the_screen

SECRET = "sk-ant-NOTAREALSECRET"


@pytest.fixture
def short_path(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages that are compared name the same folder each time."""
    monkeypatch.setattr(SetupScreen, "folder", Path("/var/lib/trigate"))


async def add_simulated(console: Console) -> None:
    await console.press("enter")
    await fill(console, name="sim")
    choose(console, "kind", "simulated")
    await console.press("ctrl+s")


@pytest.mark.parametrize("size", SIZES)
async def test_an_empty_database_is_offered_the_first_steps(data_dir: Path, short_path: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size], offer_setup=True) as console:
        assert matches_snapshot(f"setup-{size}", console.text)


async def test_they_are_not_offered_where_there_is_an_account(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir, offer_setup=True) as console:
        assert isinstance(console.app.screen, LiveScreen)


async def test_a_read_only_console_does_not_offer_them(data_dir: Path) -> None:
    async with console_on(data_dir, offer_setup=True, read_only=True) as console:
        assert isinstance(console.app.screen, LiveScreen)


async def test_x_leaves_them_for_later_and_i_comes_back(data_dir: Path) -> None:
    async with console_on(data_dir, offer_setup=True) as console:
        await console.press("x")
        assert isinstance(console.app.screen, LiveScreen)
        await console.press("3", "i")
        assert isinstance(console.app.screen, SetupScreen)
        await console.press("q")
        assert isinstance(console.app.screen, AccountsScreen)


async def test_enter_makes_the_master_key_for_its_owner_alone(data_dir: Path) -> None:
    async with console_on(data_dir, offer_setup=True) as console:
        await console.press("enter")
        assert "Back it up" in console.said[-1]
        assert "● 2 Master key" in console.text
    assert (data_dir / "master.key").stat().st_mode & 0o777 == 0o600
    assert load_vault(data_dir, {}, may_make=False)


async def test_the_first_account_is_tried_at_once(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir, SIZES["120x36"], offer_setup=True) as console:
        await console.press("enter")
        await add_simulated(console)
        assert "● it answers" in console.text
        await console.press("escape")
        assert "● 3 First account" in console.text
        assert "sim, simulated: it answers." in on_the_screen(console)
    assert accounts.find(database, "sim").kind == "simulated"


async def test_an_account_that_fails_is_mended_with_another_credential(data_dir: Path, database: Database) -> None:
    fields = AccountChanges(base_url="http://127.0.0.1:9/v1", models=("llama-4",), free=True)
    accounts.add(database, "cli:op", "local", kind="openai", fields=fields)
    async with console_on(data_dir) as console:
        await console.press("3", "i", "t")
        assert "✕ it fails" in console.text
        await console.press("escape")
        assert "✕ 3 First account" in console.text
        assert "R gives it another credential" in on_the_screen(console)
        await console.press("R")
        await fill(console, secret=SECRET)
        await console.press("ctrl+s")
        assert "One short call to local" in console.text
    assert load_vault(data_dir, {}).open(accounts.find(database, "local").sealed_secret) == SECRET


async def test_the_first_key_is_shown_once_with_a_call_to_paste(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir, SIZES["120x36"], offer_setup=True) as console:
        await console.press("enter")
        await add_simulated(console)
        await console.press("escape", "enter", "ctrl+s")
        secret = "cc_user_" + f"{1:012d}" + "S" * 37 + f"{1:06d}"
        assert secret in console.text
        assert "curl -sS http://127.0.0.1:8000/v1/messages" in on_the_screen(console)
        await console.press("y", "escape")
        assert "● 4 First key" in console.text
        assert secret not in console.text
    assert customers.find(database, "first").unlimited
    assert keys.find(database, "first").tier == "all"


async def test_a_key_for_somebody_else_needs_a_balance(data_dir: Path, database: Database, seeded: None) -> None:
    for name in ("alpha", "ci-bot"):
        keys.revoke(database, "cli:op", name)
    async with console_on(data_dir) as console:
        await console.press("3", "i", "enter", "enter")
        await fill(console, name="bob")
        choose(console, "unlimited", False)
        await console.press("ctrl+s")
        assert "A balance is needed" in on_the_screen(console)
        await fill(console, balance="10")
        await console.press("ctrl+s")
    assert rows(database, "SELECT balance_micro FROM balances ORDER BY customer_id DESC LIMIT 1") == [(10_000_000,)]


async def test_the_first_call_is_seen(data_dir: Path, seeded: None, gateway_: Gateway) -> None:
    gateway_.beat()
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("3", "i", "enter")
        assert "Send it this; the page sees the call" in on_the_screen(console)
        assert "x-api-key: YOUR_KEY" in on_the_screen(console)
        gateway_.write(settle(make_call()))
        await console.look()
        assert "It came through" in on_the_screen(console)
        assert "All of it is done" in on_the_screen(console)
        await console.press("enter")
        assert isinstance(console.app.screen, AccountsScreen)


@pytest.mark.parametrize("key", ["enter", "R"])
async def test_read_only_does_no_step(data_dir: Path, database: Database, key: str) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("3", "i", key)
        assert "read-only" in console.said[-1]
    assert audited(database) == []
    assert not (data_dir / "master.key").exists()


async def test_t_has_nothing_to_try_without_an_account(data_dir: Path) -> None:
    async with console_on(data_dir, offer_setup=True) as console:
        await console.press("t")
        assert "There is no account yet." in console.said[-1]
