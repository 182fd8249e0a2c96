"""Audit: what was changed, by whom; pages, words, one entry."""

from pathlib import Path
from typing import Any

import pytest

from gateway.store.database import Database, operator_transaction, rows
from gateway.store.operators import accounts, customers, keys
from gateway.store.operators.accounts import AccountChanges
from gateway.store.operators.audit import record
from gateway.store.retention import prune
from tests.store.making import NOW
from tests.tui.making import SIZES, Console, console_on, matches_snapshot
from tests.tui.typing_in import on_the_screen


@pytest.fixture
def changed(database: Database, seeded: None) -> None:
    """Changes of every kind on top of the seeded ones."""
    customers.topup(database, "console:ops", "ci", 12_500_000, note="invoice 7")
    accounts.change(
        database, "console:ops", "main", AccountChanges(priority=30, models=("claude-*", "gpt-*"), proxy="http://p:1")
    )
    accounts.disable(database, "cli:ci", "spare")
    keys.revoke(database, "console:ops", "ci-bot")


def entries(console: Console) -> list[Any]:
    return list(console.app.screen.query_one("#table").rows)  # type: ignore[attr-defined]


def many(database: Database, count: int) -> None:
    with operator_transaction(database):
        for number in range(count):
            record(database, "cli:op", "keys.create", f"key-{number:05}")


@pytest.mark.parametrize("size", SIZES)
async def test_who_changed_what(data_dir: Path, changed: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("7")
        assert matches_snapshot(f"audit-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_before_anything_was_changed(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("7")
        assert "Nothing was changed yet." in console.text
        assert matches_snapshot(f"audit-empty-{size}", console.text)


async def test_enter_shows_an_entry(data_dir: Path, changed: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("7", "j", "j", "enter")
        shown = on_the_screen(console)
        for words in ("accounts.set", "to main", "by console:ops", "priority 30", "models claude-* gpt-*"):
            assert words in shown
        assert "proxy changed" in shown
        await console.press("escape")
        assert len(entries(console)) == 10


async def test_amounts_are_dollars(data_dir: Path, changed: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("7", "slash")
        await console.type("topup")
        await console.press("enter", "enter")
        assert "$12.50" in on_the_screen(console)


@pytest.mark.parametrize(
    ("text", "found"),
    [("spare", 2), ("console:ops", 3), ("!cli", 3), ("accounts.disable", 1), ("12500000", 1), ("nowhere", 0)],
)
async def test_words_are_looked_for_everywhere(data_dir: Path, changed: None, text: str, found: int) -> None:
    async with console_on(data_dir) as console:
        await console.press("7", "slash")
        await console.type(text)
        assert len(entries(console)) == found


async def test_escape_shows_everything_again(data_dir: Path, changed: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("7", "slash")
        await console.type("spare")
        await console.press("enter", "escape")
        assert len(entries(console)) == 10


async def test_the_end_reads_on_until_there_is_no_more(data_dir: Path, database: Database) -> None:
    many(database, 250)
    async with console_on(data_dir) as console:
        await console.press("7")
        assert len(entries(console)) == 100
        await console.press("G")
        assert len(entries(console)) == 200
        await console.press("G", "G", "G")
        assert len(entries(console)) == 250
        assert entries(console)[-1].subject == "key-00000"


async def test_a_rare_word_is_found_far_back(data_dir: Path, database: Database) -> None:
    with operator_transaction(database):
        record(database, "cli:op", "keys.create", "the-first")
        numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < 45000) "
        insert = "INSERT INTO audit (at, actor, action, subject, details) SELECT n, 'cli', 'made', 'x', '{}' "
        rows(database, f"{numbers}{insert}FROM numbers")
    async with console_on(data_dir) as console:
        await console.press("7", "slash")
        await console.type("the-first")
        assert [entry.subject for entry in entries(console)] == ["the-first"]


async def test_a_change_made_elsewhere_appears_on_top_and_pages_stay(data_dir: Path, database: Database) -> None:
    many(database, 250)
    async with console_on(data_dir) as console:
        await console.press("7", "G")
        with operator_transaction(database):
            record(database, "cli:op", "keys.revoke", "the-last")
        await console.look()
        assert entries(console)[0].subject == "the-last"
        assert len(entries(console)) == 201
        await console.press("G", "G", "G")
        assert len(entries(console)) == 251


async def test_a_word_that_cannot_be_read_says_why(data_dir: Path, changed: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("7", "slash")
        await console.type("!")
        assert "! turns round what stands behind it" in console.text
        assert len(entries(console)) == 10


async def test_y_copies_whom_it_was_about(data_dir: Path, changed: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("7", "y")
        assert console.said[-1].endswith("sent to the terminal's clipboard.")


async def test_pruning_nothing_leaves_no_line(data_dir: Path, database: Database) -> None:
    prune(database, "gateway", NOW - 1, now_at=NOW)
    async with console_on(data_dir) as console:
        await console.press("7")
        assert "Nothing was changed yet." in console.text
