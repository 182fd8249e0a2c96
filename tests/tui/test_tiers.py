"""Tiers: what their keys may do, and when a second account is asked."""

from pathlib import Path

import pytest

from gateway.store.database import Database
from gateway.store.operators import keys, tiers
from gateway.store.operators.tiers import TierChanges
from tests.tui.making import SIZES, console_on, matches_snapshot
from tests.tui.typing_in import audited, choose, fill, line_of, on_the_screen


@pytest.mark.parametrize("size", SIZES)
async def test_what_every_tier_may_do(data_dir: Path, seeded: None, database: Database, size: str) -> None:
    changes = TierChanges(policy="hedge", model_policies={"claude-haiku-*": "race"}, rpm=600, multiplier_bp=12_000)
    tiers.change(database, "cli:op", "claude", changes)
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("6", "t")
        assert matches_snapshot(f"tiers-{size}", console.text)


async def test_keys_in_use_are_counted(data_dir: Path, seeded: None, database: Database) -> None:
    keys.revoke(database, "cli:op", "ci-bot")
    async with console_on(data_dir) as console:
        await console.press("6", "t")
        assert line_of(console, "codex").split()[-1] == "0"


async def test_p_goes_through_the_policies_and_u_goes_back(data_dir: Path, seeded: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "t", "p")
        assert tiers.find(database, "all").policy == "hedge"
        await console.press("p")
        assert tiers.find(database, "all").policy == "race"
        assert "several at once" in console.said[-1]
        await console.press("u")
        assert tiers.find(database, "all").policy == "hedge"
        assert audited(database)[0][1:] == ("tiers.set", "all")


async def test_e_changes_everything_and_u_takes_it_back(data_dir: Path, seeded: None, database: Database) -> None:
    before = tiers.find(database, "all")
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("6", "t", "e")
        await fill(
            console, dialects="messages chat", models="claude-* gpt-*", multiplier_bp="1.25", rpm="600", tpm="90000",
            concurrency="8", model_policies="claude-haiku-*=race claude-*=hedge", prefix="sk-acme-",
        )  # fmt: skip
        choose(console, "on_disconnect", "drain")
        choose(console, "forgive_partial", True)
        choose(console, "translation", "strict")
        choose(console, "spelling", "dot" if before.spelling == "dash" else "dash")
        await console.press("ctrl+s")
        after = tiers.find(database, "all")
        assert (after.dialects, after.models) == (("messages", "chat"), ("claude-*", "gpt-*"))
        assert (after.multiplier_bp, after.rpm, after.tpm, after.concurrency) == (12_500, 600, 90_000, 8)
        assert list(after.model_policies.items()) == [("claude-haiku-*", "race"), ("claude-*", "hedge")]
        assert (after.on_disconnect, after.forgive_partial, after.translation) == ("drain", True, "strict")
        await console.press("u")
    assert tiers.find(database, "all") == before


async def test_the_order_of_patterns_is_a_change(data_dir: Path, seeded: None, database: Database) -> None:
    policies = {"claude-*": "hedge", "claude-haiku-*": "race"}
    tiers.change(database, "cli:op", "all", TierChanges(model_policies=policies))  # type: ignore[arg-type]
    async with console_on(data_dir) as console:
        await console.press("6", "t", "e")
        await fill(console, model_policies="claude-haiku-*=race claude-*=hedge")
        await console.press("ctrl+s")
    assert list(tiers.find(database, "all").model_policies) == ["claude-haiku-*", "claude-*"]


async def test_a_limit_left_empty_is_none(data_dir: Path, seeded: None, database: Database) -> None:
    tiers.change(database, "cli:op", "all", TierChanges(rpm=60))
    async with console_on(data_dir) as console:
        await console.press("6", "t", "e")
        await fill(console, rpm="")
        await console.press("ctrl+s")
    assert tiers.find(database, "all").rpm is None


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("dialects", "gopher", "Dialects are messages, chat, responses"),
        ("models", "cl{ude", "is a model id in which"),
        ("multiplier_bp", "twice", "is not a factor such as 1.2"),
        ("rpm", "0", "Requests a minute is a number from 1"),
        ("model_policies", "claude-*", "is not a pair such as claude-haiku-*=race"),
        ("model_policies", "claude-*=fast", "The policy is one of failover, hedge, race"),
        ("prefix", "1bad", "A prefix is up to 32 letters"),
    ],
)
async def test_what_is_typed_is_checked(
    data_dir: Path, seeded: None, database: Database, field: str, text: str, words: str
) -> None:
    before = audited(database)
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await console.press("6", "t", "e")
        await fill(console, **{field: text})
        await console.press("ctrl+s")
        assert words in on_the_screen(console)
    assert audited(database) == before


async def test_nothing_changed_is_nothing_written(data_dir: Path, seeded: None, database: Database) -> None:
    before = audited(database)
    async with console_on(data_dir) as console:
        await console.press("6", "t", "e", "ctrl+s")
        assert console.said[-1] == "Nothing was changed."
    assert audited(database) == before


@pytest.mark.parametrize("key", ["e", "p"])
async def test_read_only_changes_nothing(data_dir: Path, seeded: None, database: Database, key: str) -> None:
    before = audited(database)
    async with console_on(data_dir, read_only=True) as console:
        await console.press("6", "t", key)
        assert "read-only" in console.said[-1]
    assert audited(database) == before


async def test_q_goes_back_to_the_models(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "t", "q")
        assert "models are served" in console.text
