"""A key is made: for whom, with which limits, and its secret shown once."""

from pathlib import Path

import pytest

from gateway.keys import hash_secret
from gateway.store.database import Database, rows
from gateway.store.operators import customers, keys
from gateway.store.queries.lookups import balance_of
from gateway.store.rollups import DAY_MS
from tests.store.making import NOW
from tests.tui.making import SIZES, console_on, matches_snapshot
from tests.tui.typing_in import changed_here, fill


async def test_a_key_is_made_with_its_customer_and_a_balance(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("alice")
        await fill(console, balance="12.50")
        await console.press("ctrl+s")
        key = keys.find(database, "alice")
        assert balance_of(database, key.customer_id) == 12_500_000
        assert changed_here(database) == [("keys.create", "alice"), ("customers.create", "alice")]


async def test_its_secret_is_shown_once_with_lines_to_paste(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir, SIZES["200x60"]) as console:
        await console.press("2", "n")
        await console.type("alice")
        await console.press("ctrl+s")
        secret = next(word for word in console.text.split() if word.startswith("cc_user_") and len(word) > 40)
        assert hash_secret(secret) == keys.find(database, "alice").secret_hash
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
        await fill(console, customer="ci")
        assert "ci pays: it has $5.00." in console.text
        await console.press("ctrl+s")
        assert keys.find(database, "second").customer_id == customers.find(database, "ci").id
        assert changed_here(database) == [("keys.create", "second")]


async def test_a_customer_that_exists_gets_no_second_opening_balance(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("second")
        await fill(console, customer="ci")
        await fill(console, balance="10")
        await console.press("ctrl+s")
        assert "Leave Balance empty" in console.text
        assert changed_here(database) == []


async def test_a_key_is_made_with_every_limit(data_dir: Path, seeded: None, database: Database) -> None:
    typed = {
        "rpm": "60", "tpm": "100,000", "concurrency": "4", "day_limit_micro": "2.50", "month_limit_micro": "40",
        "expires": "30d", "models": "claude-* gpt-5.5", "addresses": "203.0.113.7, 2001:db8::/32",
    }  # fmt: skip
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("narrow")
        for field, text in typed.items():
            await fill(console, **{field: text})
        await console.press("ctrl+s")
    key = keys.find(database, "narrow")
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
        await fill(console, **{field: text})
        await console.press("ctrl+s")
        assert refusal in " ".join(console.text.replace("│", " ").split())
        assert changed_here(database) == []


async def test_a_name_that_is_taken_is_said_in_the_form(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("alpha")
        await console.press("ctrl+s")
        assert "There is a key 'alpha' already" in " ".join(console.text.split())
        assert changed_here(database) == []


async def test_escape_makes_nothing(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "n")
        await console.type("alice")
        await console.press("escape")
        assert rows(database, "SELECT name FROM keys") == []
