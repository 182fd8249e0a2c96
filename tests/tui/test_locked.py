"""Another process holds the database's lock, as a backup or a migration may for seconds."""

from pathlib import Path

import pytest

from admin_tui import actions
from admin_tui.screens.accounts import AccountsScreen
from gateway.store.database import Database, rows
from gateway.store.operators import keys
from tests.store.making import NOW
from tests.tui.making import Gateway, console_on


async def test_a_change_waits_and_keys_are_heard_meanwhile(
    data_dir: Path, seeded: None, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(actions, "_BUSY_S", 0.01)
    async with console_on(data_dir) as console:
        await console.press("2")
        rows(database, "BEGIN IMMEDIATE")
        console.send("x")
        console.send("3")
        await console.until(lambda: isinstance(console.app.screen, AccountsScreen))
        await console.until(lambda: console.has_said("locked by another process"))
        rows(database, "ROLLBACK")
        await console.settle()
        assert not keys.find(database, "alpha").enabled
        assert "alpha is disabled." in console.said[-1]


async def test_a_second_change_has_to_wait_for_the_first(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2")
        rows(database, "BEGIN IMMEDIATE")
        console.send("x")
        console.send("x")
        await console.until(lambda: console.has_said("still being written"))
        rows(database, "ROLLBACK")
        await console.settle()
        assert not keys.find(database, "alpha").enabled


async def test_a_gateway_that_cannot_write_is_not_said_to_be_gone(
    data_dir: Path, gateway_: Gateway, database: Database
) -> None:
    gateway_.beat(at=NOW - 8_000)
    rows(database, "BEGIN IMMEDIATE")
    async with console_on(data_dir) as console:
        assert "◌ the database is locked - gateway last heard of at 05:05:59" in console.text
        rows(database, "ROLLBACK")
        console.app.now = console.app.feed._clock = lambda: NOW + 2_000
        await console.look()
        assert "the database is locked" in console.text
        console.app.now = console.app.feed._clock = lambda: NOW + 6_000
        await console.look()
        assert "✕ gateway not running - data as of 05:05" in console.text


async def test_a_form_that_is_being_written_stays(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("4", "n")
        await console.type("zoo")
        rows(database, "BEGIN IMMEDIATE")
        console.send("ctrl+s")
        console.send("escape")
        await console.until(lambda: console.has_said("still being written"))
        assert "New customer" in console.text
        rows(database, "ROLLBACK")
        await console.settle()
        assert "zoo is made." in console.said[-1]
        assert "New customer" not in console.text
