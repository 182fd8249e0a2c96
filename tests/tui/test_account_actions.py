"""What is done to accounts from the list: switched, drained, tried, forgotten; and nothing where it is read-only."""

from pathlib import Path

import pytest

from gateway.store.database import Database
from gateway.store.operators import accounts
from gateway.store.operators.accounts import AccountChanges
from tests.tui.making import console_on
from tests.tui.typing_in import audited, on_the_screen


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
