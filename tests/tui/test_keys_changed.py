"""What is done to a key that is there: changed, disabled, rotated, revoked."""

from pathlib import Path

import pytest

from gateway.keys import hash_secret
from gateway.store.database import Database
from gateway.store.operators import keys
from gateway.store.queries.views import list_audit
from tests.store.making import NOW
from tests.tui.making import SIZES, console_on, expire, matches_snapshot
from tests.tui.typing_in import changed_here, fill, line_of

# -- changing


async def test_only_what_was_changed_is_written_and_u_takes_it_back(
    data_dir: Path, seeded: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "e")
        await fill(console, rpm="30")
        await console.press("ctrl+s")
        assert keys.find(database, "alpha").rpm == 30
        assert list_audit(database)[0].details.keys() == {"public_id", "rpm"}
        assert console.said[-1] == "alpha is changed.  u undoes"
        await console.press("u")
        assert keys.find(database, "alpha").rpm is None


async def test_an_emptied_limit_falls_back_to_the_tier(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "j", "e")
        await fill(console, rpm="")
        await console.press("ctrl+s")
        assert keys.find(database, "ci-bot").rpm is None


async def test_a_key_gets_another_name_and_tier(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "e")
        await fill(console, name="alpha-2")
        await console.press("tab", "enter", "down", "enter", "ctrl+s")
        assert keys.find(database, "alpha-2").tier != "all"


async def test_an_expiry_that_was_not_touched_stays_to_the_millisecond(
    data_dir: Path, seeded: None, database: Database
) -> None:
    expire(database, "alpha", NOW - 5)
    async with console_on(data_dir) as console:
        await console.press("2", "e")
        await fill(console, tpm="9")
        await console.press("ctrl+s")
        assert (keys.find(database, "alpha").tpm, keys.find(database, "alpha").expires_at) == (9, NOW - 5)


async def test_a_form_left_as_it_was_writes_nothing(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "e", "ctrl+s")
        assert console.said[-1] == "Nothing was changed."
        assert changed_here(database) == []


# -- disabling


async def test_x_disables_a_key_and_u_enables_it_again(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "x")
        assert not keys.find(database, "alpha").enabled
        assert "◌ disabled" in line_of(console, "alpha")
        assert console.said[-1] == "alpha is disabled.  u undoes"
        await console.press("u")
        assert keys.find(database, "alpha").enabled


async def test_x_enables_a_disabled_key(data_dir: Path, seeded: None, database: Database) -> None:
    keys.disable(database, "cli:op", "alpha")
    async with console_on(data_dir) as console:
        await console.press("2", "x")
        assert keys.find(database, "alpha").enabled


async def test_marked_keys_are_disabled_together(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "space", "space", "x")
        assert not keys.find(database, "alpha").enabled
        assert not keys.find(database, "ci-bot").enabled
        assert changed_here(database) == [("keys.disable", "ci-bot"), ("keys.disable", "alpha")]
        await console.press("u")
        assert keys.find(database, "ci-bot").enabled


# -- rotating


async def test_a_rotation_shows_the_new_secret_and_leaves_the_old_one_its_time(
    data_dir: Path, seeded: None, database: Database
) -> None:
    old = keys.find(database, "alpha")
    async with console_on(data_dir, SIZES["200x60"]) as console:
        await console.press("2", "R")
        await fill(console, grace="15m")
        await console.press("enter")
        secret = next(word for word in console.text.split() if word.startswith("cc_user_") and len(word) > 40)
    new = keys.find(database, "alpha")
    assert new.secret_hash == hash_secret(secret)
    assert (new.previous_hash, new.previous_until) == (old.secret_hash, NOW + 15 * 60_000)


async def test_a_rotation_without_grace_voids_the_old_secret(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "R")
        await fill(console, grace="0")
        await console.press("enter", "y", "escape")
        assert keys.find(database, "alpha").previous_hash is None
        assert console.said[-1] == "The old secret of alpha is void."


async def test_a_grace_beyond_90_days_is_refused(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "R")
        await fill(console, grace="91d")
        await console.press("enter")
        assert "90 days at most" in console.text
        assert changed_here(database) == []


# -- revoking


async def test_revoking_names_the_key_its_use_and_wants_the_name(
    data_dir: Path, keys_in_use: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "D")
        assert matches_snapshot("keys-revoke-80x24", console.text)
        assert "2 calls, $1.50" in console.text
        await console.type("alph")
        await console.press("enter")
        assert keys.find(database, "alpha").revoked_at is None
        await console.type("a")
        await console.press("enter")
        assert keys.find(database, "alpha").revoked_at == NOW
        assert changed_here(database) == [("keys.revoke", "alpha")]


async def test_escape_revokes_nothing(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "D", "escape")
        assert keys.find(database, "alpha").revoked_at is None


async def test_several_keys_are_revoked_by_their_number(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "space", "space", "D")
        assert "Revoke 2 keys?" in console.text
        assert "alpha, ci-bot" in console.text
        await console.type("2")
        await console.press("enter")
        assert [key.revoked_at for key in (keys.find(database, "alpha"), keys.find(database, "ci-bot"))] == [NOW, NOW]


@pytest.mark.parametrize("key", ["e", "x", "R", "D"])
async def test_a_revoked_key_says_that_it_is_final(
    data_dir: Path, keys_in_use: None, database: Database, key: str
) -> None:
    async with console_on(data_dir) as console:
        await console.press("2", "a", "G", key)
        assert "which is final" in console.said[-1]
        assert changed_here(database) == []


@pytest.mark.parametrize("key", ["n", "e", "x", "R", "D", "dollar_sign"])
async def test_a_read_only_console_refuses_every_change(
    data_dir: Path, seeded: None, database: Database, key: str
) -> None:
    async with console_on(data_dir, read_only=True) as console:
        await console.press("2", key)
        assert "read-only" in console.said[-1]
        assert changed_here(database) == []
