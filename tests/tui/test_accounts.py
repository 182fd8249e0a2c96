"""Accounts: what is shown of them."""

from pathlib import Path
from typing import Any

import pytest

from gateway.catalog import Rates
from gateway.store.database import Database
from gateway.store.operators import accounts
from gateway.store.operators.accounts import AccountChanges
from tests.store.making import NOW
from tests.tui.making import SIZES, console_on, matches_snapshot
from tests.tui.typing_in import on_the_screen


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
