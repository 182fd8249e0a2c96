"""Models: who serves them at what price, and what is changed about that; retention and the budgets of races."""

from pathlib import Path
from typing import Any

import pytest

from gateway.catalog import Catalog, Rates
from gateway.catalog.load import shipped_catalog
from gateway.catalog.resolve import price_at
from gateway.store.database import Database
from gateway.store.operators import accounts, models, settings
from gateway.store.operators.accounts import AccountChanges
from gateway.store.snapshot import load_overrides, load_setting_overrides
from tests.store.making import NOW
from tests.tui.making import SIZES, Console, console_on, matches_snapshot
from tests.tui.typing_in import audited, choose, fill, line_of, on_the_screen

HAIKU = "claude-haiku-4-5"
DAY_MS = 86_400_000


@pytest.fixture
def served(database: Database) -> None:
    """Two accounts that serve a few models, one of which has no price and one of which the catalog does not know."""
    few = ("claude-haiku-4-5", "claude-sonnet-4-6")
    accounts.add(database, "cli:op", "eu", kind="simulated", fields=AccountChanges(models=few, priority=10))
    accounts.add(database, "cli:op", "us", kind="simulated", fields=AccountChanges(models=(HAIKU, "gpt-5.2")))
    local = AccountChanges(base_url="http://127.0.0.1:9/v1", models=("llama-4-70b",))
    accounts.add(database, "cli:op", "local", kind="openai", fields=local)
    models.set_alias(database, "cli:op", shipped_catalog(), "fast", HAIKU)


def catalog(database: Database) -> Catalog:
    return load_overrides(database, shipped_catalog())


def names(console: Console) -> list[str]:
    return [row.model.id for row in console.app.screen.query_one("#table").rows]  # type: ignore[attr-defined]


async def to(console: Console, model_id: str) -> None:
    """The cursor onto a model."""
    await console.press("6")
    console.app.screen.query_one("#table").cursor = names(console).index(model_id)  # type: ignore[attr-defined]
    await console.settle()


# -- what is shown


@pytest.mark.parametrize("size", SIZES)
async def test_what_is_served_by_whom_at_what_price(data_dir: Path, served: None, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("6")
        assert matches_snapshot(f"models-{size}", console.text)


@pytest.mark.parametrize("size", SIZES)
async def test_without_accounts_it_says_what_is_missing(data_dir: Path, size: str) -> None:
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("6")
        assert "No account serves a model yet." in console.text
        assert matches_snapshot(f"models-empty-{size}", console.text)


async def test_a_model_without_a_price_stands_first_and_is_counted(data_dir: Path, served: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("6")
        assert names(console)[0] == "llama-4-70b"
        assert "✕ no price" in line_of(console, "llama-4-70b")
        assert "1 has no price and may not be: p sets one" in console.text


async def test_both_accounts_of_a_model_are_named_the_first_tried_first(data_dir: Path, served: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("6")
        assert "eu, us" in line_of(console, HAIKU)


async def test_the_page_of_a_model_has_every_bucket(data_dir: Path, served: None) -> None:
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await to(console, HAIKU)
        await console.press("enter")
        shown = on_the_screen(console)
        for words in (
            "input $1.00", "output $5.00", "cache read $0.10", "cache write 5m $1.25", "cache write 1h $2.00",
            "of them yours fast",
        ):  # fmt: skip
            assert words in shown


async def test_v_shows_the_whole_catalog(data_dir: Path, served: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("6")
        assert len(names(console)) == 4
        await console.press("v")
        assert len(names(console)) > 20
        await console.press("v")
        assert len(names(console)) == 4


async def test_a_price_to_come_is_named(data_dir: Path, served: None, database: Database) -> None:
    later = NOW + DAY_MS
    models.set_price(database, "cli:op", catalog(database), HAIKU, Rates(2_000_000, 9_000_000), effective_at=later)
    async with console_on(data_dir, SIZES["120x36"]) as console:
        await to(console, HAIKU)
        assert "$2.00 in, $9.00 out" in on_the_screen(console)
        assert "$1.00" in line_of(console, HAIKU)


# -- what is done


async def test_p_sets_a_price_from_now_on(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await to(console, HAIKU)
        await console.press("p")
        await fill(console, input="2", output="9.50", cache_read="0.20", variants="batch=0.5")
        await console.press("ctrl+s")
        assert console.said[-1].startswith(f"{HAIKU} costs $2.00 in, $9.50 out from 2026-03-04 05:06:07")
    price = price_at(catalog(database).models[HAIKU], NOW)
    assert price is not None
    assert (price.rates.input, price.rates.output, price.rates.cache_read) == (2_000_000, 9_500_000, 200_000)
    assert price.rates.cache_write_5m == 1_250_000
    assert price.variants_bp == {"batch": 5_000}
    assert audited(database)[0][1:] == ("models.price", HAIKU)


async def test_p_sets_a_price_that_begins_later(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await to(console, HAIKU)
        await console.press("p")
        await fill(console, input="2", since="1d")
        await console.press("ctrl+s")
    model = catalog(database).models[HAIKU]
    today, tomorrow = price_at(model, NOW), price_at(model, NOW + DAY_MS)
    assert today is not None
    assert tomorrow is not None
    assert (today.rates.input, tomorrow.rates.input) == (1_000_000, 2_000_000)


@pytest.mark.parametrize(
    ("field", "text", "words"),
    [
        ("input", "much", "is not an amount in dollars"),
        ("output", "-1", "cannot be negative"),
        ("variants", "fast", "is not a pair such as"),
        ("variants", "fast=often", "is not a factor"),
        ("since", "2026-01-01", "is over already"),
    ],
)
async def test_a_price_is_checked(
    data_dir: Path, served: None, database: Database, field: str, text: str, words: str
) -> None:
    before = audited(database)
    async with console_on(data_dir, SIZES["200x60"]) as console:
        await to(console, HAIKU)
        await console.press("p")
        await fill(console, **{field: text})
        assert words in on_the_screen(console)
        await console.press("ctrl+s")
    assert audited(database) == before


async def test_p_adds_a_model_that_only_an_account_knows(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await to(console, "llama-4-70b")
        await console.press("p")
        await fill(console, input="0.10", output="0.40")
        await console.press("ctrl+s")
        assert "● served" in line_of(console, "llama-4-70b")
    price = price_at(catalog(database).models["llama-4-70b"], NOW)
    assert price is not None
    assert (price.rates.input, price.rates.output) == (100_000, 400_000)


async def test_n_adds_a_model(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "n")
        await fill(console, id="my-model", context_tokens="8192", max_output_tokens="2048")
        await console.press("ctrl+s")
        assert "It has no price yet" in console.said[-1]
    model = catalog(database).models["my-model"]
    assert (model.vendor, model.context_tokens, model.max_output_tokens) == ("local", 8_192, 2_048)


async def test_a_model_and_its_price_are_one_change(data_dir: Path, served: None, database: Database) -> None:
    before = audited(database)
    async with console_on(data_dir) as console:
        await console.press("6", "n")
        await fill(console, id="my-model", input="1", output="2")
        await console.press("ctrl+s")
        assert console.said[-1] == "my-model is in the catalog."
    price = price_at(catalog(database).models["my-model"], NOW)
    assert price is not None
    assert (price.rates.input, price.rates.output) == (1_000_000, 2_000_000)
    assert [each[1:] for each in audited(database)[: -len(before)]] == [("models.add", "my-model")]


async def test_n_refuses_half_a_price(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "n")
        await fill(console, id="my-model", input="1")
        await console.press("ctrl+s")
        assert "A price needs both input and output." in on_the_screen(console)
    assert "my-model" not in catalog(database).models


async def test_a_adds_an_alias_and_u_takes_it_away(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await to(console, HAIKU)
        await console.press("a")
        await fill(console, alias="quick")
        await console.press("ctrl+s")
        assert catalog(database).aliases["quick"] == HAIKU
        assert console.said[-1] == f"quick stands for {HAIKU}.  u undoes"
        await console.press("u")
    assert "quick" not in catalog(database).aliases


async def test_an_alias_pointed_elsewhere_is_pointed_back(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await to(console, "gpt-5.2")
        await console.press("a")
        await fill(console, alias="fast")
        await console.press("ctrl+s")
        assert catalog(database).aliases["fast"] == "gpt-5.2"
        await console.press("u")
    assert catalog(database).aliases["fast"] == HAIKU


async def test_an_alias_of_no_model_is_refused(data_dir: Path, served: None, database: Database) -> None:
    async with console_on(data_dir) as console:
        await to(console, HAIKU)
        await console.press("a")
        await fill(console, alias="quick", model="claude-haiku-4-6")
        await console.press("ctrl+s")
        assert "There is no model 'claude-haiku-4-6'. Did you mean" in on_the_screen(console)
    assert "quick" not in catalog(database).aliases


async def test_shift_a_takes_an_alias_back_and_u_gives_it_again(
    data_dir: Path, served: None, database: Database
) -> None:
    async with console_on(data_dir) as console:
        await to(console, HAIKU)
        await console.press("A", "ctrl+s")
        assert "fast" not in catalog(database).aliases
        await console.press("u")
    assert catalog(database).aliases["fast"] == HAIKU


async def test_shift_a_says_where_there_is_none(data_dir: Path, seeded: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "A")
        assert "There is no alias of yours." in console.said[-1]


async def test_shift_d_asks_and_gives_the_shipped_price_back(data_dir: Path, served: None, database: Database) -> None:
    models.set_price(database, "cli:op", catalog(database), HAIKU, Rates(7_000_000, 7_000_000))
    async with console_on(data_dir) as console:
        await to(console, HAIKU)
        await console.press("D", "enter")
        assert len(audited(database)) == 5
        await console.press("D", "right", "enter")
        assert console.said[-1] == f"What you set for {HAIKU} is taken back."
    price = price_at(catalog(database).models[HAIKU], NOW)
    assert price is not None
    assert price.rates.input == 1_000_000


async def test_shift_d_leaves_what_is_as_shipped(data_dir: Path, served: None) -> None:
    async with console_on(data_dir) as console:
        await to(console, HAIKU)
        await console.press("D")
        assert "it is as shipped" in console.said[-1]


@pytest.mark.parametrize("key", ["p", "a", "A", "n", "D"])
async def test_read_only_changes_nothing(data_dir: Path, served: None, database: Database, key: str) -> None:
    before = audited(database)
    async with console_on(data_dir, read_only=True) as console:
        await console.press("6", key)
        assert "read-only" in console.said[-1]
    assert audited(database) == before


async def test_rows_are_filtered(data_dir: Path, served: None) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "slash")
        await console.type("eu")
        assert sorted(names(console)) == [HAIKU, "claude-sonnet-4-6"]


# -- retention and the budgets of races


@pytest.mark.parametrize("size", SIZES)
async def test_what_can_be_changed_while_it_runs(data_dir: Path, database: Database, size: str) -> None:
    settings.change(database, "cli:op", "prune_days", "90")
    async with console_on(data_dir, SIZES[size]) as console:
        await console.press("6", "o")
        assert matches_snapshot(f"settings-{size}", console.text)


async def test_e_changes_the_retention_and_u_takes_it_back(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "o", "e")
        await fill(console, value="30")
        await console.press("ctrl+s")
        assert load_setting_overrides(database) == {"prune_days": "30"}
        assert console.said[-1] == "Calls are kept: 30 days.  u undoes"
        await console.press("u")
    assert load_setting_overrides(database) == {}
    assert [row[1] for row in audited(database)[:2]] == ["config.unset", "config.set"]


async def test_a_budget_is_typed_in_dollars(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "o")
        table: Any = console.app.screen.query_one("#table")
        table.cursor = next(at for at, row in enumerate(table.rows) if row.name == "hedge_day_cap_micro")
        await console.settle()
        await console.press("enter")
        await fill(console, value="12.50")
        await console.press("ctrl+s")
    assert load_setting_overrides(database) == {"hedge_day_cap_micro": "12500000"}


async def test_a_value_it_cannot_have_is_refused(data_dir: Path, database: Database) -> None:
    async with console_on(data_dir) as console:
        await console.press("6", "o", "G", "e")
        await fill(console, value="99")
        assert "race_width (whole number) cannot be '99'" in on_the_screen(console)
        await console.press("ctrl+s")
    assert load_setting_overrides(database) == {}


async def test_x_takes_a_change_back_and_u_makes_it_again(data_dir: Path, database: Database) -> None:
    settings.change(database, "cli:op", "prune_days", "90")
    async with console_on(data_dir) as console:
        await console.press("6", "o", "x")
        assert load_setting_overrides(database) == {}
        assert "prune_days is for ever again, from default." in console.said[-1]
        await console.press("u")
    assert load_setting_overrides(database) == {"prune_days": "90"}


async def test_what_holds_otherwise_comes_from_the_file(data_dir: Path) -> None:
    (data_dir / "config.toml").write_text("prune_days = 14\n")
    async with console_on(data_dir) as console:
        await console.press("6", "o")
        line = next(line for line in console.text.splitlines() if "calls are kept" in line)
        assert line.split()[-5:] == ["14", "days", "file", "for", "ever"]


@pytest.mark.parametrize("key", ["e", "x"])
async def test_read_only_leaves_settings_alone(data_dir: Path, database: Database, key: str) -> None:
    settings.change(database, "cli:op", "prune_days", "90")
    async with console_on(data_dir, read_only=True) as console:
        await console.press("6", "o", key)
        assert "read-only" in console.said[-1]
    assert load_setting_overrides(database) == {"prune_days": "90"}


async def test_long_prompts_keep_their_rates(data_dir: Path, database: Database) -> None:
    tiered = next(
        model for model in shipped_catalog().models.values() if (price := price_at(model, NOW)) and price.tiers
    )
    accounts.add(database, "cli:op", "eu", kind="simulated", fields=AccountChanges(models=(tiered.id,)))
    before = price_at(tiered, NOW)
    async with console_on(data_dir) as console:
        await to(console, tiered.id)
        await console.press("p")
        choose(console, "tiers", True)
        await fill(console, input="42")
        await console.press("ctrl+s")
    after = price_at(catalog(database).models[tiered.id], NOW)
    assert before is not None
    assert after is not None
    assert (after.rates.input, after.tiers) == (42_000_000, before.tiers)
